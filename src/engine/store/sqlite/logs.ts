import type { Database } from 'better-sqlite3'
import { addLine, cutTail, type LineSize, mustBeCut, ROW_BYTES, type RunLog, readRunLog, shortened } from '../runLog.ts'
import type { NewLogLine } from '../store.ts'
import { prepare } from './statement.ts'
import type { Tx } from './writer.ts'

const REMEMBERED_RUNS = 10_000

const SIZE = `length(CAST(message AS BLOB)) + coalesce(length(CAST(fields AS BLOB)), 0) + ${ROW_BYTES}`

function statements(db: Database) {
  return {
    run: prepare<[string], { one: 1 }>(db, 'SELECT 1 AS one FROM "Run" WHERE id = ?'),
    sizes: prepare<[string, number], LineSize>(db, `SELECT seq, ${SIZE} AS size FROM "LogLine" WHERE "runId" = ? AND seq > ? ORDER BY seq`),
    insert: prepare(db, 'INSERT INTO "LogLine" ("runId", seq, "at", attempt, level, message, fields) VALUES (?, ?, ?, ?, ?, ?, ?)'),
    remove: prepare(db, 'DELETE FROM "LogLine" WHERE "runId" = ? AND seq > ? AND seq <= ?'),
    mark: prepare(
      db,
      `INSERT INTO "LogLine" ("runId", seq, "at", attempt, level, message, fields) VALUES (?, ?, ?, ?, 'WARN', ?, NULL)
       ON CONFLICT ("runId", seq) DO UPDATE SET "at" = excluded."at", attempt = excluded.attempt, level = excluded.level, message = excluded.message, fields = NULL`,
    ),
  }
}

/** Log lines of runs, numbered and capped (runLog.ts). Where the log of each run stands is remembered: this is their only writer. */
export class Logs {
  readonly #sql
  readonly #runs = new Map<string, RunLog>()

  constructor(db: Database) {
    this.#sql = statements(db)
  }

  /** The verb `appendLogs`. Whoever reads the logs of these runs is told after the commit. */
  append(tx: Tx, lines: readonly NewLogLine[]): void {
    const logs = new Map<string, RunLog | null>()
    for (const line of lines) {
      let log = logs.get(line.runId)
      if (log === undefined) {
        log = this.#of(line.runId)
        logs.set(line.runId, log)
      }
      if (log !== null) this.#append(line, log)
    }
    for (const [runId, log] of logs) if (log !== null) tx.effects.logged.push(runId)
  }

  /** After a rollback, or when runs were removed. */
  forget(): void {
    this.#runs.clear()
  }

  /** A run was removed: what is remembered of its log must not bring lines of it back. */
  gone(runId: string): void {
    this.#runs.delete(runId)
  }

  #append(line: NewLogLine, log: RunLog): void {
    const kept = shortened(line)
    this.#sql.insert.run(line.runId, addLine(log, kept), line.at, line.attempt, line.level, kept.message, kept.fields)
    if (mustBeCut(log)) this.#cut(line, log)
  }

  /** Removes the oldest lines of the tail, and marks the place. */
  #cut(line: NewLogLine, log: RunLog & { readonly headEnd: number }): void {
    const { headEnd } = log
    const { upTo, message } = cutTail(log, this.#sql.sizes.iterate(line.runId, headEnd))
    this.#sql.remove.run(line.runId, headEnd, upTo)
    this.#sql.mark.run(line.runId, headEnd + 1, line.at, line.attempt, message)
  }

  #of(runId: string): RunLog | null {
    // A run may have been removed since it was remembered.
    if (this.#sql.run.get(runId) === undefined) return null
    const known = this.#runs.get(runId)
    if (known !== undefined) return known
    const log = readRunLog(this.#sql.sizes.iterate(runId, 0))
    if (this.#runs.size >= REMEMBERED_RUNS) this.#runs.delete(this.#runs.keys().next().value!)
    this.#runs.set(runId, log)
    return log
  }
}
