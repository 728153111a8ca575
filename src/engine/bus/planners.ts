import { type Milliseconds, SECOND } from '../../domain/instant.ts'
import type { Share } from '../store/postgres/shares.ts'

/** Whoever was not heard of for so long is not counted on any more. A little more than three beats. */
const SILENCE: Milliseconds = 3.5 * SECOND

/** The schedulers of a database, as far as this process has heard of them. */
export class Planners {
  readonly #self: string
  readonly #elapsed: () => number
  readonly #heard = new Map<string, number>()
  #plans = false

  /** `elapsed`: a clock that never jumps, in ms. */
  constructor(self: string, elapsed: () => number = () => performance.now()) {
    this.#self = self
    this.#elapsed = elapsed
  }

  /** Whether this process is one of them. */
  get plans(): boolean {
    return this.#plans
  }

  /** From now on this process is one of them. Answers whether that is news. */
  join(): boolean {
    const news = !this.#plans
    this.#plans = true
    return news
  }

  leave(): void {
    this.#plans = false
  }

  heard(id: string, plans: boolean): void {
    // One that was never heard of comes after some that never will be again: a process that does not ask for its share forgets them too.
    if (!this.#heard.has(id)) this.#forgetSilent()
    if (plans) this.#heard.set(id, this.#elapsed())
    else this.#heard.delete(id)
  }

  /** This process's share of the jobs: its place among them all, by id. */
  get share(): Share {
    this.#forgetSilent()
    const others = [...this.#heard.keys()]
    return { rank: others.filter((id) => id < this.#self).length, of: others.length + 1 }
  }

  #forgetSilent(): void {
    const now = this.#elapsed()
    for (const [id, at] of this.#heard) if (now - at > SILENCE) this.#heard.delete(id)
  }
}
