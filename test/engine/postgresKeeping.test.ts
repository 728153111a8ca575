import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { readHistogram } from '../../src/domain/histogram.ts'
import { DAY, HOUR } from '../../src/domain/instant.ts'
import type { Job } from '../../src/domain/job.ts'
import type { RetentionRules } from '../../src/domain/retention.ts'
import { minuteOf } from '../../src/engine/store/minutes.ts'
import { ageing } from '../../src/engine/store/postgres/ageing.ts'
import { Database, type Tx } from '../../src/engine/store/postgres/database.ts'
import { Figures } from '../../src/engine/store/postgres/figures.ts'
import { closePool, openPool } from '../../src/engine/store/postgres/pool.ts'
import type { Engine } from '../../src/engine/engine.ts'
import type { Store, SweepPlace } from '../../src/engine/store/store.ts'
import { keepingLog } from '../support/parts.ts'
import { createPostgresDatabase } from '../support/postgres.ts'
import { beginAll, changeJob, createJob, LATER, MINUTE, NOON, planRun, positionOf, settleOne, succeeded, verdictsOf } from './factories.ts'
import { openPostgresDatabase } from './openPostgres.ts'

const RULES: RetentionRules = { succeededFor: 30 * DAY, failedFor: 90 * DAY, mostOfJob: 10_000, alwaysOfJob: 0 }

/** What is told late goes another way. */
const THIS_MINUTE = minuteOf(Date.now())

/** Databases as several processes have them, whose transactions write figures and nothing else. */
async function figureWriters(t: TestContext, instanceIds: readonly string[]): Promise<readonly Database[]> {
  const { url, drop } = await createPostgresDatabase()
  const pools = instanceIds.map((applicationName) => openPool({ url, applicationName, log: keepingLog().log }))
  t.after(async () => {
    for (const pool of pools) await closePool(pool)
    await drop()
  })
  return pools.map((pool, i) => {
    const figures = new Figures(instanceIds[i]!)
    return new Database(pool, { beforeCommit: (tx) => figures.write(tx), afterCommit() {} })
  })
}

function end(tx: Tx, jobId: string, at: number, lag = 1): void {
  tx.effects.ended.push({ jobId, trigger: 'SCHEDULE', status: 'SUCCEEDED', dueAt: at - lag, startedAt: at, finishedAt: at })
}

async function rowsOfAll(database: Database) {
  return database.rows<{ instanceId: string; succeeded: number; lag: string }>(
    `SELECT "instanceId", succeeded, lag FROM "JobMinute" WHERE "jobId" = '' ORDER BY "instanceId"`,
  )
}

const totalOf = (lag: string) => [...readHistogram(lag).values()].reduce((sum, n) => sum + n, 0)

describe('figures on Postgres', () => {
  it('of transactions at once lose nothing, and none waits for another of its process', async (t) => {
    const [database] = await figureWriters(t, ['ins_a'])
    // Each transaction waits, after its figures are written, until those of all others are: were one to wait for another, none would end.
    const { promise: allWritten, resolve } = Promise.withResolvers<void>()
    let written = 0
    const figures = new Figures('ins_a')
    await Promise.all(
      Array.from({ length: 5 }, (_, i) =>
        database!.transaction(async (tx) => {
          end(tx, `job_${i}`, THIS_MINUTE)
          await figures.write(tx)
          tx.effects.ended.length = 0
          if (++written === 5) resolve()
          await allWritten
        }),
      ),
    )
    const rows = await rowsOfAll(database!)
    assert.deepEqual(
      rows.map(({ instanceId, succeeded: n }) => [instanceId, n]),
      [
        ['ins_a', 1],
        ['ins_a/1', 1],
        ['ins_a/2', 1],
        ['ins_a/3', 1],
        ['ins_a/4', 1],
      ],
    )
  })

  it('of many transactions of several processes add up, and their histograms stay short', async (t) => {
    const databases = await figureWriters(t, ['ins_a', 'ins_b'])
    let next = 0
    const caller = async (database: Database) => {
      for (let i = next++; i < 600; i = next++) {
        await database.transaction(async (tx) => {
          for (let n = 0; n < 5; n++) end(tx, `job_${i}`, THIS_MINUTE, 1.3 ** (n + (i % 40)))
        })
      }
    }
    await Promise.all(databases.flatMap((database) => [1, 2, 3, 4].map(() => caller(database))))
    const rows = await rowsOfAll(databases[0]!)
    assert.equal(
      rows.reduce((sum, { succeeded: n }) => sum + n, 0),
      3_000,
    )
    assert.deepEqual(
      rows.map(({ lag }) => totalOf(lag)),
      rows.map(({ succeeded: n }) => n),
    )
    assert.ok(rows.length <= 8)
    assert.ok(rows.every(({ lag }) => lag.length <= 1_200))
  })

  it('of a transaction that fails leave no lane behind', async (t) => {
    const [database] = await figureWriters(t, ['ins_a'])
    const failing = database!.transaction(async (tx) => {
      tx.lane()
      throw new Error('no')
    })
    await assert.rejects(failing, /no/)
    await database!.transaction(async (tx) => end(tx, 'job_1', THIS_MINUTE))
    assert.deepEqual(
      (await rowsOfAll(database!)).map(({ instanceId }) => instanceId),
      ['ins_a'],
    )
  })

  it('that are told after their hour was summed up count in it all the same', async (t) => {
    const engine = await (await openPostgresDatabase(t)).open()
    const { store, prisma } = engine
    const job = await createJob(store)
    const endAt = async (instant: number) => {
      await planRun(store, job, { dueAt: instant - 100 })
      await settleOne(store, (await beginAll(store, instant - 50))[0]!, succeeded, instant)
    }
    await endAt(LATER)
    while ((await store.rollUpFigures(LATER + DAY, 10)) > 0);
    await endAt(LATER + 1)
    await endAt(LATER + 20 * MINUTE)
    const hours = await prisma.jobHour.findMany({ where: { jobId: { in: [job.id, ''] } } })
    assert.deepEqual(
      hours.map(({ succeeded: n, lag }) => [n, totalOf(lag)]),
      [
        [3, 3],
        [3, 3],
      ],
    )
    const [figures] = await store.figures({ jobId: job.id, from: LATER, to: LATER + HOUR, buckets: 1 })
    assert.equal(figures?.succeeded, 3)
  })
})

describe('figures of a process whose machine is behind the database', () => {
  it('that are told after their hour was summed up count in it by the clock of the database', async (t) => {
    const [database] = await figureWriters(t, ['ins_a'])
    const figures = new Figures('ins_a', () => Date.now() + 3 * HOUR)
    const endNow = () =>
      database!.transaction(async (tx) => {
        end(tx, 'job_1', THIS_MINUTE)
        await figures.write(tx)
        tx.effects.ended.length = 0
      })
    await endNow()
    while ((await ageing(database!).rollUpFigures(Date.now() + 3 * HOUR, 10)) > 0);
    await endNow()
    assert.deepEqual(await database!.rows(`SELECT succeeded FROM "JobHour" WHERE "jobId" = ''`), [{ succeeded: 2 }])
  })
})

describe('keeping by several processes on Postgres', () => {
  async function twoProcesses(t: TestContext): Promise<readonly [Engine, Engine]> {
    const database = await openPostgresDatabase(t)
    return [await database.open('ins_a'), await database.open('ins_b')]
  }

  /** Ends `each` runs of so many jobs, a minute apart. */
  async function history({ store }: Engine, jobs: number, each: number): Promise<readonly Job[]> {
    const made: Job[] = []
    for (let i = 0; i < jobs; i++) {
      const job = await createJob(store)
      for (let n = 0; n < each; n++) {
        const run = await planRun(store, job)
        await settleOne(store, (await beginAll(store, run.dueAt))[0]!, succeeded, run.dueAt + 1)
      }
      made.push(job)
    }
    return made
  }

  async function sweepOnce(store: Store, now: number): Promise<number> {
    let removed = 0
    let from: SweepPlace | null = null
    do {
      const result = await store.sweepJobs({ rules: RULES, from, now })
      removed += result.removed
      from = result.next
    } while (from !== null)
    return removed
  }

  it('one sweeps; another one does when that has closed', async (t) => {
    const [a, b] = await twoProcesses(t)
    await history(a, 3, 2)
    assert.equal(await sweepOnce(a.store, NOON + DAY), 0)
    assert.deepEqual(await b.store.sweepJobs({ rules: RULES, from: null, now: NOON + 40 * DAY }), { next: null, jobs: 0, removed: 0 })
    assert.equal(await b.prisma.run.count(), 6)
    await a.close()
    assert.equal(await sweepOnce(b.store, NOON + 40 * DAY), 6)
  })

  it('one that died sweeps no longer than its term', async (t) => {
    const removedAfter = async (termEnds: number) => {
      const engine = await (await openPostgresDatabase(t)).open()
      await history(engine, 1, 2)
      await engine.store.settleSetting('sweeper', `ins_died ${termEnds}`)
      return sweepOnce(engine.store, NOON + 40 * DAY)
    }
    assert.deepEqual([await removedAfter(Date.now() + DAY), await removedAfter(Date.now() - 1_000)], [0, 2])
  })

  it('a sweep beside planning: the ledger stays whole, and the position as it was left', async (t) => {
    const [a, b] = await twoProcesses(t)
    const [job] = await history(a, 1, 20)
    const before = await positionOf(a.store, job!.id)
    const [removed] = await Promise.all([
      sweepOnce(a.store, NOON + 40 * DAY),
      (async () => {
        for (let n = 0; n < 10; n++) await planRun(b.store, job!)
      })(),
    ])
    assert.equal(removed, 20)
    const after = await positionOf(a.store, job!.id)
    assert.deepEqual([after.activeRuns - before.activeRuns, after.scheduledRuns - before.scheduledRuns], [10, 10])
    assert.deepEqual(
      (await verdictsOf(a, job!.id)).map(({ first, last, count }) => [first, last, count]),
      [[NOON + MINUTE, NOON + 20 * MINUTE, 20]],
    )
    assert.equal(await a.prisma.run.count(), 10)
  })

  it('hours are summed up once, whoever does so', async (t) => {
    const [a, b] = await twoProcesses(t)
    const jobs = await history(a, 10, 6)
    const until = async (store: Store) => {
      // Who finds it taken answers 0 at once, hence goes on until there is nothing left.
      while ((await a.prisma.jobHour.count()) < jobs.length + 1) await store.rollUpFigures(LATER + DAY, 5)
    }
    await Promise.all([until(a.store), until(b.store)])
    while ((await a.store.rollUpFigures(LATER + DAY, 100)) > 0);
    const hours = await a.prisma.jobHour.findMany({ orderBy: { jobId: 'asc' } })
    assert.deepEqual(
      hours.map(({ succeeded: n }) => n),
      [60, ...jobs.map(() => 6)],
    )
  })

  it('deleted jobs go once, whoever removes them, beside commands on them', async (t) => {
    const [a, b] = await twoProcesses(t)
    const jobs = await history(a, 10, 3)
    const kept = await createJob(a.store)
    for (const { id } of jobs) await changeJob(a.store, id, () => ({ delete: true, event: 'DELETED' }))
    const remove = async (store: Store) => {
      let removed = 0
      while ((await a.prisma.job.count()) > 1) removed += await store.removeDeleted(7)
      return removed
    }
    const refused = async () => {
      for (const { id } of jobs) {
        const result = await b.store.changeJob(id, (current) => ({ refuse: current === null ? 'gone' : 'there' }))
        assert.equal(result.kind, 'refused')
      }
    }
    const [byA, byB] = await Promise.all([remove(a.store), remove(b.store), refused()])
    // Of each its runs, its revision, its position and itself.
    assert.equal(byA + byB, 10 * (3 + 1 + 1 + 1))
    assert.deepEqual(
      (await a.prisma.job.findMany()).map(({ id }) => id),
      [kept.id],
    )
  })
})
