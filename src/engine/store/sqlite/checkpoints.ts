import { Worker } from 'node:worker_threads'
import type { Database, Statement } from 'better-sqlite3'
import type { Milliseconds } from '../../../domain/instant.ts'
import type { Log } from '../../ports.ts'

/** Nothing was committed for so long: the commits of an instant with thousands of runs follow each other faster. */
const CALM: Milliseconds = 10
/** Fewer pages are not worth a flush of the file, 4 MiB. */
const WORTH_COPYING = 1_000
/** So many are copied although no calm moment comes, 32 MiB. */
const OVERDUE = 8_000
/** Under load that never pauses the log is looked at once in so many commits. */
const LOOK_EVERY = 64

/**
 * Copies the write-ahead log into the file, in a thread with a connection of its own. SQLite itself does so within the commit that makes
 * the log too long, which holds the loop for a tenth of a second or two, and comes with the most commits: in the midst of an instant, where
 * all runs behind it start late. Whoever writes is not kept waiting by a copy in another connection.
 *
 *   IDLE ── calm, and worth it; or overdue ──▶ COPYING ── the thread is done ──▶ the few pages written meanwhile are copied here ──▶ IDLE
 *
 * Only when all is copied can the log begin anew at its start; so the last pages are copied by the writer's own connection, between two of
 * its commits. The thread is started when there is first something to copy. Should it fail, SQLite's own limit remains (see connection.ts).
 */
export class Checkpoints {
  readonly #file: string
  readonly #idle: () => boolean
  readonly #log: Log
  readonly #copyRest: Statement<[]>
  readonly #lengths: Statement<[], { log: number; checkpointed: number }>
  readonly #timer: NodeJS.Timeout
  #thread: Worker | null = null
  #copying = false
  #closed = false
  #commits = 0

  /** `idle` tells whether no call waits for a transaction. */
  constructor(db: Database, idle: () => boolean, log: Log) {
    this.#file = db.name
    this.#idle = idle
    this.#log = log
    this.#copyRest = db.prepare('PRAGMA wal_checkpoint(PASSIVE)')
    this.#lengths = db.prepare('PRAGMA wal_checkpoint(NOOP)')
    this.#timer = setTimeout(() => {
      // Whoever waits commits at once, and its commit makes this look again.
      if (this.#idle()) this.#look(WORTH_COPYING)
    }, CALM).unref()
  }

  /** After every commit. */
  committed(): void {
    if (this.#closed) return
    this.#timer.refresh()
    if (++this.#commits % LOOK_EVERY === 0) this.#look(OVERDUE)
  }

  /** Before the file is closed. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    const thread = this.#thread
    if (thread === null) return
    const gone = new Promise((resolve) => thread.once('exit', resolve))
    thread.ref()
    thread.postMessage('close')
    await gone
  }

  #look(worth: number): void {
    if (this.#closed || this.#copying) return
    try {
      const { log, checkpointed } = this.#lengths.get()!
      if (log - checkpointed < worth) return
      this.#thread ??= this.#start()
      this.#copying = true
      this.#thread.postMessage('copy')
    } catch {
      // A database that is away is told by the commits that find it so.
    }
  }

  #start(): Worker {
    const thread = new Worker(new URL('./checkpointThread.ts', import.meta.url), { workerData: { file: this.#file } })
    thread.unref()
    thread.on('message', () => this.#copied())
    thread.on('error', (error) =>
      this.#log.warn({ err: error }, 'the write-ahead log could not be copied beside the commits; it is tried again'),
    )
    thread.once('exit', () => {
      this.#thread = null
      this.#copying = false
    })
    return thread
  }

  #copied(): void {
    this.#copying = false
    if (this.#closed) return
    try {
      this.#copyRest.get()
    } catch {
      // As above.
    }
  }
}
