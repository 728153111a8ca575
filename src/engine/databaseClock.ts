import type { Instant, Milliseconds } from '../domain/instant.ts'
import type { Clock } from './ports.ts'

/** Clocks of machines drift apart by less than this, in ms a ms. */
const DRIFT = 0.0001
/** Clocks that agree so closely are left alone: what is measured of them is mostly the way to the database. */
const AGREE: Milliseconds = 2

/** The clock of this process that never jumps, as an instant with fractions. */
const steady = (): number => performance.timeOrigin + performance.now()

/**
 * This machine's clocks, corrected to that of the database: then all processes mean the same by "now", wherever they run. Measured with
 * every beat of the connection: the database read its clock at some moment between question and answer, so the middle of the two is
 * wrong by half of the time between them at most.
 */
export class DatabaseClock implements Clock {
  readonly #wall = new Offset()
  readonly #steady = new Offset()

  now(): Instant {
    return Date.now() + this.#wall.applied
  }

  leaseNow(): Instant {
    return Math.round(steady()) + this.#steady.applied
  }

  skew(): Milliseconds | null {
    return this.#wall.measured === null ? null : Math.round(-this.#wall.measured)
  }

  /** Asks the database for its time, in ms, once. */
  async measure(ask: () => Promise<number>): Promise<void> {
    const asked = steady()
    const there = await ask()
    const answered = steady()
    const doubt = (answered - asked) / 2
    this.#steady.take(there - (asked + doubt), doubt, answered)
    // Date.now() cuts off the fraction of its millisecond.
    this.#wall.take(there - (Date.now() + 0.5 - doubt), doubt + 0.5, answered)
  }
}

/** How far one clock is behind another: the surest of all measurements, until one shows that a clock was set. */
class Offset {
  #value: number | null = null
  #doubt = 0
  #at = 0

  get measured(): number | null {
    return this.#value
  }

  get applied(): number {
    return this.#value === null || Math.abs(this.#value) <= Math.max(AGREE, this.#doubt) ? 0 : Math.round(this.#value)
  }

  take(value: number, doubt: number, at: number): void {
    const grown = this.#doubt + (at - this.#at) * DRIFT
    const contradicts = this.#value !== null && Math.abs(value - this.#value) > doubt + grown
    if (this.#value !== null && doubt > grown && !contradicts) return
    this.#value = value
    this.#doubt = doubt
    this.#at = at
  }
}
