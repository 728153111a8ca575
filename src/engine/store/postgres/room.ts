import { type Instant, SECOND } from '../../../domain/instant.ts'
import type { Log } from '../../ports.ts'
import type { Consumer } from '../../queue/queue.ts'
import type { BegunAttempt, Claim } from '../store.ts'
import { isDatabaseAway } from './availability.ts'

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
  readonly #inDoubt: (claim: Claim) => void
  #consumer: Consumer | null = null
  #taken = 0
  #lastLease: Instant = 0

  /** `inDoubt`: called with each claim whose transaction failed for want of the database, and may have been committed all the same. */
  constructor(log: Log, inDoubt: (claim: Claim) => void) {
    this.#log = log
    this.#inDoubt = inDoubt
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
    const leaseUntil = this.#ownEnd(consumer.leaseUntil(now))
    const claim = { instanceId: consumer.instanceId, now, leaseUntil, handlers: consumer.handlers() }
    try {
      return await work({ claim, room })
    } catch (error) {
      if (isDatabaseAway(error)) this.#inDoubt(claim)
      throw error
    } finally {
      this.#taken -= room
    }
  }

  /** The end of a lease, moved on by a millisecond or a few where another claim has it: what a claim has begun is known by it. */
  #ownEnd(leaseUntil: Instant): Instant {
    const isNear = leaseUntil > this.#lastLease - SECOND && leaseUntil <= this.#lastLease
    this.#lastLease = isNear ? this.#lastLease + 1 : leaseUntil
    return this.#lastLease
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
