import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import Database from 'better-sqlite3'
import { localBus } from '../../src/engine/bus/localBus.ts'
import { migrate } from '../../src/engine/migrate.ts'
import { sqliteStore } from '../../src/engine/store/sqlite/sqliteStore.ts'
import { JOB_ORDER_FIELDS, type JobListFilter, RUN_ORDER_FIELDS } from '../../src/engine/store/store.ts'
import { keepingLog } from '../support/parts.ts'
import { allRuns, LATER } from './factories.ts'

interface Planned {
  readonly sql: string
  readonly plan: string
}

/** A store that notes how SQLite means to carry out each statement it prepares. */
function planningStore() {
  const db = new Database(':memory:')
  migrate(db)
  const planned: Planned[] = []
  const prepare = db.prepare.bind(db)
  db.prepare = ((sql: string) => {
    if (/^\s*(SELECT|INSERT|UPDATE|DELETE)/.test(sql)) {
      const parameters = Array.from(sql.matchAll(/\?/g), () => '1')
      const steps = prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all(...parameters)
      planned.push({ sql: sql.replace(/\s+/g, ' '), plan: steps.map(({ detail }) => detail).join(' | ') })
    }
    return prepare(sql)
  }) as typeof db.prepare
  const { log } = keepingLog()
  const store = sqliteStore({ db, instanceId: 'ins_test', bus: localBus(log), log })
  return { store, planned }
}

/** A table read from one end to the other, which is not one of the few that stay tiny; not in the order of an index that only holds what is looked for. */
const WHOLE_TABLE =
  /SCAN (?!CONSTANT ROW|Maintenance|Instance|\(subquery|json_each|(Run|r) USING (COVERING )?INDEX run_(ready|leased|retrying|active))/
const SORTED = /TEMP B-TREE/

function faultsOf(planned: readonly Planned[], allowed: readonly RegExp[] = []): readonly Planned[] {
  return planned.filter(({ sql, plan }) => (WHOLE_TABLE.test(plan) || SORTED.test(plan)) && !allowed.some((each) => each.test(sql)))
}

const noJobFilter: JobListFilter = { state: null, search: null, tags: null, handler: null, lastRunStatus: null, now: LATER }
const bounds = [
  { after: null, before: null, fromEnd: false },
  { after: null, before: null, fromEnd: true },
  { after: { value: 'x', id: 'x' }, before: null, fromEnd: false },
  { after: { value: null, id: 'x' }, before: { value: null, id: 'y' }, fromEnd: true },
]

describe('how SQLite carries out the statements', () => {
  it('of verbs: by an index, in its order, planned once', () => {
    const { planned } = planningStore()
    assert.ok(planned.length > 50)
    // The bounds of one concurrency key are read once after a start, grouped over that key's active runs.
    assert.deepEqual(faultsOf(planned, [/GROUP BY "maxConcurrency"/]), [])
    // A bare parameter in a condition makes SQLite plan the statement again for every value.
    const bare = planned.filter(({ sql }) => /(?<![+])\?/.test(sql))
    assert.deepEqual(bare, [])
  })

  it('of lists of jobs: pages in every order are read from an index, without sorting', async () => {
    const { store, planned } = planningStore()
    planned.length = 0
    for (const field of JOB_ORDER_FIELDS) {
      for (const direction of ['ASC', 'DESC'] as const) {
        for (const page of bounds) await store.listJobs({ filter: noJobFilter, orderBy: { field, direction }, ...page, limit: 20 })
      }
    }
    await store.countJobs(noJobFilter)
    assert.ok(planned.length > 20)
    const faults = faultsOf(planned).filter(({ plan }) => !inIndexOrder(plan))
    assert.deepEqual(faults, [])
  })

  it('of lists of runs: pages of all runs in every order, and of one job by their making', async () => {
    const { store, planned } = planningStore()
    planned.length = 0
    for (const direction of ['ASC', 'DESC'] as const) {
      for (const page of bounds) {
        for (const field of RUN_ORDER_FIELDS) await store.listRuns({ filter: allRuns, orderBy: { field, direction }, ...page, limit: 20 })
        await store.listRuns({ filter: { ...allRuns, jobIds: ['j'] }, orderBy: { field: 'QUEUED_AT', direction }, ...page, limit: 20 })
      }
    }
    // Runs that have not ended, the last in the order of their end, are few and sorted.
    const faults = faultsOf(planned, [/INDEXED BY "run_active"/]).filter(({ plan }) => !inIndexOrder(plan))
    assert.deepEqual(faults, [])
  })

  it('of filters: the order of the list is kept, so that a look at a slice stays a look at a slice', async () => {
    const { store, planned } = planningStore()
    planned.length = 0
    const page = { after: null, before: null, fromEnd: false, limit: 20 }
    const orderBy = { field: 'SCHEDULED_FOR', direction: 'DESC' } as const
    await store.listRuns({
      filter: { ...allRuns, status: ['FAILED'], trigger: ['MANUAL'], tags: ['a'], scheduledFrom: 1, scheduledTo: 2 },
      orderBy,
      ...page,
    })
    await store.listRuns({
      filter: { ...allRuns, scheduledFrom: 1, status: ['FAILED'] },
      orderBy: { field: 'QUEUED_AT', direction: 'DESC' },
      ...page,
    })
    await store.runChanges({ after: 0, upTo: 9, jobIds: ['j'], limit: 5 })
    const filter = { ...noJobFilter, state: ['PAUSED'] as const, search: 's', handler: 'h', lastRunStatus: ['FAILED'] as const }
    await store.listJobs({ filter, orderBy: { field: 'NAME', direction: 'ASC' }, ...page })
    const outer = planned.map(({ sql, plan }) => ({
      sql,
      plan: plan.split(/(?: \| )?(?:LIST|CORRELATED SCALAR) SUBQUERY/)[0]!,
    }))
    assert.deepEqual(
      faultsOf(outer).filter(({ plan }) => !inIndexOrder(plan)),
      [],
    )
  })
})

/** The whole of an index from one end, of which a page reads the beginning. */
function inIndexOrder(plan: string): boolean {
  return !SORTED.test(plan) && /SCAN \w+ USING (COVERING )?INDEX/.test(plan)
}
