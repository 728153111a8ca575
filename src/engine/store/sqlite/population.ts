import type { Database, Statement } from 'better-sqlite3'
import type { Instant } from '../../../domain/instant.ts'
import type { RunStatus } from '../../../domain/run.ts'
import { RememberedPopulation } from '../rememberedPopulation.ts'
import type { Population } from '../store.ts'
import { prepare } from './statement.ts'
import { Pace, type Turns } from './turns.ts'

/** Of one slice: how many keys it looked at, the last of them, and how many of them count. */
interface Slice {
  readonly looked: number
  readonly last: string | null
  readonly n: number
}

interface ActiveKey {
  readonly jobId: string
  readonly dueAt: Instant
  readonly id: string
}

function statements(db: Database) {
  const slice = (n: string, keys: string) =>
    prepare<[string, number], Slice>(db, `SELECT count(*) AS looked, max(k) AS last, ${n} AS n FROM (${keys} LIMIT ?)`)
  const completed = `SELECT "jobId" AS k FROM "JobPosition" INDEXED BY "position_completed" WHERE completed AND "jobId" > ? ORDER BY "jobId"`
  return {
    jobs: slice('count(*)', 'SELECT "liveName" AS k FROM "Job" WHERE "liveName" > ? ORDER BY "liveName"'),
    completed: slice('count(*)', completed),
    // Rows of deleted jobs are soon removed; until then every job has to be looked at.
    completedLiving: slice('total((SELECT j."deletedAt" IS NULL FROM "Job" j WHERE j.id = k))', completed),
    anyDeleted: prepare<[], { one: 1 }>(db, 'SELECT 1 AS one FROM "Job" WHERE "deletedAt" IS NOT NULL LIMIT 1'),
    paused: prepare<[Instant, string, number], Slice>(
      db,
      `SELECT count(*) AS looked, max(k) AS last,
         total(("until" IS NULL OR "until" > ?) AND (SELECT NOT p.completed FROM "JobPosition" p WHERE p."jobId" = k)) AS n
       FROM (SELECT id AS k, "pauseUntil" AS "until" FROM "Job" INDEXED BY "job_paused"
         WHERE "pauseSince" IS NOT NULL AND "deletedAt" IS NULL AND id > ? ORDER BY id LIMIT ?)`,
    ),
    activeRuns: prepare<[string, number, string, number], ActiveKey & { readonly status: RunStatus }>(
      db,
      `SELECT "jobId", "dueAt", id, status FROM "Run" INDEXED BY "run_active"
       WHERE "finishedAt" IS NULL AND ("jobId", "dueAt", id) > (?, ?, ?) ORDER BY "jobId", "dueAt", id LIMIT ?`,
    ),
  }
}

/** The verb `population`. */
export class Populations {
  readonly #sql
  readonly #turns: Turns
  readonly #remembered = new RememberedPopulation((now) => this.#count(now))

  constructor(db: Database, turns: Turns) {
    this.#sql = statements(db)
    this.#turns = turns
  }

  of(now: Instant): Promise<Population> {
    return this.#remembered.of(now)
  }

  async #count(now: Instant): Promise<Population> {
    const jobs = await this.#sum((after, rows) => this.#sql.jobs.get(after, rows)!)
    const completed = await this.#sum((after, rows) => this.#completed().get(after, rows)!)
    const paused = await this.#sum((after, rows) => this.#sql.paused.get(now, after, rows)!)
    // The counts are of different moments: what changed between must not make a number negative.
    return { jobs, paused, active: Math.max(0, jobs - completed - paused), ...(await this.#runs()) }
  }

  #completed(): Statement<[string, number], Slice> {
    return this.#sql.anyDeleted.get() === undefined ? this.#sql.completed : this.#sql.completedLiving
  }

  async #sum(look: (after: string, rows: number) => Slice): Promise<number> {
    const pace = new Pace()
    let sum = 0
    for (let after: string | null = ''; after !== null; ) {
      const from: string = after
      after = await this.#turns.take(() => {
        const { rows } = pace
        const { looked, last, n } = pace.measure(() => look(from, rows))
        sum += n
        return looked < rows ? null : last
      })
    }
    return sum
  }

  async #runs(): Promise<Pick<Population, 'queued' | 'running'>> {
    const pace = new Pace()
    const counts = { queued: 0, running: 0 }
    for (let last: ActiveKey | undefined = { jobId: '', dueAt: 0, id: '' }; last !== undefined; ) {
      const after: ActiveKey = last
      last = await this.#turns.take(() => pace.measure(() => this.#countRuns(after, pace.rows, counts)))
    }
    return counts
  }

  /** Counts the next runs; answers the last of them, or undefined where there are no more. */
  #countRuns({ jobId, dueAt, id }: ActiveKey, rows: number, counts: { queued: number; running: number }): ActiveKey | undefined {
    const runs = this.#sql.activeRuns.all(jobId, dueAt, id, rows)
    for (const { status } of runs) {
      if (status === 'QUEUED') counts.queued++
      else if (status === 'RUNNING') counts.running++
    }
    return runs.length < rows ? undefined : runs.at(-1)
  }
}
