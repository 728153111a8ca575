import { type Instant, type Milliseconds, MINUTE, SECOND } from '../domain/instant.ts'
import type { RetentionRules } from '../domain/retention.ts'
import type { Store, SweepPlace } from '../engine/store/store.ts'

/** A round takes so long at most, in ms: it comes every other second. */
const LONGEST_ROUND = 800
/** Jobs that a round looks at: some 40 ms of work where nothing may go, and a million jobs in a quarter of an hour. */
const JOBS_OF_ROUND = 2_000
/** Sweeps begin no closer to each other. */
const BETWEEN_SWEEPS: Milliseconds = 10 * SECOND
/**
 * After a sweep there is rest for so many times the work that it was: to see that a job has no more runs than it may have, all of them are
 * counted, and with a thousand jobs of ten thousand runs that is seconds.
 */
const REST_TIMES = 20
const LONGEST_REST: Milliseconds = 5 * MINUTE
/** Rows of figures and events in one transaction: a few milliseconds. */
const BATCH = 100

export interface RetentionDeps {
  readonly store: Pick<Store, 'sweepJobs' | 'rollUpFigures' | 'removeJobEvents'>
  readonly rules: RetentionRules
  readonly now: () => Instant
  /** A clock that never jumps, in ms. */
  readonly elapsed?: () => number
}

/**
 * Removes what has had its time, a little at a time and behind everything else that the store has to do: one sweep after the other over
 * the jobs by id, each over many rounds if there are many jobs.
 */
export class Retention {
  readonly #deps: Required<RetentionDeps>
  /** Where the sweep under way goes on; null: none is. */
  #place: SweepPlace | null = null
  #begun: Instant = Number.NEGATIVE_INFINITY
  /** The work of the sweep that is under way, or was the last. */
  #work: Milliseconds = 0

  constructor({ elapsed = () => performance.now(), ...deps }: RetentionDeps) {
    this.#deps = { ...deps, elapsed }
  }

  /** One round. Answers how many rows went. */
  async runOnce(): Promise<number> {
    const { store, now, elapsed } = this.#deps
    const began = elapsed()
    const ends = began + LONGEST_ROUND
    const old = await this.#repeat(began + LONGEST_ROUND / 2, () => store.rollUpFigures(now(), BATCH))
    if (this.#place !== null) return old + (await this.#sweep(ends))
    // A clock that was turned back must not keep the next sweep waiting for it.
    const since = now() - this.#begun
    if (since >= 0 && since < this.#rest) return old
    this.#begun = now()
    this.#work = 0
    const events = await this.#repeat(ends, () => store.removeJobEvents(now(), BATCH))
    return old + events + (await this.#sweep(ends))
  }

  /** From the beginning of a sweep to that of the next. */
  get #rest(): Milliseconds {
    return Math.min(Math.max(BETWEEN_SWEEPS, REST_TIMES * this.#work), LONGEST_REST)
  }

  async #sweep(ends: number): Promise<number> {
    const { store, rules, now, elapsed } = this.#deps
    let removed = 0
    let jobs = 0
    do {
      const began = elapsed()
      const result = await store.sweepJobs({ rules, from: this.#place, now: now() })
      this.#work += elapsed() - began
      this.#place = result.next
      removed += result.removed
      jobs += result.jobs
      await turnOfTheLoop()
    } while (this.#place !== null && jobs < JOBS_OF_ROUND && elapsed() < ends)
    return removed
  }

  /** Does batches until one is not full or the time is over; answers the sum. */
  async #repeat(ends: number, batch: () => Promise<number>): Promise<number> {
    let sum = 0
    for (let done = BATCH; done === BATCH && this.#deps.elapsed() < ends; sum += done) {
      done = await batch()
      await turnOfTheLoop()
    }
    return sum
  }
}

function turnOfTheLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
