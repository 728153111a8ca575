import assert from 'node:assert/strict'
import { describe, it, before, after } from 'node:test'
import { ledger, revisions } from '../../src/engine/store/postgres/ledger.ts'
import { listReads } from '../../src/engine/store/postgres/listReads.ts'
import { readsById } from '../../src/engine/store/postgres/reads.ts'
import { jobChanges, runChanges } from '../../src/engine/store/postgres/streamReads.ts'
import { JOB_ORDER_FIELDS, type JobListFilter, RUN_ORDER_FIELDS } from '../../src/engine/store/store.ts'
import { createPostgresDatabase, type PostgresDatabase } from '../support/postgres.ts'
import { BEGINNING, ExplainedSession, type Explained, fill, jobNumbered, runNumbered } from './explainedSession.ts'
import { allRuns, MINUTE } from './factories.ts'

const JOBS = 4_000
const RUNS_EACH = 12
const noJobFilter: JobListFilter = { state: null, search: null, tags: null, handler: null, lastRunStatus: null, now: BEGINNING }
const first = { after: null, before: null, fromEnd: false, limit: 21 }

describe('how Postgres carries out reads', () => {
  let database: PostgresDatabase
  let session: ExplainedSession

  before(async () => {
    database = await createPostgresDatabase()
    await fill(database.url, { jobs: JOBS, runsEach: RUNS_EACH })
    session = await ExplainedSession.open(database.url)
  })
  after(async () => {
    await session?.end()
    await database?.drop()
  })

  /** The statements of `read` that looked at more than `most` rows. */
  async function looking(most: number, read: () => Promise<unknown>): Promise<readonly Explained[]> {
    session.explained.length = 0
    await read()
    assert.ok(session.explained.length > 0)
    return session.explained.filter(({ looked }) => looked > most)
  }

  it('lists of jobs: a page in any order, from any place, looks at little more than it shows', async () => {
    const { listJobs } = listReads(session)
    const key = { value: BEGINNING + 2_000_000, id: jobNumbered(2_000) }
    for (const field of JOB_ORDER_FIELDS) {
      const place = field === 'NAME' ? { ...key, value: 'name 2000' } : key
      const pages = [
        first,
        { ...first, fromEnd: true },
        { ...first, after: place },
        { ...first, before: place, fromEnd: true },
        { ...first, after: { ...place, value: field === 'NAME' ? 'name 3' : null } },
      ]
      for (const direction of ['ASC', 'DESC'] as const) {
        const faults = await looking(4 * 21, async () => {
          for (const page of pages) await listJobs({ filter: noJobFilter, orderBy: { field, direction }, ...page })
        })
        assert.deepEqual(faults, [])
      }
    }
  })

  it('lists of jobs with a rare tag: by the tag', async () => {
    const { listJobs, countJobs } = listReads(session)
    const filter = { ...noJobFilter, tags: ['last'] }
    const faults = await looking(10, async () => {
      await listJobs({ filter, orderBy: { field: 'NAME', direction: 'ASC' }, ...first })
      assert.equal(await countJobs(filter), 1)
    })
    assert.deepEqual(faults, [])
  })

  it('lists of runs: a page in any order, of all jobs and of one', async () => {
    const { listRuns } = listReads(session)
    const place = { value: BEGINNING + 5 * MINUTE, id: runNumbered(2_000, 5) }
    const pages = [first, { ...first, fromEnd: true }, { ...first, after: place }, { ...first, before: place, fromEnd: true }]
    for (const field of RUN_ORDER_FIELDS) {
      for (const direction of ['ASC', 'DESC'] as const) {
        // Those that have not ended come last by their end: they are few, and sorted.
        const faults = await looking(JOBS / 100 + 21, async () => {
          for (const page of pages) {
            await listRuns({ filter: allRuns, orderBy: { field, direction }, ...page })
            await listRuns({ filter: { ...allRuns, jobIds: [jobNumbered(17)] }, orderBy: { field, direction }, ...page })
          }
        })
        assert.deepEqual(faults, [])
      }
    }
  })

  it('filters of runs: those under way by their own index, a stretch of time by its own, a rare status from the newest on', async () => {
    const { listRuns, countRuns } = listReads(session)
    const orderBy = { field: 'QUEUED_AT', direction: 'DESC' } as const
    const faults = await looking(101 * 21, async () => {
      await listRuns({ filter: { ...allRuns, status: ['QUEUED', 'RUNNING'] }, orderBy, ...first })
      await countRuns({ ...allRuns, status: ['QUEUED', 'RETRYING'] })
      await countRuns({ ...allRuns, scheduledFrom: BEGINNING + 3 * MINUTE, scheduledTo: BEGINNING + 3 * MINUTE + 500 })
      await listRuns({ filter: { ...allRuns, status: ['FAILED'] }, orderBy, ...first })
      await countRuns({ ...allRuns, jobIds: [jobNumbered(1), jobNumbered(2)], status: ['FAILED'] })
    })
    assert.deepEqual(faults, [])
  })

  it('reads by id and of one job: the rows themselves', async () => {
    const byId = readsById(session)
    const lists = listReads(session)
    const jobIds = [jobNumbered(1), jobNumbered(100), jobNumbered(3_000)]
    const runIds = [runNumbered(1, 1), runNumbered(100, RUNS_EACH)]
    // Of each job the active runs, or its newest ones, or all its attempts; and of a list with its job the three rows that it is made of.
    const faults = await looking(3 * 3 + 6, async () => {
      for (const read of [
        () => byId.jobRows(jobIds),
        () => byId.job({ name: 'name 77' }),
        () => byId.runRows(runIds),
        () => byId.jobsById(jobIds),
        () => byId.activeRuns(jobIds),
        () => byId.attempts(runIds),
        () => lists.newestRuns(jobIds, 5),
        () => revisions(session, jobIds[0]!),
        () => lists.logLines({ runId: runIds[0]!, after: 20, before: null, fromEnd: false, limit: 5 }),
        () => lists.logLines({ runId: runIds[0]!, after: null, before: 40, fromEnd: true, limit: 5 }),
      ])
        assert.notDeepEqual(await read(), null)
      for (const fromEnd of [true, false]) {
        const part = await ledger(session, { jobId: jobIds[0]!, after: BEGINNING, before: BEGINNING + 20 * 60 * MINUTE, fromEnd, limit: 5 })
        assert.deepEqual([part.runs.length, part.shared.length], [5, 5])
      }
    })
    assert.deepEqual(faults, [])
  })

  it('changes: by their position, and those of one job among those of all', async () => {
    const faults = await looking(60, async () => {
      assert.equal((await runChanges(session, { after: 30_000, upTo: 90_000, jobIds: null, limit: 50 })).length, 50)
      assert.equal((await runChanges(session, { after: 0, upTo: 90_000, jobIds: [jobNumbered(5)], limit: 50 })).length, RUNS_EACH)
      assert.equal((await runChanges(session, { after: 30_000, upTo: 30_050, jobIds: [jobNumbered(5)], limit: 50 })).length, 0)
      assert.equal((await jobChanges(session, { after: 0, upTo: 90_000, limit: 50 })).length, 50)
    })
    assert.deepEqual(faults, [])
  })
})
