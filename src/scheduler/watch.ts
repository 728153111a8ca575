import type { Instant, Milliseconds } from '../domain/instant.ts'
import { renewalInterval } from '../engine/store/store.ts'

/**
 * Since when this process has seen, without a break, what others write. A database that was away, or a process that was frozen, leaves a
 * time in which nobody could say that he lives, or nobody heard it: whoever judges others by their silence begins anew after it.
 */
export class Watch {
  readonly #longestBreak: Milliseconds
  #since: Instant = Number.POSITIVE_INFINITY
  #last: Instant = Number.NEGATIVE_INFINITY

  /** A break that is no longer than this ends no lease: each is prolonged for its whole length every third of it. */
  constructor(lease: Milliseconds) {
    this.#longestBreak = lease - renewalInterval(lease)
  }

  /** To be called after every look that the database answered. Answers for how long there was no break. */
  looked(moment: Instant): Milliseconds {
    const broken = moment < this.#last || moment - this.#last > this.#longestBreak
    if (broken) this.#since = moment
    this.#last = moment
    return moment - this.#since
  }
}
