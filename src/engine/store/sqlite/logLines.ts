import { setImmediate as yieldToLoop } from 'node:timers/promises'
import type { Database } from 'better-sqlite3'
import type { LogLineQuery, LogLineRow } from '../store.ts'
import { prepare } from './statement.ts'

/** Lines read between two turns of the loop: at their longest they are some megabytes. */
const SLICE = 200

function statements(db: Database) {
  const between = `SELECT "runId", seq, "at", attempt, level, message, fields FROM "LogLine" WHERE "runId" = ? AND seq > ? AND seq < ?`
  return {
    first: prepare<[string, number, number, number], LogLineRow>(db, `${between} ORDER BY seq LIMIT ?`),
    last: prepare<[string, number, number, number], LogLineRow>(db, `${between} ORDER BY seq DESC LIMIT ?`),
  }
}

/** Log lines as they are read, by the table's own key in both directions. */
export class LogLines {
  readonly #sql

  constructor(db: Database) {
    this.#sql = statements(db)
  }

  /** The verb `logLines`. */
  async read({ runId, after, before, fromEnd, limit }: LogLineQuery): Promise<readonly LogLineRow[]> {
    const lines: LogLineRow[] = []
    let low = after ?? 0
    let high = before ?? Number.MAX_SAFE_INTEGER
    const statement = fromEnd ? this.#sql.last : this.#sql.first
    while (lines.length < limit) {
      const wanted = Math.min(SLICE, limit - lines.length)
      const slice = statement.all(runId, low, high, wanted)
      lines.push(...slice)
      if (slice.length < wanted) break
      if (fromEnd) high = slice.at(-1)!.seq
      else low = slice.at(-1)!.seq
      if (lines.length < limit) await yieldToLoop()
    }
    return fromEnd ? lines.reverse() : lines
  }
}
