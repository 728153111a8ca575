import { type Instant, type Milliseconds, SECOND } from '../domain/instant.ts'
import type { RetentionRules } from '../domain/retention.ts'
import type { Store, SweepPlace } from '../engine/store/store.ts'

/** A round takes so long at most, in ms: it comes every other second. */
const LONGEST_ROUND = 800
/** Jobs that a round looks at: some 40 ms of work where nothing may go, and a million jobs in a quarter of an hour. */
const JOBS_OF_ROUND = 2_000
/** Sweeps begin no closer to each other. */
const BETWEEN_SWEEPS: Milliseconds = 10 * SECOND
/** Rows of figures and events in one transaction: a few milliseconds. */
const BATCH = 100

export interface RetentionDeps {
  readonly store: Pick<Store, 'sweepJobs' | 'rollUpFigures' | 'removeJobEvents'>
  readonly rules: RetentionRules
  readonly now: () => Instant
}

/**
 * Removes what has had its time, a little at a time and behind everything else that the store has to do: one sweep after the other over
 * the jobs by id, each over many rounds if there are many jobs.
 */
export class Retention {
  readonly #deps: RetentionDeps
  /** Where the sweep under way goes on; null: none is. */
  #place: SweepPlace | null = null
  #begun: Instant = Number.NEGATIVE_INFINITY

  constructor(deps: RetentionDeps) {
    this.#deps = deps
  }

  /** One round. Answers how many rows went. */
  async runOnce(): Promise<number> {
    const { store, now } = this.#deps
    const began = performance.now()
    const ends = began + LONGEST_ROUND
    const old = await repeat(began + LONGEST_ROUND / 2, () => store.rollUpFigures(now(), BATCH))
    if (this.#place !== null) return old + (await this.#sweep(ends))
    // A clock that was turned back must not keep the next sweep waiting for it.
    const since = now() - this.#begun
    if (since >= 0 && since < BETWEEN_SWEEPS) return old
    this.#begun = now()
    const events = await repeat(ends, () => store.removeJobEvents(now(), BATCH))
    return old + events + (await this.#sweep(ends))
  }

  async #sweep(ends: number): Promise<number> {
    const { store, rules, now } = this.#deps
    let removed = 0
    let jobs = 0
    do {
      const result = await store.sweepJobs({ rules, from: this.#place, now: now() })
      this.#place = result.next
      removed += result.removed
      jobs += result.jobs
      await turnOfTheLoop()
    } while (this.#place !== null && jobs < JOBS_OF_ROUND && performance.now() < ends)
    return removed
  }
}

/** Does batches until one is not full or the time is over; answers the sum. */
async function repeat(ends: number, batch: () => Promise<number>): Promise<number> {
  let sum = 0
  for (let done = BATCH; done === BATCH && performance.now() < ends; sum += done) {
    done = await batch()
    await turnOfTheLoop()
  }
  return sum
}

function turnOfTheLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
