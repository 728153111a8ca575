import type { Database } from 'better-sqlite3'
import type { Instant } from '../../../domain/instant.ts'
import type { JobChange } from '../../../domain/job.ts'
import type { JobFacts } from '../../../domain/jobFilter.ts'
import { prepare } from './statement.ts'
import type { Tx } from './writer.ts'

/**
 * Changes of a job that no command made: they raise the position's version (whoever remembers the definition must read it again) and
 * are told to the stream, but leave the version that users see.
 */
export class JobChanges {
  readonly #event
  readonly #endPause
  readonly #pause
  readonly #paused
  readonly #stale
  readonly #standsStill

  constructor(db: Database) {
    this.#event = prepare(db, 'INSERT INTO "JobEvent" (cursor, "jobId", change, "at", before) VALUES (?, ?, ?, ?, ?)')
    this.#endPause = prepare(
      db,
      `UPDATE "Job" SET "pauseSince" = NULL, "pauseUntil" = NULL, "pauseNote" = NULL, "pauseBy" = NULL, "updatedAt" = ?
       WHERE id = ? AND "pauseUntil" <= ?`,
    )
    this.#pause = prepare(
      db,
      `UPDATE "Job" SET "pauseSince" = ?, "pauseUntil" = NULL, "pauseNote" = ?, "pauseBy" = NULL, "updatedAt" = ?
       WHERE id = ? AND "pauseSince" IS NULL AND "deletedAt" IS NULL`,
    )
    this.#paused = prepare<[string, Instant], { one: 1 }>(
      db,
      'SELECT 1 AS one FROM "Job" WHERE id = ? AND "pauseSince" IS NOT NULL AND ("pauseUntil" IS NULL OR "pauseUntil" > ?)',
    )
    this.#stale = prepare(db, 'UPDATE "JobPosition" SET version = version + 1 WHERE "jobId" = ?')
    this.#standsStill = prepare(db, 'UPDATE "JobPosition" SET version = version + 1, "nextRunAt" = NULL WHERE "jobId" = ?')
  }

  /** `before`: what filters look at, as it was, as far as the change touched it. By it those hear who showed the job and must let it go. */
  event(tx: Tx, jobId: string, change: JobChange, now: Instant, before: Partial<JobFacts> | null): void {
    this.#event.run(tx.cursor(), jobId, change, now, before === null ? null : JSON.stringify(before))
  }

  /** A pause that has reached its `until` is removed; a plan may say so more than once. Answers whether it was there to end. */
  endPause(tx: Tx, jobId: string, now: Instant): boolean {
    if (this.#endPause.run(now, jobId, now).changes === 0) return false
    this.#stale.run(jobId)
    this.event(tx, jobId, 'UPDATED', now, { state: 'PAUSED' })
    return true
  }

  /** A schedule that has nothing left, as planning found: it may have run out in a pause, or not. */
  completed(tx: Tx, jobId: string, now: Instant): void {
    const paused = this.#paused.get(jobId, now) !== undefined
    this.event(tx, jobId, 'UPDATED', now, { state: paused ? 'PAUSED' : 'ACTIVE' })
  }

  /**
   * Pauses a job that failed too often in a row, until it is resumed. One that is paused already stays as it is, also where that
   * pause has just ended and the planner has not come to it: its skipped instants are not yet in the ledger.
   */
  pauseAfterFailures(tx: Tx, jobId: string, failures: number, now: Instant): void {
    const note = `Paused after ${failures} failed ${failures === 1 ? 'run' : 'runs in a row'}`
    if (this.#pause.run(now, note, now, jobId).changes === 0) return
    this.#standsStill.run(jobId)
    this.event(tx, jobId, 'UPDATED', now, { state: 'ACTIVE' })
  }
}
