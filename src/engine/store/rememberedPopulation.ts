import type { Instant } from '../../domain/instant.ts'
import type { Population } from './figures.ts'

/** A count is good for so long, in ms: dashboards ask every second, and what is shown may be as old as what was just read. */
const GOOD_FOR = 2_000
/** Or for so many times what it took: counting a million jobs costs a twentieth of the time at most. */
const GOOD_FOR_TIMES = 20

/** What was counted, for all who ask within some seconds. Those who ask while it counts share what it finds. */
export class RememberedPopulation {
  readonly #count: (now: Instant) => Promise<Population>
  #counted: Promise<Population> | null = null
  #goodUntil = 0

  constructor(count: (now: Instant) => Promise<Population>) {
    this.#count = count
  }

  of(now: Instant): Promise<Population> {
    if (this.#counted === null || performance.now() >= this.#goodUntil) this.#begin(now)
    return this.#counted!
  }

  #begin(now: Instant): void {
    const began = performance.now()
    const counting = this.#count(now)
    this.#counted = counting
    this.#goodUntil = Number.POSITIVE_INFINITY
    counting.then(
      () => {
        const ended = performance.now()
        this.#goodUntil = ended + Math.max(GOOD_FOR, GOOD_FOR_TIMES * (ended - began))
      },
      () => {
        this.#counted = null
      },
    )
  }
}
