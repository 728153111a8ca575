import { mergeWritten } from '../../domain/histogram.ts'
import { HOUR, type Instant, MINUTE } from '../../domain/instant.ts'
import { MINUTES_KEPT } from '../../domain/retention.ts'
import type { Figures, FiguresQuery } from './figures.ts'
import { type CountedFigures, type MinuteRecord, noFigures } from './minutes.ts'

// Figures by the minute are summed up by the hour once that is over. What both stores do with them beside their statements.

/** The last row that was added to its hour. */
export interface Summed {
  readonly minute: Instant
  readonly jobId: string
  readonly instanceId: string
}

/** A minute may be written late: its hour is summed up when it has been over for so long. */
const GRACE = 5 * MINUTE

export const NOTHING_SUMMED: Summed = { minute: 0, jobId: '', instanceId: '' }

/** Minutes before this one can be added to their hours. */
export function summableUntil(now: Instant): Instant {
  return startOf(now - GRACE, HOUR)
}

/** Whether minutes before this one are summed up by now, or may be before a transaction that writes to them has been committed. */
export function summedPerhapsUntil(now: Instant): Instant {
  return startOf(now - GRACE / 2, HOUR)
}

/** Minutes before this one are too old, once they are summed up. */
export function minutesKeptFrom(now: Instant, summed: Summed): Instant {
  return Math.min(startOf(now - MINUTES_KEPT, HOUR), startOf(summed.minute, HOUR))
}

export function startOf(instant: Instant, unit: number): Instant {
  return Math.floor(instant / unit) * unit
}

export function addRecord(sums: CountedFigures, row: MinuteRecord): void {
  sums.succeeded += row.succeeded
  sums.failed += row.failed
  sums.timedOut += row.timedOut
  sums.cancelled += row.cancelled
  sums.skipped += row.skipped
  mergeWritten(sums.lag, row.lag)
  mergeWritten(sums.duration, row.duration)
}

/** What there is to read. */
export interface KeptFigures {
  /** Hours before this one are whole. */
  readonly summedUpTo: Instant
  /** Minutes before this one may be gone. */
  readonly minutesBegin: Instant
}

/** Into which bucket of a query the figures of an instant go, and from which rows they are read. */
export class FigureBuckets {
  readonly #query: FiguresQuery
  readonly #buckets: CountedFigures[]

  constructor(query: FiguresQuery) {
    this.#query = query
    this.#buckets = Array.from({ length: query.buckets }, noFigures)
  }

  get all(): readonly Figures[] {
    return this.#buckets
  }

  add(at: Instant, row: MinuteRecord): void {
    addRecord(this.#buckets[this.#placeOf(at)]!, row)
  }

  /** An hour is read as such when it is whole and fits into a bucket, or when its minutes may be gone. */
  readsHour(hour: Instant, { summedUpTo, minutesBegin }: KeptFigures): boolean {
    const { from, to } = this.#query
    const last = hour + HOUR - MINUTE
    const fits = hour >= from && last <= to && this.#placeOf(hour) === this.#placeOf(last)
    return last < summedUpTo && (fits || hour < minutesBegin)
  }

  /** What counts before the beginning does so in the first bucket. */
  #placeOf(at: Instant): number {
    const { from, to, buckets } = this.#query
    return Math.min(buckets - 1, Math.floor(((Math.max(at, from) - from) * buckets) / Math.max(1, to - from)))
  }
}
