import { EventEmitter } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Logger, type Runner, run, type WorkerEvents, type WorkerPool } from 'graphile-worker'
import type pg from 'pg'
import { type Milliseconds, SECOND } from '../../domain/instant.ts'
import type { Log } from '../ports.ts'
import { closePool } from '../store/postgres/pool.ts'
import { RING, type RingPayload } from '../store/postgres/rings.ts'

/** Rings that are heard at once. A ring is heard to its end in a few milliseconds, so that few are enough, and what others could hear is not hoarded. */
const AT_ONCE = 4
/** Rings whose end is told to the database at once. */
const COMPLETE_WITHIN: Milliseconds = 50
/** Backs the notifications of new rings. */
const POLL: Milliseconds = 2 * SECOND
const FIRST_BACKOFF: Milliseconds = 100
const LONGEST_BACKOFF: Milliseconds = 5 * SECOND
/** One that went so long without trouble begins anew with its backoff. */
const CALM: Milliseconds = 10 * SECOND
/** A database that does not answer is not waited for when it stops. */
const STOP_WITHIN: Milliseconds = 3 * SECOND

export interface DoorbellOptions {
  readonly instanceId: string
  readonly openPool: (max: number) => pg.Pool
  /** Resolves when the ring has been heard; never rejects. */
  readonly ring: (runIds: readonly string[]) => Promise<void>
  readonly log: Log
}

/**
 * Hears the rings that graphile-worker hands to this process. Its runner ends itself when it cannot store something, and listens again
 * with a patience of up to a minute; here each one that meets trouble is put away with its connections, and another takes its place.
 *
 *   run ─ ends by itself, or stops listening ─→ put away ─ backoff ─→ run …
 *
 * A ring that is lost meanwhile costs nothing but time: the queue looks by itself every few seconds.
 */
export class Doorbell {
  readonly #options: DoorbellOptions
  readonly #stopped = new AbortController()
  #loop: Promise<void> = Promise.resolve()

  constructor(options: DoorbellOptions) {
    this.#options = options
  }

  start(): void {
    this.#loop = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#loop
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped
    let backoff = FIRST_BACKOFF
    while (!signal.aborted) {
      const began = performance.now()
      const trouble = await this.#hearOnce()
      if (signal.aborted) break
      if (performance.now() - began > CALM) backoff = FIRST_BACKOFF
      // Said once: what is said again at every attempt helps nobody.
      if (backoff === FIRST_BACKOFF) this.#options.log.warn({ err: trouble }, 'rings are not heard; trying again until they are')
      await sleep(backoff * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {})
      backoff = Math.min(backoff * 2, LONGEST_BACKOFF)
    }
  }

  /** Hears until there is trouble, which it answers, or until it is stopped. */
  async #hearOnce(): Promise<unknown> {
    const { signal } = this.#stopped
    const { events, troubled } = this.#events()
    const pool = this.#options.openPool(AT_ONCE)
    const runner = this.#runner(pool, events)
    const ended = runner.then(({ promise }) => promise)
    const over = new AbortController()
    try {
      return await Promise.race([ended, troubled, aborted(signal, over.signal)])
    } catch (error) {
      return error
    } finally {
      over.abort()
      // All that it still says is about a database that is known to be away, or about its end.
      events.emit('put away')
      await Promise.race([runner.then((it) => it.stop()).catch(() => {}), sleep(STOP_WITHIN, undefined, { ref: false })])
      await closePool(pool, SECOND)
    }
  }

  #events(): { readonly events: EventEmitter; readonly troubled: Promise<unknown> } {
    const events = new EventEmitter()
    // Locks of rings carry the name of the process, so that they can be freed when it is known to be dead.
    events.on('pool:create', ({ workerPool }: { workerPool: WorkerPool }) => {
      Object.assign(workerPool, { id: this.#options.instanceId })
    })
    const troubled = new Promise<unknown>((resolve) => {
      events.on('pool:listen:error', ({ error }: { error: unknown }) => resolve(error))
    })
    return { events, troubled }
  }

  #runner(pgPool: pg.Pool, events: EventEmitter): Promise<Runner> {
    const putAway = new Promise<void>((resolve) => events.once('put away', resolve))
    return run({
      pgPool,
      events: events as WorkerEvents,
      noHandleSignals: true,
      concurrency: AT_ONCE,
      pollInterval: POLL,
      logger: this.#logger(events),
      parsedCronItems: [],
      // A ring that waits for a database which does not answer must not keep the runner from its end.
      taskList: { [RING]: (payload) => Promise.race([this.#options.ring(runIdsOf(payload)), putAway]) },
      // No local queue: a ring is locked only while it is heard, so that no process hoards any. That of graphile-worker 0.18 rejects where
      // nobody listens when the database goes away while rings are given back, which would end the process.
      preset: { worker: { completeJobBatchDelay: COMPLETE_WITHIN, failJobBatchDelay: COMPLETE_WITHIN } },
    })
  }

  #logger(events: EventEmitter): Logger {
    const { log } = this.#options
    let over = false
    events.once('put away', () => {
      over = true
    })
    return new Logger(() => (level, message, meta) => {
      if (over || (level !== 'error' && level !== 'warning')) return
      const { error: err } = meta ?? {}
      log.warn({ err, said: message }, 'the queue of rings met trouble')
    })
  }
}

function runIdsOf(payload: unknown): readonly string[] {
  const { runIds } = (payload ?? {}) as Partial<RingPayload>
  return Array.isArray(runIds) ? runIds : []
}

/** Listens no longer than until `over`: a signal that is never given would keep everybody who ever waited for it. */
function aborted(signal: AbortSignal, over: AbortSignal): Promise<null> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(null)
    else signal.addEventListener('abort', () => resolve(null), { once: true, signal: over })
  })
}
