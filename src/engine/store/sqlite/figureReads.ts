import type { Database } from 'better-sqlite3'
import { mergeWritten } from '../../../domain/histogram.ts'
import { HOUR, type Instant, MINUTE } from '../../../domain/instant.ts'
import type { Figures, FiguresQuery } from '../store.ts'
import { ALL_JOBS, FIGURE_COLUMNS, type MinuteRecord } from '../minutes.ts'
import type { SummedFigures } from './ageing.ts'
import { prepare } from './statement.ts'
import { MINUTES_BEGIN } from './stream.ts'
import type { Turns } from './turns.ts'

/** Time that a slice takes, in ms: it ends with the hour that exceeds it. */
const SLICE_TIME = 2

function statements(db: Database) {
  return {
    minute: prepare<[Instant, string], MinuteRecord>(db, `SELECT ${FIGURE_COLUMNS} FROM "JobMinute" WHERE minute = ? AND "jobId" = ?`),
    hour: prepare<[string, Instant], MinuteRecord>(db, `SELECT ${FIGURE_COLUMNS} FROM "JobHour" WHERE "jobId" = ? AND hour = ?`),
    minutesBegin: prepare<[], { value: string }>(db, `SELECT value FROM "Setting" WHERE name = '${MINUTES_BEGIN}'`),
    firstMinute: prepare<[], { minute: Instant | null }>(db, 'SELECT min(minute) AS minute FROM "JobMinute"'),
  }
}

type Sums = { -readonly [Name in keyof Figures]: Figures[Name] }

/** The verb `figures`. Hours that fit into a bucket are read as such, once they are summed up: a day is some 150 rows, not 1,440. */
export class FigureReads {
  readonly #sql
  readonly #summed: SummedFigures
  readonly #turns: Turns

  constructor(db: Database, parts: { readonly summed: SummedFigures; readonly turns: Turns }) {
    this.#sql = statements(db)
    this.#summed = parts.summed
    this.#turns = parts.turns
  }

  async of(query: FiguresQuery): Promise<readonly Figures[]> {
    const buckets = Array.from({ length: query.buckets }, newSums)
    let next: Instant | null = startOf(query.from, HOUR)
    while (next !== null) {
      const hour: Instant = next
      next = await this.#turns.take(() => this.#slice(query, buckets, hour))
    }
    return buckets
  }

  /** Adds hours from this one on; answers where to go on, or null after the last. */
  #slice(query: FiguresQuery, buckets: readonly Sums[], from: Instant): Instant | null {
    const began = performance.now()
    const kept: Kept = {
      summedUpTo: this.#summed.upTo(),
      minutesBegin: Number(this.#sql.minutesBegin.get()?.value ?? 0),
      firstMinute: this.#sql.firstMinute.get()!.minute ?? Number.POSITIVE_INFINITY,
    }
    for (let hour = from; hour <= query.to; hour += HOUR) {
      if (performance.now() - began > SLICE_TIME) return hour
      this.#addHour(query, buckets, hour, kept)
    }
    return null
  }

  #addHour({ jobId, from, to, buckets: count }: FiguresQuery, buckets: readonly Sums[], hour: Instant, kept: Kept): void {
    const id = jobId ?? ALL_JOBS
    const placeOf = (at: Instant) => Math.min(count - 1, Math.floor(((Math.max(at, from) - from) * count) / Math.max(1, to - from)))
    const last = hour + HOUR - MINUTE
    const fits = hour >= from && last <= to && placeOf(hour) === placeOf(last)
    if (last < kept.summedUpTo && (fits || hour < kept.minutesBegin)) {
      const row = this.#sql.hour.get(id, hour)
      if (row !== undefined) add(buckets[placeOf(hour)]!, row)
      return
    }
    const first = Math.max(hour, startOf(from, MINUTE), kept.firstMinute)
    for (let minute = first; minute <= Math.min(last, to); minute += MINUTE)
      for (const row of this.#sql.minute.all(minute, id)) add(buckets[placeOf(minute)]!, row)
  }
}

/** What there is, as it stands in the slice under way. */
interface Kept {
  /** Hours before this one are whole. */
  readonly summedUpTo: Instant
  /** Minutes before this one may be gone. */
  readonly minutesBegin: Instant
  readonly firstMinute: Instant
}

function startOf(instant: Instant, unit: number): Instant {
  return Math.floor(instant / unit) * unit
}

function newSums(): Sums {
  return { succeeded: 0, failed: 0, timedOut: 0, cancelled: 0, skipped: 0, lag: new Map(), duration: new Map() }
}

function add(sums: Sums, row: MinuteRecord): void {
  sums.succeeded += row.succeeded
  sums.failed += row.failed
  sums.timedOut += row.timedOut
  sums.cancelled += row.cancelled
  sums.skipped += row.skipped
  mergeWritten(sums.lag, row.lag)
  mergeWritten(sums.duration, row.duration)
}
