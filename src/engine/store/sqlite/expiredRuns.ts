import type { Database } from 'better-sqlite3'
import type { Instant } from '../../../domain/instant.ts'
import type { RetentionRules } from '../../../domain/retention.ts'
import { ExpiredRuns, type Found, NO_BOUND, NOTHING_FOUND, type OldRun } from '../expiredRuns.ts'
import type { SweepPlace } from '../store.ts'
import { prepare } from './statement.ts'

/** Runs read at once. */
const PAGE = 100

type RunRecord = Omit<OldRun, 'holdsKey'> & { readonly holdsKey: number }

function statements(db: Database) {
  return {
    newest: prepare<[string, number], { id: string }>(db, 'SELECT id FROM "Run" WHERE "jobId" = ? ORDER BY id DESC LIMIT 1 OFFSET ?'),
    runs: prepare<[string, string, string, number], RunRecord>(
      db,
      `SELECT id, status, "queuedAt", "finishedAt", "idempotencyKey" IS NOT NULL AS "holdsKey" FROM "Run"
       WHERE "jobId" = ? AND id > ? AND id < ? ORDER BY id LIMIT ?`,
    ),
  }
}

/** Where no run of a job may go it costs a look into an index, for the oldest of the newest runs, which always stay. */
export class ExpiredRunsOfJob {
  readonly #sql
  readonly #expired = new ExpiredRuns()

  constructor(db: Database) {
    this.#sql = statements(db)
  }

  /** Looks at the runs behind the place, until it found `limit` of them or the time is over. */
  find(place: SweepPlace, rules: RetentionRules, now: Instant, limit: number, deadline: number): Found {
    const { jobId } = place
    const kept = rules.alwaysOfJob === 0 ? NO_BOUND : this.#sql.newest.get(jobId, rules.alwaysOfJob - 1)?.id
    if (kept === undefined) return NOTHING_FOUND
    const most = this.#sql.newest.get(jobId, rules.mostOfJob - 1)?.id ?? ''
    const walk = this.#expired.walk(place, { rules, now, most, limit })
    for (;;) {
      const page = this.#sql.runs.all(jobId, walk.after, kept, PAGE)
      const found = walk.take(page.map(toOldRun), page.length < PAGE)
      if (found !== null) return found
      if (performance.now() > deadline) return walk.stop()
    }
  }
}

function toOldRun(run: RunRecord): OldRun {
  return { ...run, holdsKey: run.holdsKey === 1 }
}
