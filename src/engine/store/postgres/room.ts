import type { Instant } from '../../../domain/instant.ts'
import type { Log } from '../../ports.ts'
import type { Consumer } from '../../queue/queue.ts'
import type { BegunAttempt, Claim } from '../store.ts'

/** Attempts begun in one transaction. */
const BEGUN_AT_ONCE = 500

/** For whom a transaction may begin runs, and how many. */
export interface Starting {
  readonly claim: Claim
  readonly room: number
}

/**
 * The room of this process's worker. Several transactions that begin runs are under way at once, and what they begin is delivered after
 * their commits: each takes its room before it starts, and gives it back when its attempts are delivered or it failed.
 */
export class Room {
  readonly #log: Log
  #consumer: Consumer | null = null
  #taken = 0

  constructor(log: Log) {
    this.#log = log
  }

  attach(consumer: Consumer): void {
    this.#consumer = consumer
  }

  detach(): void {
    this.#consumer = null
  }

  /** Runs `work` with room for up to `limit` attempts; null: there is no worker. What it begins is delivered before the room is given back. */
  async take<T>(now: Instant, limit: number, work: (starting: Starting | null) => Promise<T>): Promise<T> {
    const consumer = this.#consumer
    if (consumer === null) return work(null)
    const room = Math.max(0, Math.min(BEGUN_AT_ONCE, limit, consumer.free() - this.#taken))
    this.#taken += room
    try {
      const claim = { instanceId: consumer.instanceId, now, leaseUntil: consumer.leaseUntil(now), handlers: consumer.handlers() }
      return await work({ claim, room })
    } finally {
      this.#taken -= room
    }
  }

  /** A worker that is gone, or breaks its word, has its attempts recovered like those of a process that died. */
  deliver(begun: readonly BegunAttempt[]): void {
    if (begun.length === 0) return
    try {
      if (this.#consumer !== null) this.#consumer.deliver(begun)
      else this.#log.warn({ attempts: begun.length }, 'attempts began for a worker that is gone; they are recovered')
    } catch (error) {
      this.#log.error({ err: error, attempts: begun.length }, 'the worker did not take attempts that began; they are recovered')
    }
  }
}
