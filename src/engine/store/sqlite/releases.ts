import type { Database } from 'better-sqlite3'
import type { Instant } from '../../../domain/instant.ts'
import type { ConcurrencyKeys } from './concurrency.ts'
import type { ReadyRuns } from './readyRuns.ts'
import { prepare } from './statement.ts'
import type { Tx } from './writer.ts'

interface Held {
  readonly id: string
  readonly jobId: string
  readonly concurrencyKey: string | null
}

function statements(db: Database) {
  return {
    // A run that waits for its concurrency key has left the wait for its job behind: it counts as one that goes.
    goesOn: prepare<[string], { one: 1 }>(
      db,
      `SELECT 1 AS one FROM "Run" WHERE "jobId" = ? AND "finishedAt" IS NULL AND "heldBy" IS NOT 'OVERLAP' ORDER BY "dueAt", id LIMIT 1`,
    ),
    nextOfJob: prepare<[string], Held>(
      db,
      `SELECT id, "jobId", "concurrencyKey" FROM "Run" WHERE "jobId" = ? AND "finishedAt" IS NULL AND "heldBy" = 'OVERLAP' ORDER BY "dueAt", id LIMIT 1`,
    ),
    nextOfKey: prepare<[string], Held>(
      db,
      `SELECT id, "jobId", "concurrencyKey" FROM "Run" WHERE "concurrencyKey" = ? AND "finishedAt" IS NULL AND "heldBy" = 'CONCURRENCY'
       ORDER BY priority DESC, "dueAt", id LIMIT 1`,
    ),
    hold: prepare(db, `UPDATE "Run" SET "heldBy" = ?, cursor = ?, "changedAt" = ? WHERE id = ?`),
  }
}

/**
 * Lets go what waited for the end of other runs. The ends of one call are noted first and followed up once, at the end of the call:
 * CANCEL_OTHER ends many runs of a job, and none of them shall be released on the way.
 *
 *   heldBy OVERLAP ── no run of the job goes any more ──→ the earliest (dueAt, id): null, or CONCURRENCY where it has a key
 *   heldBy CONCURRENCY ── its key has a slot ───────────→ the first by priority, dueAt, id: null
 */
export class Releases {
  readonly #sql
  readonly #keys: ConcurrencyKeys
  readonly #ready: ReadyRuns
  readonly #jobs = new Set<string>()
  readonly #endedKeys = new Set<string>()

  constructor(db: Database, { keys, ready }: { readonly keys: ConcurrencyKeys; readonly ready: ReadyRuns }) {
    this.#sql = statements(db)
    this.#keys = keys
    this.#ready = ready
  }

  /** A run of this job and key has ended. */
  note(run: { readonly jobId: string; readonly concurrencyKey: string | null }): void {
    this.#jobs.add(run.jobId)
    if (run.concurrencyKey !== null) this.#endedKeys.add(run.concurrencyKey)
  }

  /** Last step of every verb that ends runs. */
  followUp(tx: Tx, now: Instant): void {
    if (this.#jobs.size === 0) return
    for (const jobId of this.#jobs) this.#releaseOfJob(tx, jobId, now)
    for (const key of this.#endedKeys) this.#releaseOfKey(tx, key, now)
    this.forget()
  }

  /** After a rollback. */
  forget(): void {
    this.#jobs.clear()
    this.#endedKeys.clear()
  }

  #releaseOfJob(tx: Tx, jobId: string, now: Instant): void {
    const next = this.#sql.nextOfJob.get(jobId)
    if (next === undefined || this.#sql.goesOn.get(jobId) !== undefined) return
    if (next.concurrencyKey === null) {
      this.#release(tx, next.id, now)
      return
    }
    // It queues up behind those of its key that are before it by priority and dueAt.
    this.#sql.hold.run('CONCURRENCY', tx.cursor(), now, next.id)
    this.#endedKeys.add(next.concurrencyKey)
  }

  /** More than one may go: the run that ended may have been the one that asked for the least bound. */
  #releaseOfKey(tx: Tx, key: string, now: Instant): void {
    while (this.#keys.hasRoom(key)) {
      const next = this.#sql.nextOfKey.get(key)
      if (next === undefined) return
      this.#keys.take(key)
      this.#release(tx, next.id, now)
    }
  }

  #release(tx: Tx, runId: string, now: Instant): void {
    this.#sql.hold.run(null, tx.cursor(), now, runId)
    tx.effects.runsWait = true
    this.#ready.ready(runId)
  }
}
