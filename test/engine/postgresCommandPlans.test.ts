import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { DEFAULT_POLICIES, type Job } from '../../src/domain/job.ts'
import { Changes } from '../../src/engine/store/postgres/changes.ts'
import type { Database } from '../../src/engine/store/postgres/database.ts'
import { creating } from '../../src/engine/store/postgres/jobs.ts'
import { Logs } from '../../src/engine/store/postgres/logs.ts'
import { Progress } from '../../src/engine/store/postgres/progress.ts'
import { RunCommands } from '../../src/engine/store/postgres/runCommands.ts'
import type { JobWrite } from '../../src/engine/store/store.ts'
import { createPostgresDatabase, type PostgresDatabase } from '../support/postgres.ts'
import { BEGINNING, type Explained, ExplainedSession, explainedDatabase, fill, jobNumbered, runNumbered } from './explainedSession.ts'
import { LATER, MINUTE, manualRunOf, minutely, newJobOf } from './factories.ts'

const JOBS = 3_000
const RUNS_EACH = 20

describe('how Postgres carries out commands', () => {
  let database: PostgresDatabase
  let session: ExplainedSession
  let explained: Database

  before(async () => {
    database = await createPostgresDatabase()
    await fill(database.url, { jobs: JOBS, runsEach: RUNS_EACH })
    session = await ExplainedSession.open(database.url)
    await session.rowsOnce(
      `UPDATE "JobPosition" SET "activeRuns" = 1 WHERE "jobId" IN (SELECT "jobId" FROM "Run" WHERE "finishedAt" IS NULL)`,
    )
    await session.rowsOnce(`UPDATE "Job" SET policies = $1, schedule = $2`, [JSON.stringify(DEFAULT_POLICIES), JSON.stringify(minutely)])
    await session.rowsOnce(`UPDATE "Run" SET status = 'RUNNING' WHERE id = $1`, [runNumbered(900, RUNS_EACH)])
    await session.rowsOnce(`UPDATE "Run" SET status = 'RETRYING', "nextAttemptAt" = "dueAt" WHERE id = $1`, [runNumbered(1_000, RUNS_EACH)])
    await session.analyze()
    explained = explainedDatabase(session)
  })
  after(async () => {
    await session?.end()
    await database?.drop()
  })

  /** The statements of `work` that looked at more than `most` rows. */
  async function looking(most: number, work: () => Promise<unknown>): Promise<readonly Explained[]> {
    session.explained.length = 0
    await work()
    assert.ok(session.explained.length > 0)
    return session.explained.filter(({ looked }) => looked > most)
  }

  const changing = (job: number, write: (job: Job) => Partial<JobWrite>, options = {}) =>
    new Changes(explained).changeJob(
      jobNumbered(job),
      (current) => (current === null ? { refuse: 'gone' } : { event: 'UPDATED', now: LATER, ...write(current.job) }),
      options,
    )

  it('creating jobs: each meets its own name alone', async () => {
    const { createJobs } = creating(explained)
    const jobs = Array.from({ length: 20 }, (_, i) => newJobOf({ name: i === 7 ? 'name 7' : `new ${i}`, tags: ['a', 'b'] }))
    const faults = await looking(20, async () => {
      const results = await createJobs(jobs)
      assert.deepEqual(
        results.flatMap((result) => (result.ok ? [] : [result.existingId])),
        [jobNumbered(7)],
      )
    })
    assert.deepEqual(faults, [])
  })

  it('a change of a job: its rows, its active runs, the ledger at the instants asked for', async () => {
    const schedule = { ...minutely, every: 2 * MINUTE }
    const instants = Array.from({ length: 10 }, (_, i) => BEGINNING + i * MINUTE)
    const faults = await looking(2 * instants.length, () =>
      changing(
        100,
        (job) => ({
          job: { ...job, name: 'renamed', tags: ['x', 'y'], schedule, revision: 2, version: 2 },
          position: { wakeAt: LATER },
          newRevision: { closeAt: LATER, open: { number: 2, schedule, from: LATER, until: null } },
          freeIdempotencyKey: 'key',
          runs: [manualRunOf({ ...job, policies: { ...job.policies, concurrencyKey: 'k', maxConcurrency: 1 } }, { idempotencyKey: 'key' })],
          cancels: [runNumbered(100, RUNS_EACH)],
        }),
        { idempotencyKey: 'key', ledgerAt: instants },
      ),
    )
    assert.deepEqual(faults, [])
  })

  it('the pieces of a row of the ledger: that row', async () => {
    const [row] = await session.rowsOnce<{ id: string; first: number; last: number }>(
      `SELECT id, "first", "last" FROM "Verdict" WHERE "jobId" = $1 LIMIT 1`,
      [jobNumbered(200)],
    )
    const parts = [row!.first, row!.last].map((at) => ({ first: at, last: at, count: 1 }))
    assert.deepEqual(await looking(2, () => changing(200, () => ({ splits: [{ rowId: row!.id, parts }] }))), [])
  })

  it('the end of a job: its active runs', async () => {
    assert.deepEqual(await looking(4, () => changing(300, () => ({ delete: true, event: 'DELETED' }))), [])
  })

  it('commands on runs: those and their jobs', async () => {
    const { changeRun } = new RunCommands(explained)
    const faults = await looking(4, async () => {
      await changeRun(runNumbered(400, RUNS_EACH), () => ({ kind: 'cancel', now: LATER }))
      await changeRun(runNumbered(1_000, RUNS_EACH), () => ({ kind: 'retry-now', now: LATER }))
    })
    assert.deepEqual(faults, [])
  })

  it('lines of a log that is known: the newest number', async () => {
    const { appendLogs } = new Logs(explained)
    const line = { runId: runNumbered(1, 1), attempt: 1, at: LATER, level: 'INFO' as const, message: 'm', fields: null }
    await appendLogs([line])
    assert.deepEqual(await looking(2, () => appendLogs([line, line])), [])
  })

  it('progress: the runs it is of', async () => {
    const progress = new Progress(explained)
    const faults = await looking(2, () => progress.setProgress([{ runId: runNumbered(900, RUNS_EACH), attempt: 1, progress: 5 }], LATER))
    progress.close()
    assert.deepEqual(faults, [])
  })
})
