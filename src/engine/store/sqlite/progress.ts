import type { Database } from 'better-sqlite3'
import { type Instant, SECOND } from '../../../domain/instant.ts'
import type { AttemptKey } from '../store.ts'
import { prepare } from './statement.ts'
import type { Tx, Writer } from './writer.ts'

/** The stream hears of a run's progress no more often than this. */
const EVENT_EVERY: number = SECOND

/**
 * Progress of running attempts. Every value is stored; the stream is told of a run's progress at most once a second. A value that
 * came too soon after the last event is told when that second is over, so that the last one before a long silence is seen too.
 */
export class Progress {
  readonly #set
  readonly #tell
  /** By run: when the stream was last told, by the caller's clock. */
  readonly #told = new Map<string, Instant>()
  /** Runs with a value that the stream has not heard of. */
  readonly #untold = new Set<string>()
  #timer: NodeJS.Timeout | undefined

  constructor(db: Database) {
    const running = `WHERE id = ? AND status = 'RUNNING'`
    this.#set = prepare(db, `UPDATE "Run" SET progress = ? ${running} AND attempt = ?`)
    this.#tell = prepare(db, `UPDATE "Run" SET cursor = ?, "changedAt" = ? ${running}`)
  }

  /** The verb `setProgress`. `writer` takes the events that have to wait. */
  set(tx: Tx, writer: Writer, updates: readonly (AttemptKey & { readonly progress: number })[], now: Instant): void {
    for (const { runId, attempt, progress } of updates) {
      if (this.#set.run(progress, runId, attempt).changes === 0) continue
      const told = this.#told.get(runId)
      if (told !== undefined && Math.abs(now - told) < EVENT_EVERY) this.#untold.add(runId)
      else this.#event(tx, runId, now)
    }
    if (this.#untold.size > 0) this.#tellLater(writer, now)
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #event(tx: Tx, runId: string, now: Instant): void {
    this.#untold.delete(runId)
    this.#told.delete(runId)
    if (this.#tell.run(tx.cursor(), now, runId).changes === 0) return
    this.#told.set(runId, now)
    // The oldest first, for they are in the order of their events: runs that ended long ago go with them.
    for (const [id, at] of this.#told) {
      if (Math.abs(now - at) < EVENT_EVERY) break
      this.#told.delete(id)
    }
  }

  #tellLater(writer: Writer, now: Instant): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      const tell = (tx: Tx) => {
        for (const runId of [...this.#untold]) this.#event(tx, runId, now + EVENT_EVERY)
      }
      // Where the database is away the values are stored all the same, or were not stored either: there is nothing to make good.
      writer.write(tell).catch(() => {})
    }, EVENT_EVERY).unref()
  }
}
