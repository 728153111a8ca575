import type { Database } from 'better-sqlite3'
import { HOUR, type Instant, MINUTE } from '../../../domain/instant.ts'
import { MINUTES_BEGIN } from '../settings.ts'
import type { Figures, FiguresQuery } from '../store.ts'
import { FigureBuckets, type KeptFigures, startOf } from '../summing.ts'
import { ALL_JOBS, FIGURE_COLUMNS, type MinuteRecord } from '../minutes.ts'
import type { SummedFigures } from './ageing.ts'
import { prepare } from './statement.ts'
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
    const buckets = new FigureBuckets(query)
    let next: Instant | null = startOf(query.from, HOUR)
    while (next !== null) {
      const hour: Instant = next
      next = await this.#turns.take(() => this.#slice(query, buckets, hour))
    }
    return buckets.all
  }

  /** Adds hours from this one on; answers where to go on, or null after the last. */
  #slice(query: FiguresQuery, buckets: FigureBuckets, from: Instant): Instant | null {
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

  #addHour({ jobId, from, to }: FiguresQuery, buckets: FigureBuckets, hour: Instant, kept: Kept): void {
    const id = jobId ?? ALL_JOBS
    if (buckets.readsHour(hour, kept)) {
      const row = this.#sql.hour.get(id, hour)
      if (row !== undefined) buckets.add(hour, row)
      return
    }
    const first = Math.max(hour, startOf(from, MINUTE), kept.firstMinute)
    for (let minute = first; minute <= Math.min(hour + HOUR - MINUTE, to); minute += MINUTE)
      for (const row of this.#sql.minute.all(minute, id)) buckets.add(minute, row)
  }
}

/** What there is, as it stands in the slice under way. */
interface Kept extends KeptFigures {
  readonly firstMinute: Instant
}
