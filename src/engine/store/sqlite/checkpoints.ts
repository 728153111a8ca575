import type { Database, Statement } from 'better-sqlite3'
import type { Milliseconds } from '../../../domain/instant.ts'

/** Nothing was committed for so long: the commits of an instant with thousands of runs follow each other faster. */
const CALM: Milliseconds = 10
/** Fewer pages are not worth a flush of the file, 4 MiB. */
const WORTH_COPYING = 1_000

/**
 * Copies the write-ahead log into the file in calm moments. SQLite itself does so within the commit that makes the log too long, which
 * takes tens of milliseconds and comes with the most commits: in the midst of an instant, where all runs behind it start late. That
 * remains for the load that never pauses.
 */
export class Checkpoints {
  readonly #copy: Statement<[]>
  readonly #lengths: Statement<[], { log: number; checkpointed: number }>
  readonly #timer: NodeJS.Timeout
  #closed = false

  /** `idle` tells whether no call waits for a transaction. */
  constructor(db: Database, idle: () => boolean) {
    this.#copy = db.prepare('PRAGMA wal_checkpoint(PASSIVE)')
    this.#lengths = db.prepare('PRAGMA wal_checkpoint(NOOP)')
    this.#timer = setTimeout(() => {
      // Whoever waits commits at once, and its commit makes this look again.
      if (!this.#closed && idle()) this.#look()
    }, CALM).unref()
  }

  /** After every commit. */
  committed(): void {
    if (!this.#closed) this.#timer.refresh()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  #look(): void {
    try {
      const { log, checkpointed } = this.#lengths.get()!
      if (log - checkpointed >= WORTH_COPYING) this.#copy.get()
    } catch {
      // A full disk is told by the commits that it keeps from being stored; the log goes on holding what was not copied.
    }
  }
}
