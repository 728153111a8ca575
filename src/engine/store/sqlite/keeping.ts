import type { Database } from 'better-sqlite3'
import type { Logs } from './logs.ts'
import { prepare } from './statement.ts'

/** Rows removed in one transaction: a few milliseconds. */
export const REMOVAL_BATCH = 200

function statements(db: Database) {
  const removeOf = (table: string, owner: string) =>
    prepare(db, `DELETE FROM "${table}" WHERE rowid IN (SELECT rowid FROM "${table}" WHERE "${owner}" = ? LIMIT ?)`)
  return {
    // Its runs have all ended: a run under way still settles, and its events name the job.
    gone: prepare<[], { id: string }>(
      db,
      `SELECT j.id FROM "Job" j LEFT JOIN "JobPosition" p ON p."jobId" = j.id WHERE j."deletedAt" IS NOT NULL AND coalesce(p."activeRuns", 0) = 0
       ORDER BY j."deletedAt" LIMIT 1`,
    ),
    runs: prepare<[string, number], { id: string }>(db, 'SELECT id FROM "Run" WHERE "jobId" = ? ORDER BY id LIMIT ?'),
    removeLines: removeOf('LogLine', 'runId'),
    removeAttempts: removeOf('Attempt', 'runId'),
    removeRun: prepare(db, 'DELETE FROM "Run" WHERE id = ?'),
    parts: [
      removeOf('Verdict', 'jobId'),
      removeOf('Revision', 'jobId'),
      removeOf('JobHour', 'jobId'),
      removeOf('JobTag', 'jobId'),
      removeOf('JobPosition', 'jobId'),
    ],
    removeJob: prepare(db, 'DELETE FROM "Job" WHERE id = ?'),
  }
}

/** Removal of what deleted jobs left, children before parents, a few rows at a time. Their events stay as tombstones. */
export class Keeping {
  readonly #sql
  readonly #logs: Logs

  constructor(db: Database, logs: Logs) {
    this.#sql = statements(db)
    this.#logs = logs
  }

  /** Removes at most `limit` rows in the transaction under way; answers how many. */
  removeDeleted(limit: number): number {
    let removed = 0
    while (removed < limit) {
      const job = this.#sql.gone.get()
      if (job === undefined) break
      removed += this.#removePartsOf(job.id, limit - removed)
    }
    return removed
  }

  #removePartsOf(jobId: string, limit: number): number {
    let removed = 0
    for (const { id } of this.#sql.runs.all(jobId, limit)) {
      removed += this.#sql.removeLines.run(id, limit - removed).changes
      if (removed < limit) removed += this.#sql.removeAttempts.run(id, limit - removed).changes
      if (removed < limit) removed += this.#sql.removeRun.run(id).changes
      this.#logs.gone(id)
      if (removed >= limit) return removed
    }
    for (const remove of this.#sql.parts) {
      removed += remove.run(jobId, limit - removed).changes
      if (removed >= limit) return removed
    }
    return removed + this.#sql.removeJob.run(jobId).changes
  }
}
