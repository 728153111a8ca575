import type { Database } from 'better-sqlite3'
import type { Instant } from '../../../domain/instant.ts'
import type { LedgerPart, LedgerRow } from '../../../domain/ledger.ts'
import type { Revision } from '../../../domain/schedule.ts'
import type { LedgerQuery } from '../store.ts'
import { readSchedule } from '../records.ts'
import { prepare } from './statement.ts'

type VerdictRecord = Omit<LedgerRow, 'counted'>

interface RunRecord {
  readonly id: string
  readonly at: Instant
  readonly counted: number
}

const RUNS = 'SELECT id, occurrence AS at, counted FROM "Run" WHERE "jobId" = ? AND occurrence > ? AND occurrence < ? ORDER BY occurrence'
const VERDICTS = 'SELECT verdict, "first", "last", count, reason, "runId" FROM "Verdict" WHERE "jobId" = ?'

function statements(db: Database) {
  return {
    revisions: prepare<[string], { number: number; schedule: string; from: Instant; until: Instant | null }>(
      db,
      'SELECT number, schedule, "from", "until" FROM "Revision" WHERE "jobId" = ? ORDER BY number',
    ),
    firstRuns: prepare<[string, Instant, Instant, number], RunRecord>(db, `${RUNS} LIMIT ?`),
    lastRuns: prepare<[string, Instant, Instant, number], RunRecord>(db, `${RUNS} DESC LIMIT ?`),
    rowsEndingAfter: prepare<[string, Instant, number], VerdictRecord>(db, `${VERDICTS} AND "last" > ? ORDER BY "last" LIMIT ?`),
    rowsEndingBetween: prepare<[string, Instant, Instant, number], VerdictRecord>(
      db,
      `${VERDICTS} AND "last" > ? AND "last" < ? ORDER BY "last" DESC LIMIT ?`,
    ),
  }
}

/** Reads the ledger: runs with an occurrence and the rows that instants share, each walked in its own index. */
export class Ledger {
  readonly #sql

  constructor(db: Database) {
    this.#sql = statements(db)
  }

  revisions(jobId: string): readonly Revision[] {
    return this.#sql.revisions.all(jobId).map((row) => ({ ...row, schedule: readSchedule(row.schedule) }))
  }

  part({ jobId, after, before, fromEnd, limit }: LedgerQuery): LedgerPart {
    return fromEnd
      ? {
          runs: this.#sql.lastRuns.all(jobId, after, before, limit).reverse().map(toRow),
          shared: this.#lastShared(jobId, after, before, limit),
        }
      : { runs: this.#sql.firstRuns.all(jobId, after, before, limit).map(toRow), shared: this.#firstShared(jobId, after, before, limit) }
  }

  /** Rows do not overlap, so the order of their ends is that of their beginnings: behind the first that begins too late are none. */
  #firstShared(jobId: string, after: Instant, before: Instant, limit: number): LedgerRow[] {
    const rows: LedgerRow[] = []
    for (const row of this.#sql.rowsEndingAfter.iterate(jobId, after, limit)) {
      if (row.first >= before) break
      rows.push({ ...row, counted: true })
    }
    return rows
  }

  #lastShared(jobId: string, after: Instant, before: Instant, limit: number): LedgerRow[] {
    const over = this.#sql.rowsEndingAfter.all(jobId, before - 1, 1).filter(({ first }) => first < before)
    const rows = [...over, ...this.#sql.rowsEndingBetween.all(jobId, after, before, limit)].slice(0, limit)
    return rows.reverse().map((row) => ({ ...row, counted: true }))
  }
}

function toRow({ id, at, counted }: RunRecord): LedgerRow {
  return { verdict: 'RUN', first: at, last: at, count: 1, reason: null, runId: id, counted: counted === 1 }
}
