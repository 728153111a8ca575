import { type Instant, MINUTE, type Milliseconds, SECOND } from '../../domain/instant.ts'
import type { Bus } from '../bus/bus.ts'
import type { Log } from '../ports.ts'
import type { Consumer } from './queue.ts'
import type { RunStarter } from './starter.ts'

/** Backs the hints: whatever was overheard is found so much later at most. */
const POLL: Milliseconds = 5 * SECOND
/** A wait is cut into pieces of this length, and the clock is looked at again: clocks jump. */
const LONGEST_TIMER: Milliseconds = MINUTE

export interface LookoutOptions {
  readonly store: RunStarter
  readonly bus: Bus
  readonly log: Log
  readonly now: () => Instant
}

/**
 * Looks for runs that may start and brings them to the worker of this process. The QUEUED rows are the queue; most runs never wait in it:
 * they begin in the commit of their plan. The others are looked for when something says that looking pays: a hint, a ring, room in the
 * worker, the end of a wait, and every few seconds all the same.
 *
 *   idle ─ hint, pull, ring, timer, poll ─→ looking ─ found as many as there was room for → looks again
 *    ↑                                          └──── found fewer: after a look for all, sets the timer to the end of the next wait
 *    └──────────────────────────────────────────┘     (asked meanwhile: looks again first)
 *
 * Never more than one look at a time. A look that fails is logged; the poll is the next.
 */
export class Lookout {
  readonly #options: LookoutOptions
  #consumer: Consumer | null = null
  #looking: Promise<void> | null = null
  /** So many runs were spoken of since the last look began; after a pull, all there are. */
  #wanted = 0
  #timer: NodeJS.Timeout | undefined
  /** When the next wait ends, as far as it is known. */
  #waitsUntil: Instant | null = null
  #poll: NodeJS.Timeout | undefined
  #unsubscribe = () => {}

  constructor(options: LookoutOptions) {
    this.#options = options
  }

  start(consumer: Consumer): void {
    this.#consumer = consumer
    this.#options.store.attach(consumer)
    this.#unsubscribe = this.#options.bus.subscribe((hint) => {
      if (hint.kind === 'runs') this.pull()
    })
    this.#poll = setInterval(() => this.pull(), POLL)
    this.pull()
  }

  /** Looks for as many as there is room for. */
  pull(): void {
    void this.look(Number.POSITIVE_INFINITY)
  }

  /** Looks for up to `count` more. Resolves after a look that began after this call. Never rejects. */
  async look(count: number): Promise<void> {
    if (this.#consumer === null) return
    this.#wanted += count
    // One that is under way looks on, as long as something is wanted.
    this.#looking ??= this.#lookOn().finally(() => {
      this.#looking = null
      // Asked between the last look and this moment.
      if (this.#wanted > 0) this.pull()
    })
    await this.#looking
  }

  async stop(): Promise<void> {
    this.#consumer = null
    clearTimeout(this.#timer)
    clearInterval(this.#poll)
    this.#unsubscribe()
    await this.#looking
    this.#options.store.detach()
  }

  async #lookOn(): Promise<void> {
    try {
      while (this.#wanted > 0 && this.#consumer !== null) {
        const wanted = this.#wanted
        this.#wanted = 0
        await this.#lookFor(wanted)
      }
    } catch (error) {
      this.#options.log.error({ err: error, retryInMs: POLL }, 'waiting runs could not be started; trying again')
    }
    this.#wanted = 0
  }

  async #lookFor(wanted: number): Promise<void> {
    const { store, now } = this.#options
    let lookedAt = now()
    // A wait that has ended by now has its own claim to be looked for, beside what a ring spoke of.
    let left = this.#waitsUntil !== null && this.#waitsUntil <= lookedAt ? Number.POSITIVE_INFINITY : wanted
    const all = left === Number.POSITIVE_INFINITY
    for (let begun = -1; begun !== 0 && left > 0 && this.#consumer !== null; left -= begun) {
      lookedAt = now()
      begun = await store.beginForConsumer(lookedAt, left)
    }
    // Without room nobody waits for an instant: whoever makes room calls pull().
    if (all && this.#wanted === 0 && this.#consumer !== null && this.#consumer.free() > 0) await this.#waitForNext(lookedAt)
  }

  async #waitForNext(lookedAt: Instant): Promise<void> {
    const { store, now } = this.#options
    const next = await store.nextReadyAt(lookedAt)
    clearTimeout(this.#timer)
    this.#waitsUntil = next
    // What was ready at the last look and did not begin waits for room or its handler.
    if (this.#consumer === null || next === null) return
    this.#timer = setTimeout(() => this.pull(), Math.min(Math.max(next - now(), 0), LONGEST_TIMER))
  }
}
