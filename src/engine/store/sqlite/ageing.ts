import type { Database } from 'better-sqlite3'
import { mergeHistogram, readHistogram, writeHistogram } from '../../../domain/histogram.ts'
import { HOUR, type Instant } from '../../../domain/instant.ts'
import { LEDGER_KEPT, MINUTES_KEPT } from '../../../domain/retention.ts'
import { ALL_JOBS, type Figures, type MinuteRecord } from './figures.ts'
import { prepare } from './statement.ts'
import { JOB_STREAM_FLOOR, type Marks } from './stream.ts'

interface MinuteRow extends MinuteRecord {
  readonly minute: Instant
  readonly jobId: string
  readonly instanceId: string
}
type HourRow = { -readonly [Name in keyof MinuteRecord]: MinuteRecord[Name] }

const COUNTS = 'succeeded, failed, "timedOut", cancelled, skipped, lag, duration'

function statements(db: Database) {
  return {
    oldestMinutes: prepare<[Instant, number], MinuteRow>(
      db,
      `SELECT minute, "jobId", "instanceId", ${COUNTS} FROM "JobMinute" WHERE minute < ? ORDER BY minute, "jobId", "instanceId" LIMIT ?`,
    ),
    removeMinute: prepare(db, 'DELETE FROM "JobMinute" WHERE minute = ? AND "jobId" = ? AND "instanceId" = ?'),
    jobExists: prepare<[string], { one: 1 }>(db, 'SELECT 1 AS one FROM "Job" WHERE id = ?'),
    hour: prepare<[string, Instant], HourRow>(db, `SELECT ${COUNTS} FROM "JobHour" WHERE "jobId" = ? AND hour = ?`),
    writeHour: prepare(
      db,
      `INSERT INTO "JobHour" ("jobId", hour, ${COUNTS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT ("jobId", hour) DO UPDATE SET succeeded = excluded.succeeded, failed = excluded.failed, "timedOut" = excluded."timedOut",
         cancelled = excluded.cancelled, skipped = excluded.skipped, lag = excluded.lag, duration = excluded.duration`,
    ),
    oldestEvents: prepare<[number], { cursor: number; at: Instant }>(
      db,
      'SELECT cursor, "at" FROM "JobEvent" WHERE cursor > 0 ORDER BY cursor LIMIT ?',
    ),
    removeEvents: prepare(db, 'DELETE FROM "JobEvent" WHERE cursor <= ?'),
  }
}

/** What grows old whichever job it is of: figures by the minute, and the commands on jobs. */
export class Ageing {
  readonly #sql
  readonly #marks: Marks
  readonly #figures: Figures

  constructor(db: Database, { marks, figures }: { readonly marks: Marks; readonly figures: Figures }) {
    this.#sql = statements(db)
    this.#marks = marks
    this.#figures = figures
  }

  /** Whether there are minutes to sum up. */
  hasOldMinutes(now: Instant): boolean {
    return this.#sql.oldestMinutes.get(cutOf(now), 1) !== undefined
  }

  /** Sums the oldest minutes up by the hour, at most `limit` rows, in the transaction under way; answers how many. Those of jobs that are gone are dropped. */
  rollUp(now: Instant, limit: number): number {
    const cut = cutOf(now)
    const rows = this.#sql.oldestMinutes.all(cut, limit)
    this.#figures.forgetBefore(cut)
    for (const [jobId, ofJob] of Map.groupBy(rows, ({ jobId }) => jobId)) {
      if (jobId !== ALL_JOBS && this.#sql.jobExists.get(jobId) === undefined) continue
      for (const [hour, ofHour] of Map.groupBy(ofJob, ({ minute }) => Math.floor(minute / HOUR) * HOUR)) this.#addTo(jobId, hour, ofHour)
    }
    for (const { minute, jobId, instanceId } of rows) this.#sql.removeMinute.run(minute, jobId, instanceId)
    return rows.length
  }

  /** Removes the oldest commands on jobs, at most `limit`, in the transaction under way; answers how many. */
  removeEvents(now: Instant, limit: number): number {
    const events = this.#sql.oldestEvents.all(limit)
    const young = events.findIndex(({ at }) => at >= now - LEDGER_KEPT)
    const old = young === -1 ? events : events.slice(0, young)
    const last = old.at(-1)
    if (last === undefined) return 0
    this.#sql.removeEvents.run(last.cursor)
    this.#marks.raise(JOB_STREAM_FLOOR, last.cursor)
    return old.length
  }

  #addTo(jobId: string, hour: Instant, rows: readonly MinuteRow[]): void {
    const known = this.#sql.hour.get(jobId, hour)
    const all: readonly MinuteRecord[] = known === undefined ? rows : [known, ...rows]
    const sum = (name: 'succeeded' | 'failed' | 'timedOut' | 'cancelled' | 'skipped') => all.reduce((total, row) => total + row[name], 0)
    const merged = (name: 'lag' | 'duration') => {
      const histogram = new Map<number, number>()
      for (const row of all) mergeHistogram(histogram, readHistogram(row[name]))
      return writeHistogram(histogram)
    }
    this.#sql.writeHour.run(
      jobId,
      hour,
      sum('succeeded'),
      sum('failed'),
      sum('timedOut'),
      sum('cancelled'),
      sum('skipped'),
      merged('lag'),
      merged('duration'),
    )
  }
}

/** Whole hours, so that a window that begins in the last week finds all of its minutes. */
function cutOf(now: Instant): Instant {
  return Math.floor((now - MINUTES_KEPT) / HOUR) * HOUR
}
