import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import pg from 'pg'
import type { Job } from '../../src/domain/job.ts'
import type { Outcome } from '../../src/domain/run.ts'
import { type Engine, openEngine } from '../../src/engine/engine.ts'
import type { BegunAttempt, RunRow, Store } from '../../src/engine/store/store.ts'
import { keepingLog } from '../support/parts.ts'
import { createPostgresDatabase } from '../support/postgres.ts'
import {
  changeJob,
  claimAt,
  createJob,
  failed,
  LATER,
  MINUTE,
  manualRunOf,
  planOf,
  positionOf,
  runEntry,
  runOf,
  spanEntry,
  spanOf,
  succeeded,
} from './factories.ts'

const PROCESSES = 3
const CALLERS = 6
const JOBS = 50
const OPERATIONS = 2_000
/** Bounds of concurrency keys: of those with a number there are runs of ten jobs each. */
const BOUNDS = [1, 2, 3, null] as const

/** Some of several, by chance. */
const oneOf = <T>(several: readonly T[]): T => several[Math.floor(Math.random() * several.length)]!
const someOf = <T>(several: readonly T[], count: number): readonly T[] => [...new Set(Array.from({ length: count }, () => oneOf(several)))]

/** Processes over one database that plan, begin, settle and cancel runs of the same jobs at the same time. */
class Together {
  readonly stores: readonly Store[]
  readonly #db: pg.Client
  readonly #begun: BegunAttempt[] = []
  readonly #planned: string[] = []
  #occurrences = 0
  jobs: readonly Job[] = []

  constructor(engines: readonly Engine[], db: pg.Client) {
    this.stores = engines.map(({ store }) => store)
    this.#db = db
  }

  static async open(t: TestContext): Promise<Together> {
    const database = await createPostgresDatabase()
    const db = new pg.Client(database.url)
    const engines: Engine[] = []
    t.after(async () => {
      for (const engine of engines) await engine.close()
      await db.end()
      await database.drop()
    })
    for (let i = 0; i < PROCESSES; i++) {
      engines.push(await openEngine({ databaseUrl: database.url, instanceId: `ins_${i}`, log: keepingLog().log }))
    }
    await db.connect()
    return new Together(engines, db)
  }

  async createJobs(): Promise<void> {
    const backoff = { initial: 1, factor: 1, max: 1, jitter: false }
    this.jobs = await Promise.all(
      Array.from({ length: JOBS }, (_, i) => {
        const bound = BOUNDS[i % BOUNDS.length]!
        return createJob(this.stores[0]!, {
          policies: { concurrencyKey: bound === null ? null : `key ${bound}`, maxConcurrency: bound, backoff, priority: i % 3 },
        })
      }),
    )
  }

  /** One of the things that a process does, by chance. */
  async act(): Promise<void> {
    const store = oneOf(this.stores)
    const what = Math.random()
    if (what < 0.35) await this.plan(store)
    else if (what < 0.6) await this.begin(store)
    else if (what < 0.85) await this.settle(store)
    else if (what < 0.93) await this.cancel(store)
    else await this.#addManually(store)
  }

  /** Plans runs of several jobs from where they stand; somebody else may be faster. */
  async plan(store: Store): Promise<void> {
    const plans = await Promise.all(
      someOf(this.jobs, 8).map(async (job) => {
        const position = await positionOf(store, job.id)
        const occurrence = LATER + ++this.#occurrences
        const run = runOf(job, { occurrence, dueAt: LATER, heldBy: position.activeRuns > 0 && Math.random() < 0.5 ? 'OVERLAP' : null })
        const active = (await store.activeRuns([job.id])).get(job.id)!
        const cancels = run.heldBy === 'OVERLAP' && Math.random() < 0.3 ? active.map(({ id }) => id) : []
        const entries = Math.random() < 0.2 ? [spanEntry(spanOf({ first: occurrence }))] : [runEntry(run)]
        return planOf(position, entries, { cancels: entries[0]!.kind === 'run' ? cancels : [] })
      }),
    )
    const written = await store.commitPlans(plans, LATER)
    plans.forEach(({ plan }, i) => {
      for (const entry of plan.entries) if (written[i] && entry.kind === 'run') this.#planned.push(entry.run.id)
    })
  }

  async begin(store: Store, limit = 10): Promise<number> {
    const begun = await store.beginReady(claimAt(LATER + 10), limit)
    this.#begun.push(...begun)
    return begun.length
  }

  async settle(store: Store, most = 8): Promise<void> {
    const attempts = this.#begun.splice(0, most)
    // Some are reported by two processes, as after a lost lease.
    const doubled = Math.random() < 0.2 ? attempts.slice(0, 2) : []
    const reports = attempts.map((attempt) => ({ ...attempt, outcome: this.#outcome(), now: LATER + 10, random: 0.5 }))
    await Promise.all([
      store.settle(reports),
      oneOf(this.stores).settle(reports.slice(0, doubled.length).map((report) => ({ ...report, outcome: { kind: 'LOST' } }))),
      store.renewLeases(this.#begun.slice(-5), 'ins_test', LATER + MINUTE),
      // Also of those that end just now: each update that is told takes a position, under no lock of a job.
      oneOf(this.stores).setProgress(
        [...attempts.slice(-2), ...this.#begun.slice(-3)].map((attempt) => ({ ...attempt, progress: 50 })),
        LATER + 10,
      ),
    ])
  }

  async cancel(store: Store): Promise<void> {
    const runIds = someOf(this.#planned.slice(-40), 3)
    await Promise.all(runIds.map((id) => store.changeRun(id, () => ({ kind: 'cancel', now: LATER + 10 }))))
  }

  async #addManually(store: Store): Promise<void> {
    const job = oneOf(this.jobs)
    await changeJob(store, job.id, () => ({ runs: [manualRunOf(job, { dueAt: LATER }), manualRunOf(job, { dueAt: LATER })] }))
  }

  #outcome(): Outcome {
    const what = Math.random()
    if (what < 0.7) return succeeded
    return what < 0.85 ? { kind: 'LOST' } : failed()
  }

  /** Begins and settles until nothing is left that could begin. */
  async drain(): Promise<void> {
    while ((await this.begin(oneOf(this.stores), 200)) > 0 || this.#begun.length > 0) await this.settle(oneOf(this.stores), 200)
  }

  async rows<Row>(sql: string): Promise<readonly Row[]> {
    return (await this.#db.query(sql)).rows as Row[]
  }
}

/** Follows the stream of changes from its beginning, as a stream of a client does, until it is told to stop. */
async function follow(store: Store, stopped: () => boolean): Promise<ReadonlyMap<string, RunRow>> {
  const seen = new Map<string, RunRow>()
  for (let after = 0, last = false; ; ) {
    const upTo = await store.streamHead()
    for (let limit = 100, page = limit; page === limit; ) {
      const rows = await store.runChanges({ after, upTo, jobIds: null, limit })
      for (const row of rows) {
        assert.ok(row.cursor > (seen.get(row.id)?.cursor ?? 0), 'the position of a run rises')
        seen.set(row.id, row)
      }
      page = rows.length
      after = page === limit ? rows.at(-1)!.cursor : upTo
    }
    if (last) return seen
    last = stopped()
    await turn()
  }
}

describe('processes that share a Postgres database', () => {
  it('plan, begin, settle and cancel the same jobs at once: no deadlock, and what counts and holds runs is right throughout', async (t) => {
    const together = await Together.open(t)
    await together.createJobs()
    let [left, done] = [OPERATIONS, false]
    const following = follow(together.stores[0]!, () => done)
    const watching = (async () => {
      while (!done) {
        const beyond = await together.rows(
          `SELECT "concurrencyKey", count(*) FROM "Run" WHERE "finishedAt" IS NULL AND "heldBy" IS NULL AND "concurrencyKey" IS NOT NULL
           GROUP BY 1 HAVING count(*) > min("maxConcurrency")`,
        )
        assert.deepEqual(beyond, [])
      }
    })()
    await Promise.all(
      Array.from({ length: PROCESSES * CALLERS }, async () => {
        while (left-- > 0) await together.act()
      }),
    )
    assert.deepEqual(
      await together.rows(
        `SELECT p."jobId", p."activeRuns", count(r.id) FROM "JobPosition" p LEFT JOIN "Run" r ON r."jobId" = p."jobId" AND r."finishedAt" IS NULL
         GROUP BY p."jobId" HAVING p."activeRuns" <> count(r.id)`,
      ),
      [],
    )
    // Whatever waits for others is released by their ends, to the last.
    await together.drain()
    done = true
    await watching
    const statuses = await together.rows<{ status: string }>('SELECT DISTINCT status FROM "Run"')
    for (const { status } of statuses) assert.ok(['SUCCEEDED', 'FAILED', 'CANCELLED'].includes(status), status)
    assert.deepEqual(await together.rows('SELECT "jobId" FROM "JobPosition" WHERE "activeRuns" <> 0'), [])
    const last = await together.rows(
      `SELECT p."jobId" FROM "JobPosition" p JOIN "Run" r ON r.id = p."lastRunId" WHERE p."lastRunStatus" IS DISTINCT FROM r.status`,
    )
    assert.deepEqual(last, [])

    const seen = await following
    const rows = await together.rows<{ id: string; cursor: string }>('SELECT id, cursor FROM "Run"')
    assert.ok(rows.length > OPERATIONS / 4)
    assert.deepEqual(
      rows.filter(({ id, cursor }) => seen.get(id)?.cursor !== Number(cursor)),
      [],
    )
    const figures = await together.rows<{ ended: number }>(
      `SELECT sum(succeeded + failed + "timedOut" + cancelled)::int AS ended FROM "JobMinute" WHERE "jobId" = ''`,
    )
    assert.equal(figures[0]!.ended, rows.length)
    const [{ deadlocks }] = (await together.rows<{ deadlocks: string }>(
      'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()',
    )) as [{ deadlocks: string }]
    assert.equal(Number(deadlocks), 0)
  })
})
