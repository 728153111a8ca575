import type { Database } from 'better-sqlite3'
import type { Instant } from '../../../domain/instant.ts'
import { HOURS_KEPT, ledgerKeptFrom } from '../../../domain/retention.ts'
import { LEDGER_BEGINS } from '../settings.ts'
import { prepare } from './statement.ts'
import type { Marks } from './stream.ts'

interface Oldest {
  readonly at: Instant
}

function statements(db: Database) {
  return {
    oldestVerdict: prepare<[string], Oldest>(db, 'SELECT "last" AS at FROM "Verdict" WHERE "jobId" = ? ORDER BY "last" LIMIT 1'),
    // Where the last of a job's revisions has ended it stays all the same: its number is what the job goes on from.
    oldestRevision: prepare<[string], Oldest>(
      db,
      `SELECT r."until" AS at FROM "Revision" r WHERE r."jobId" = ? AND r."until" IS NOT NULL
       AND EXISTS (SELECT 1 FROM "Revision" n WHERE n."jobId" = r."jobId" AND n.number > r.number) ORDER BY r.number LIMIT 1`,
    ),
    oldestHour: prepare<[string], Oldest>(db, 'SELECT hour AS at FROM "JobHour" WHERE "jobId" = ? ORDER BY hour LIMIT 1'),
    removeVerdicts: prepare(
      db,
      'DELETE FROM "Verdict" WHERE rowid IN (SELECT rowid FROM "Verdict" WHERE "jobId" = ? AND "last" < ? ORDER BY "last" LIMIT ?)',
    ),
    removeRevisions: prepare(
      db,
      `DELETE FROM "Revision" WHERE rowid IN (SELECT r.rowid FROM "Revision" r WHERE r."jobId" = ? AND r."until" < ?
         AND EXISTS (SELECT 1 FROM "Revision" n WHERE n."jobId" = r."jobId" AND n.number > r.number) ORDER BY r.number LIMIT ?)`,
    ),
    removeHours: prepare(
      db,
      'DELETE FROM "JobHour" WHERE rowid IN (SELECT rowid FROM "JobHour" WHERE "jobId" = ? AND hour < ? ORDER BY hour LIMIT ?)',
    ),
  }
}

/** Rows of a job that are kept by age alone: its ledger, but for what is in its runs, and its figures by the hour. */
export class OldRows {
  readonly #sql
  readonly #marks: Marks

  constructor(db: Database, marks: Marks) {
    this.#sql = statements(db)
    this.#marks = marks
  }

  /** Whether the job has any. */
  any(jobId: string, now: Instant): boolean {
    const ledger = ledgerKeptFrom(now)
    return (
      isBefore(this.#sql.oldestVerdict.get(jobId), ledger) ||
      isBefore(this.#sql.oldestRevision.get(jobId), ledger) ||
      isBefore(this.#sql.oldestHour.get(jobId), now - HOURS_KEPT)
    )
  }

  /** Removes at most `limit` of each kind; answers how many went. A row that reaches over the cut stays until it ends before it. */
  remove(jobId: string, now: Instant, limit: number): number {
    const ledger = ledgerKeptFrom(now)
    // In the same transaction: no audit ever speaks of instants whose rows are gone.
    this.#marks.raise(LEDGER_BEGINS, ledger)
    return (
      this.#sql.removeVerdicts.run(jobId, ledger, limit).changes +
      this.#sql.removeRevisions.run(jobId, ledger, limit).changes +
      this.#sql.removeHours.run(jobId, now - HOURS_KEPT, limit).changes
    )
  }
}

function isBefore(oldest: Oldest | undefined, cut: Instant): boolean {
  return oldest !== undefined && oldest.at < cut
}
