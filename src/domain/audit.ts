import type { Instant } from './instant.ts'
import type { LedgerRow } from './ledger.ts'
import type { Occurrences } from './schedule.ts'

/** Both sides of a ledger, compared. Always planned = accounted + pending + missing - duplicated. */
export interface Tally {
  /** Instants that the ledger has an entry for, as often as it has one. */
  readonly accounted: number
  /** Planned instants that the planner has not come to, and that have no entry. */
  readonly pending: number
  /** Planned instants that the planner has passed, and that have no entry. */
  readonly missing: number
  /** Entries beyond the first of a planned instant, and entries for what no revision planned. */
  readonly duplicated: number
}

/** What an audit compares: the plan, and the first and last instant that it looks at. */
export interface AuditWindow {
  readonly planned: Occurrences
  /** Exclusive. */
  readonly after: Instant
  /** The planner's cursor: what comes after it is pending, not missing. */
  readonly decidedUntil: Instant
}

/**
 * Compares a ledger with its plan by sweeping both in the order of instants, so that a hole and a double are found where they would
 * cancel each other in a sum. The plan is asked by arithmetic, never enumerated.
 *
 * The ledger comes in slices, one after the other, each of them as it stood at one moment: between two slices it may grow, and rows may be
 * split or joined. So a row that reaches over the border of slices is taken at its word in those it passes through, and its count is
 * judged in the one where it ends.
 */
export class Sweep {
  readonly #planned: Occurrences
  readonly #decidedUntil: Instant
  /** Up to here slices are done. */
  #sliceAfter: Instant
  /** Up to here, itself included, every instant is either accounted for or was found missing. */
  #at: Instant
  #accounted = 0
  #pending = 0
  #missing = 0
  #duplicated = 0

  constructor({ planned, after, decidedUntil }: AuditWindow) {
    this.#planned = planned
    this.#decidedUntil = decidedUntil
    this.#sliceAfter = after
    this.#at = after
  }

  /** One row of the slice under way, which ends with `upTo`. Rows come in the order of their first instants. */
  add(row: Pick<LedgerRow, 'first' | 'last' | 'count' | 'counted'>, upTo: Instant): void {
    if (!row.counted) return
    const after = Math.max(row.first - 1, this.#sliceAfter)
    const last = Math.min(row.last, upTo)
    if (after > this.#at) this.#leave(this.#at, after)
    this.#accounted += this.#planned.count(after, last)
    if (after < this.#at) this.#duplicated += this.#planned.count(after, Math.min(this.#at, last))
    if (row.last <= upTo) this.#judge(row)
    this.#at = Math.max(this.#at, last)
  }

  /** The slice under way is over: between its last row and `upTo` there is none. */
  endSlice(upTo: Instant): void {
    if (upTo > this.#at) this.#leave(this.#at, upTo)
    this.#at = Math.max(this.#at, upTo)
    this.#sliceAfter = upTo
  }

  get tally(): Tally {
    return { accounted: this.#accounted, pending: this.#pending, missing: this.#missing, duplicated: this.#duplicated }
  }

  /** Whether a row's own figures fit the plan: it begins and ends with planned instants, and counts all from the one to the other. */
  #judge({ first, last, count }: Pick<LedgerRow, 'first' | 'last' | 'count'>): void {
    const planned = this.#planned.count(first - 1, last)
    const stray = last > first ? this.#unplanned(first) + this.#unplanned(last) : 0
    const surplus = count - stray - planned
    this.#accounted += count - planned
    this.#duplicated += stray + Math.max(surplus, 0)
    this.#missing += Math.max(-surplus, 0)
  }

  #unplanned(instant: Instant): 0 | 1 {
    return this.#planned.count(instant - 1, instant) === 0 ? 1 : 0
  }

  /** No entry lies in (after, upTo]. */
  #leave(after: Instant, upTo: Instant): void {
    this.#missing += this.#planned.count(after, Math.min(upTo, this.#decidedUntil))
    this.#pending += this.#planned.count(Math.max(after, this.#decidedUntil), upTo)
  }
}
