import type { Database } from 'better-sqlite3'
import { mergeHistogram, readHistogram } from '../../../domain/histogram.ts'
import { HOUR, type Instant, MINUTE } from '../../../domain/instant.ts'
import type { Figures, FiguresQuery } from '../store.ts'
import { ALL_JOBS, type MinuteRecord } from './figures.ts'
import { prepare } from './statement.ts'
import type { Turns } from './turns.ts'

/** Time that a slice takes, in ms: it ends with the hour that exceeds it. */
const SLICE_TIME = 2

const COLUMNS = 'succeeded, failed, "timedOut", cancelled, skipped, lag, duration'

function statements(db: Database) {
  return {
    minute: prepare<[Instant, string], MinuteRecord>(db, `SELECT ${COLUMNS} FROM "JobMinute" WHERE minute = ? AND "jobId" = ?`),
    hour: prepare<[string, Instant], MinuteRecord>(db, `SELECT ${COLUMNS} FROM "JobHour" WHERE "jobId" = ? AND hour = ?`),
    firstMinute: prepare<[], { minute: Instant | null }>(db, 'SELECT min(minute) AS minute FROM "JobMinute"'),
  }
}

type Sums = { -readonly [Name in keyof Figures]: Figures[Name] }

/** The verb `figures`. */
export class FigureReads {
  readonly #sql
  readonly #turns: Turns

  constructor(db: Database, turns: Turns) {
    this.#sql = statements(db)
    this.#turns = turns
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
    for (let hour = from; hour <= query.to; hour += HOUR) {
      if (performance.now() - began > SLICE_TIME) return hour
      this.#addHour(query, buckets, hour)
    }
    return null
  }

  /** An hour's minutes and what became of them are read in one turn: minutes that grow old while we read are counted once. */
  #addHour({ jobId, from, to, buckets: count }: FiguresQuery, buckets: readonly Sums[], hour: Instant): void {
    const id = jobId ?? ALL_JOBS
    const bucketOf = (at: Instant) =>
      buckets[Math.min(count - 1, Math.floor(((Math.max(at, from) - from) * count) / Math.max(1, to - from)))]!
    const old = this.#sql.hour.get(id, hour)
    if (old !== undefined) add(bucketOf(hour), old)
    const firstKept = this.#sql.firstMinute.get()!.minute ?? Number.POSITIVE_INFINITY
    const last = Math.min(hour + HOUR - MINUTE, to)
    for (let minute = Math.max(hour, startOf(from, MINUTE), firstKept); minute <= last; minute += MINUTE)
      for (const row of this.#sql.minute.all(minute, id)) add(bucketOf(minute), row)
  }
}

function startOf(instant: Instant, unit: number): Instant {
  return Math.floor(instant / unit) * unit
}

function newSums(): Sums {
  return { succeeded: 0, failed: 0, timedOut: 0, cancelled: 0, skipped: 0, lag: new Map(), duration: new Map() }
}

export function add(sums: Sums, row: MinuteRecord): void {
  sums.succeeded += row.succeeded
  sums.failed += row.failed
  sums.timedOut += row.timedOut
  sums.cancelled += row.cancelled
  sums.skipped += row.skipped
  mergeHistogram(sums.lag, readHistogram(row.lag))
  mergeHistogram(sums.duration, readHistogram(row.duration))
}
