import type { Database } from 'better-sqlite3'
import type { NewLogLine } from '../store.ts'
import { prepare } from './statement.ts'
import type { Tx } from './writer.ts'

/** What is kept of a run's first lines, and then of its newest, in bytes. */
export const HEAD_BYTES = 4 * 1024 * 1024
export const TAIL_BYTES = 4 * 1024 * 1024
/** A cut takes so much at once, so that a run that goes on logging is not cut at every line. */
const CUT_BYTES = 256 * 1024
/** A line that is longer than a cut is shortened: one line never takes the place of many. */
const LONGEST_LINE = CUT_BYTES
/** What a row costs besides its text. */
const ROW_BYTES = 40
const REMEMBERED_RUNS = 10_000

/** Where a run's log stands. */
interface RunLog {
  /** Of the newest line; the first has 1. */
  lastSeq: number
  headBytes: number
  /** Of the last line of the head, once it is full; null before. */
  headEnd: number | null
  tailBytes: number
}

const SIZE = `length(CAST(message AS BLOB)) + coalesce(length(CAST(fields AS BLOB)), 0) + ${ROW_BYTES}`

function statements(db: Database) {
  return {
    run: prepare<[string], { one: 1 }>(db, 'SELECT 1 AS one FROM "Run" WHERE id = ?'),
    sizes: prepare<[string, number], { seq: number; size: number }>(
      db,
      `SELECT seq, ${SIZE} AS size FROM "LogLine" WHERE "runId" = ? AND seq > ? ORDER BY seq`,
    ),
    insert: prepare(db, 'INSERT INTO "LogLine" ("runId", seq, "at", attempt, level, message, fields) VALUES (?, ?, ?, ?, ?, ?, ?)'),
    remove: prepare(db, 'DELETE FROM "LogLine" WHERE "runId" = ? AND seq > ? AND seq <= ?'),
    mark: prepare(
      db,
      `INSERT INTO "LogLine" ("runId", seq, "at", attempt, level, message, fields) VALUES (?, ?, ?, ?, 'WARN', ?, NULL)
       ON CONFLICT ("runId", seq) DO UPDATE SET "at" = excluded."at", attempt = excluded.attempt, level = excluded.level, message = excluded.message, fields = NULL`,
    ),
  }
}

/**
 * Log lines of runs, numbered by one within each run and capped: the head and the newest lines stay, and between them one marker says
 * how many lines were cut. The marker has the number of the first line that was cut, so numbers rise strictly and every number that
 * is missing after it is a line that was cut: what stands in the table is enough to go on after a restart.
 *
 *   1 … headEnd │ headEnd + 1: "… 812 lines were cut …" │ headEnd + 813 … lastSeq
 */
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
    const { message, fields } = shortened(line)
    const size = Buffer.byteLength(message) + (fields === null ? 0 : Buffer.byteLength(fields)) + ROW_BYTES
    log.lastSeq += 1
    this.#sql.insert.run(line.runId, log.lastSeq, line.at, line.attempt, line.level, message, fields)
    if (log.headEnd === null && log.headBytes + size <= HEAD_BYTES) {
      log.headBytes += size
      return
    }
    log.headEnd ??= log.lastSeq - 1
    log.tailBytes += size
    if (log.tailBytes > TAIL_BYTES) this.#cut(line, log, log.headEnd)
  }

  /** Removes the oldest lines of the tail, and marks the place. */
  #cut(line: NewLogLine, log: RunLog, headEnd: number): void {
    let cutUpTo = headEnd
    let freed = 0
    for (const { seq, size } of this.#sql.sizes.iterate(line.runId, headEnd)) {
      if (freed >= CUT_BYTES || seq === log.lastSeq) break
      freed += size
      cutUpTo = seq
    }
    this.#sql.remove.run(line.runId, headEnd, cutUpTo)
    const cut = cutUpTo - headEnd
    const message = `… ${cut} ${cut === 1 ? 'line was' : 'lines were'} cut …`
    this.#sql.mark.run(line.runId, headEnd + 1, line.at, line.attempt, message)
    log.tailBytes += Buffer.byteLength(message) + ROW_BYTES - freed
  }

  #of(runId: string): RunLog | null {
    // A run may have been removed since it was remembered.
    if (this.#sql.run.get(runId) === undefined) return null
    const known = this.#runs.get(runId)
    if (known !== undefined) return known
    const log = this.#read(runId)
    if (this.#runs.size >= REMEMBERED_RUNS) this.#runs.delete(this.#runs.keys().next().value!)
    this.#runs.set(runId, log)
    return log
  }

  #read(runId: string): RunLog {
    const log: RunLog = { lastSeq: 0, headBytes: 0, headEnd: null, tailBytes: 0 }
    for (const { seq, size } of this.#sql.sizes.iterate(runId, 0)) {
      if (log.headEnd === null && log.headBytes + size <= HEAD_BYTES && seq === log.lastSeq + 1) {
        log.headBytes += size
      } else {
        // A missing number tells that the line before it is the marker, hence no longer the head's.
        log.headEnd ??= seq === log.lastSeq + 1 ? log.lastSeq : log.lastSeq - 1
        log.tailBytes += size
      }
      log.lastSeq = seq
    }
    return log
  }
}

function shortened({ message, fields }: NewLogLine): Pick<NewLogLine, 'message' | 'fields'> {
  // In UTF-8 a character has 3 bytes for each of its UTF-16 units at most.
  const longest = LONGEST_LINE / 6
  return {
    message: message.length <= longest ? message : `${message.slice(0, longest)}…`,
    fields: fields === null || fields.length <= longest ? fields : JSON.stringify({ cut: `${fields.length} characters of fields` }),
  }
}
