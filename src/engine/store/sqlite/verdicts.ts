import { randomFillSync } from 'node:crypto'
import type { Database } from 'better-sqlite3'
import { idFactory } from '../../../domain/ids.ts'
import type { Instant } from '../../../domain/instant.ts'
import {
  type LedgerEntry,
  type LedgerMoment,
  type RowSplit,
  saysTheSame,
  type SharedRow,
  type VerdictSpan,
} from '../../../domain/ledger.ts'
import { prepare } from './statement.ts'

interface VerdictRecord {
  readonly id: string
  readonly revision: number
  readonly verdict: string
  readonly first: number
  readonly last: number
  readonly reason: string | null
  readonly runId: string | null
}

/** The part of the ledger that is no run: rows that neighbouring instants of one verdict share. */
export class Verdicts {
  readonly #newId = idFactory((bytes) => randomFillSync(bytes))
  readonly #read
  readonly #insert
  readonly #extend
  readonly #hasRun
  readonly #over
  readonly #shorten
  readonly #remove
  readonly #noTrailing

  constructor(db: Database) {
    this.#read = prepare<[string], VerdictRecord>(
      db,
      'SELECT id, revision, verdict, "first", "last", reason, "runId" FROM "Verdict" WHERE id = ?',
    )
    this.#insert = prepare(
      db,
      'INSERT INTO "Verdict" (id, "jobId", revision, verdict, "first", "last", count, reason, "runId") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
    )
    this.#extend = prepare(db, 'UPDATE "Verdict" SET "last" = ?, count = count + ? WHERE id = ?')
    this.#hasRun = prepare<[string, Instant], { one: 1 }>(db, 'SELECT 1 AS one FROM "Run" WHERE "jobId" = ? AND occurrence = ?')
    this.#over = prepare<[string, Instant], SharedRow>(
      db,
      'SELECT id, verdict, "first", "last" FROM "Verdict" WHERE "jobId" = ? AND "last" >= ? ORDER BY "last" LIMIT 1',
    )
    this.#shorten = prepare(db, 'UPDATE "Verdict" SET "first" = ?, count = ? WHERE id = ?')
    this.#remove = prepare(db, 'DELETE FROM "Verdict" WHERE id = ?')
    this.#noTrailing = prepare(db, 'UPDATE "JobPosition" SET "trailingVerdictId" = NULL WHERE "jobId" = ? AND "trailingVerdictId" = ?')
  }

  /**
   * Writes the spans of a plan, whose entries are in the order of their instants. The first one extends the row of the newest decided
   * instant (`trailingId`) where it says the same. Answers the row of the newest instant now; null where that got a run.
   */
  write(
    plan: { readonly jobId: string; readonly revision: number; readonly entries: readonly LedgerEntry[] },
    trailingId: string | null,
    now: Instant,
  ): string | null {
    let trailing = trailingId
    for (const entry of plan.entries)
      trailing = entry.kind === 'run' ? null : this.#writeSpan(plan.jobId, plan.revision, entry.span, trailing, now)
    return trailing
  }

  /** What the ledger says of an instant. */
  momentAt(jobId: string, at: Instant): LedgerMoment {
    const row = this.#over.get(jobId, at)
    return { at, hasRun: this.#hasRun.get(jobId, at) !== undefined, row: row !== undefined && row.first <= at ? row : null }
  }

  /**
   * Leaves of a row what is left of it. The part that ends where the row did keeps its id: if it is the trailing row, it stays so. Where
   * the row's last instant left, no row holds the newest decided instant any more.
   */
  split(jobId: string, { rowId, parts }: RowSplit, now: Instant): void {
    const row = this.#read.get(rowId)
    if (row === undefined) throw new Error(`the row ${rowId} that shall be split is gone`)
    const kept = parts.at(-1)?.last === row.last ? parts.at(-1)! : null
    for (const { first, last, count } of parts) {
      if (first === kept?.first) this.#shorten.run(first, count, rowId)
      else this.#insert.run(this.#newId('ver', now), jobId, row.revision, row.verdict, first, last, count, row.reason, row.runId)
    }
    if (kept !== null) return
    this.#remove.run(rowId)
    this.#noTrailing.run(jobId, rowId)
  }

  #writeSpan(jobId: string, revision: number, span: VerdictSpan, trailingId: string | null, now: Instant): string {
    const trailing = trailingId === null ? undefined : this.#read.get(trailingId)
    if (trailing !== undefined && saysTheSame(trailing, revision, span)) {
      this.#extend.run(span.last, span.count, trailing.id)
      return trailing.id
    }
    const id = this.#newId('ver', now)
    this.#insert.run(id, jobId, revision, span.verdict, span.first, span.last, span.count, span.reason, span.runId)
    return id
  }
}
