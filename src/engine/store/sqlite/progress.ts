import type { Database } from 'better-sqlite3'
import type { Instant } from '../../../domain/instant.ts'
import { EVENT_EVERY, ProgressPace } from '../progressPace.ts'
import type { AttemptKey } from '../store.ts'
import { prepare } from './statement.ts'
import type { Tx, Writer } from './writer.ts'

/** Progress of running attempts. Every value is stored; the stream is told at the pace of progressPace.ts. */
export class Progress {
  readonly #set
  readonly #tell
  readonly #pace = new ProgressPace()
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
      if (this.#pace.isDue(runId, now)) this.#event(tx, runId, now)
    }
    if (this.#pace.untold.size > 0) this.#tellLater(writer, now)
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #event(tx: Tx, runId: string, now: Instant): void {
    this.#pace.told(runId, now, this.#tell.run(tx.cursor(), now, runId).changes > 0)
  }

  #tellLater(writer: Writer, now: Instant): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      const at = now + EVENT_EVERY
      const tell = (tx: Tx) => {
        for (const runId of this.#pace.untoldDue(at)) this.#event(tx, runId, at)
        if (this.#pace.untold.size > 0) this.#tellLater(writer, at)
      }
      // Where the database is away the values are stored all the same, or were not stored either: there is nothing to make good.
      writer.write(tell).catch(() => {})
    }, EVENT_EVERY).unref()
  }
}
