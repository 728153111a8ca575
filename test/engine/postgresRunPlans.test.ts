import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import pg from 'pg'
import type { NewRun } from '../../src/domain/run.ts'
import type { Database } from '../../src/engine/store/postgres/database.ts'
import { Definitions } from '../../src/engine/store/postgres/definitions.ts'
import { Planning } from '../../src/engine/store/postgres/plans.ts'
import { DoubtfulClaims } from '../../src/engine/store/postgres/doubtfulClaims.ts'
import { Room } from '../../src/engine/store/postgres/room.ts'
import { Running } from '../../src/engine/store/postgres/running.ts'
import { Settling } from '../../src/engine/store/postgres/settle.ts'
import { markUnhandled } from '../../src/engine/store/postgres/unhandled.ts'
import type { AttemptKey, GuardedPlan } from '../../src/engine/store/store.ts'
import { keepingLog } from '../support/parts.ts'
import { createPostgresDatabase, type PostgresDatabase } from '../support/postgres.ts'
import { BEGINNING, ExplainedSession, type Explained, explainedDatabase, fill, jobNumbered } from './explainedSession.ts'
import { claimAt, jobOf, MINUTE, planOf, runEntry, runOf, spanEntry, spanOf, succeeded } from './factories.ts'

/** So many runs wait for others, are due later, or run, beside those that a verb is about. */
const CROWD = 3_000
/** Runs in the hand of a verb. */
const BATCH = 20
const NOW = BEGINNING + 1_000 * MINUTE

/** Runs of one job each: all that wait for it, for a key, for their instant, or run. */
const CROWDS = `
  INSERT INTO "Run" (id, "jobId", trigger, status, "heldBy", "scheduledFor", "dueAt", "queuedAt", priority, "concurrencyKey", "maxConcurrency", attempt,
      "attemptStatus", "attemptStartedAt", "nextAttemptAt", "leaseUntil", "instanceId", "jobVersion", cursor, "changedAt")
    SELECT 'run_crowd_' || c.kind || '_' || n, 'job_0000000' || c.number, 'MANUAL', c.status, c.held, $1, $1::timestamptz + c.later, $1, 9, c.key, 5,
      c.attempt, CASE WHEN c.attempt > 0 THEN CASE c.status WHEN 'RUNNING' THEN 'RUNNING' ELSE 'FAILED' END END, $1,
      CASE c.status WHEN 'RETRYING' THEN $1::timestamptz + c.later END, CASE c.status WHEN 'RUNNING' THEN $1::timestamptz + interval '1 day' END, 'ins_x', 1,
      1000000000 + c.number * 1000000 + n, $1
    FROM generate_series(1, ${CROWD}) n, (VALUES
      ('waits', 1, 'QUEUED', 'OVERLAP', interval '0', NULL, 0), ('keyed', 2, 'QUEUED', 'CONCURRENCY', interval '0', 'shared', 0),
      ('later', 3, 'QUEUED', NULL, interval '2 day', NULL, 0), ('retrying', 4, 'RETRYING', NULL, interval '2 day', NULL, 1),
      ('running', 5, 'RUNNING', NULL, interval '0', NULL, 1)
    ) AS c(kind, number, status, held, later, key, attempt)`

class Verbs {
  readonly session: ExplainedSession
  readonly #db: Database
  readonly #planning: Planning
  readonly #running: Running
  readonly #settling: Settling

  constructor(session: ExplainedSession) {
    this.session = session
    this.#db = explainedDatabase(session)
    const definitions = new Definitions()
    const room = new Room(keepingLog().log, () => {})
    this.#planning = new Planning(this.#db, { definitions, room })
    this.#running = new Running(this.#db, { definitions, room, doubtful: new DoubtfulClaims(this.#db, async () => []) })
    this.#settling = new Settling(this.#db, definitions)
  }

  /** Plans a run of each of these jobs, as a command would find them. */
  async plan(numbers: readonly number[], overrides: Partial<NewRun> = {}): Promise<readonly NewRun[]> {
    const positions = await this.session.rowsOnce<GuardedPlan['from'] & { jobId: string; scheduledRuns: number }>(
      `SELECT "jobId", version, "plannedUntil", "activeRuns", "lastRunId", "scheduledRuns" FROM "JobPosition" WHERE "jobId" = ANY($1)`,
      [numbers.map(jobNumbered)],
    )
    this.session.explained.length = 0
    const runs: NewRun[] = []
    const plans = positions.map((position) => {
      const occurrence = position.plannedUntil + MINUTE
      const run = runOf(jobOf({ id: position.jobId }), { occurrence, dueAt: NOW - 1, queuedAt: NOW, ...overrides })
      runs.push(run)
      return planOf(position as never, [spanEntry(spanOf({ first: occurrence - 1 })), runEntry(run)])
    })
    assert.ok((await this.#planning.commitPlans(plans, NOW)).every(Boolean))
    return runs
  }

  /** Begins up to `limit` runs. */
  begin(limit: number, handlers: ReadonlySet<string> | null = null): Promise<readonly AttemptKey[]> {
    return this.#running.beginReady(claimAt(NOW, { handlers }), limit)
  }

  async settle(attempts: readonly AttemptKey[]): Promise<void> {
    const results = await this.#settling.settle(attempts.map((attempt) => ({ ...attempt, outcome: succeeded, now: NOW, random: 0 })))
    assert.ok(results.every(({ kind }) => kind === 'settled'))
  }

  /** The rest of what happens to runs. */
  async others(attempts: readonly AttemptKey[]): Promise<void> {
    await this.#running.renewLeases(attempts, 'ins_test', NOW + MINUTE)
    await this.#running.nextReadyAt(NOW)
    await this.#running.lostAttempts({ now: NOW, everything: false, limit: 10 })
    await markUnhandled(this.#db, { handlers: new Set(Array.from({ length: 10 }, (_, i) => `h${i}`)), since: NOW, now: NOW, limit: 10 })
  }
}

describe('how Postgres carries out what happens to runs', () => {
  let database: PostgresDatabase
  let session: ExplainedSession
  let verbs: Verbs

  before(async () => {
    database = await createPostgresDatabase()
    await fill(database.url, { jobs: 3_000, runsEach: 6 })
    const client = new pg.Client(database.url)
    await client.connect()
    // The jobs of the crowds, and one that all else shares its key with.
    await client.query(`UPDATE "Run" SET status = 'SUCCEEDED', "finishedAt" = "dueAt" WHERE "finishedAt" IS NULL`)
    await client.query(CROWDS.replaceAll('$1', `'${new Date(NOW).toISOString()}'::timestamptz`))
    await client.query(
      `UPDATE "JobPosition" SET "activeRuns" = ${CROWD} WHERE "jobId" IN (SELECT "jobId" FROM "Run" WHERE "finishedAt" IS NULL)`,
    )
    await client.query(`UPDATE "Job" SET policies = '{"maxAttempts":1,"pauseAfterFailures":null}', target = '{"kind":"command"}'`)
    await client.query('VACUUM ANALYZE')
    await client.end()
    session = await ExplainedSession.open(database.url)
    verbs = new Verbs(session)
  })
  after(async () => {
    await session?.end()
    await database?.drop()
  })

  /** The statements that looked at more than `most` rows, of those since the last time. */
  function faults(most: number): readonly Explained[] {
    assert.ok(session.explained.length > 0)
    return session.explained.splice(0).filter(({ looked }) => looked > most)
  }

  const numbers = Array.from({ length: BATCH }, (_, i) => 100 + i)

  it('plans, begins, renews and settles: a few rows for each run in hand, whatever else waits or runs', async () => {
    await verbs.plan(numbers)
    assert.deepEqual(faults(2 * BATCH), [])
    const begun = await verbs.begin(BATCH)
    assert.equal(begun.length, BATCH)
    assert.deepEqual(faults(4 * BATCH + 10), [])
    await verbs.others(begun)
    assert.deepEqual(faults(2 * BATCH), [])
    await verbs.settle(begun)
    assert.deepEqual(faults(2 * BATCH), [])
  })

  it('a begin for some handlers looks at the jobs of the runs that it begins', async () => {
    await verbs.plan(numbers)
    session.explained.length = 0
    const begun = await verbs.begin(BATCH, new Set(Array.from({ length: 10 }, (_, i) => `h${i}`)))
    assert.equal(begun.length, BATCH)
    assert.deepEqual(faults(5 * BATCH + 10), [])
    await verbs.settle(begun)
  })

  it('runs with a key that thousands wait for: the few that go, and the first that waits', async () => {
    await verbs.plan(numbers.slice(0, 7), { concurrencyKey: 'shared', maxConcurrency: 5 })
    assert.deepEqual(faults(50), [])
    const begun = await verbs.begin(BATCH)
    assert.equal(begun.length, 5)
    session.explained.length = 0
    await verbs.settle(begun)
    assert.deepEqual(faults(50), [])
    // As many of those that waited first go now.
    assert.equal((await verbs.begin(BATCH)).length, 5)
    session.explained.length = 0
  })

  it('the end of a run of a job of which thousands wait: the first of them; and of which thousands go: one of those', async () => {
    for (const [number, kind] of [
      [5, 'running'],
      [1, 'waits'],
    ] as const) {
      const attempt = { runId: 'run_crowd_running_1', attempt: 1 }
      if (kind === 'waits') {
        await session.write(`UPDATE "Run" SET "jobId" = $1 WHERE id = 'run_crowd_running_2'`, [jobNumbered(number)])
        attempt.runId = 'run_crowd_running_2'
      }
      session.explained.length = 0
      await verbs.settle([attempt])
      // Whether a run of the job goes is known from its active ones in their order: those that wait may come first.
      assert.deepEqual(faults(kind === 'waits' ? CROWD + 10 : 10), [])
    }
    const [released] = await session.rows<{ heldBy: string | null }>(
      `SELECT "heldBy" FROM "Run" WHERE "jobId" = $1 AND "finishedAt" IS NULL ORDER BY "dueAt", id LIMIT 1`,
      [jobNumbered(1)],
    )
    assert.equal(released?.heldBy, null)
  })
})

describe('plans that were made while the tables were tiny', () => {
  it('go by the index of what they ask for, so that they are good when the tables have grown', async (t) => {
    const database = await createPostgresDatabase()
    await fill(database.url, { jobs: 4, runsEach: 3 })
    const session = await ExplainedSession.open(database.url)
    t.after(async () => {
      await session.end()
      await database.drop()
    })
    await session.write(`UPDATE "Job" SET policies = '{"maxAttempts":1,"pauseAfterFailures":null}', target = '{"kind":"command"}'`)
    await session.analyze()
    const verbs = new Verbs(session)
    await verbs.plan([1, 2, 3])
    const begun = await verbs.begin(5)
    await verbs.others(begun)
    await verbs.settle(begun)
    assert.ok(session.explained.length > 10)
    assert.deepEqual(
      session.explained.filter(({ steps }) => steps.some((step) => /^(Seq Scan|Hash Join|Merge Join|Materialize)/.test(step))),
      [],
    )
    const byId = session.explained.filter(({ sql }) => /"Run" r?.*\b(r\.)?id = (ANY\(\$1::text\[\]\)|v\.id|mine\.id)/.test(sql))
    assert.ok(byId.length > 3)
    for (const { sql, steps } of byId)
      assert.ok(
        steps.some((step) => step.endsWith('Scan Run_pkey')),
        `${sql}\n${steps.join('\n')}`,
      )
  })
})
