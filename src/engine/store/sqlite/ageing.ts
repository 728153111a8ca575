import type { Database } from 'better-sqlite3'
import { writeHistogram } from '../../../domain/histogram.ts'
import { HOUR, type Instant } from '../../../domain/instant.ts'
import { LEDGER_KEPT } from '../../../domain/retention.ts'
import { ALL_JOBS, FIGURE_COLUMNS, type MinuteRecord, noFigures } from '../minutes.ts'
import { FIGURES_SUMMED, JOB_STREAM_FLOOR, MINUTES_BEGIN } from '../settings.ts'
import { addRecord, minutesKeptFrom, NOTHING_SUMMED, type Summed, startOf, summableUntil } from '../summing.ts'
import type { Figures } from './figures.ts'
import { prepare } from './statement.ts'
import type { Marks } from './stream.ts'

interface MinuteRow extends MinuteRecord, Summed {}

function statements(db: Database) {
  return {
    minutesAfter: prepare<[Instant, string, string, Instant, number], MinuteRow>(
      db,
      `SELECT minute, "jobId", "instanceId", ${FIGURE_COLUMNS} FROM "JobMinute"
       WHERE (minute, "jobId", "instanceId") > (?, ?, ?) AND minute < ? ORDER BY minute, "jobId", "instanceId" LIMIT ?`,
    ),
    setSummed: prepare(
      db,
      `INSERT INTO "Setting" (name, value) VALUES ('${FIGURES_SUMMED}', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
    ),
    anyBefore: prepare<[Instant], { one: 1 }>(db, 'SELECT 1 AS one FROM "JobMinute" WHERE minute < ? LIMIT 1'),
    removeMinutes: prepare(
      db,
      'DELETE FROM "JobMinute" WHERE rowid IN (SELECT rowid FROM "JobMinute" WHERE minute < ? ORDER BY minute LIMIT ?)',
    ),
    jobExists: prepare<[string], { one: 1 }>(db, 'SELECT 1 AS one FROM "Job" WHERE id = ?'),
    hour: prepare<[string, Instant], MinuteRecord>(db, `SELECT ${FIGURE_COLUMNS} FROM "JobHour" WHERE "jobId" = ? AND hour = ?`),
    writeHour: prepare(
      db,
      `INSERT INTO "JobHour" ("jobId", hour, ${FIGURE_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
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

/** How far minutes have been added to their hours: the hours before this one are whole. */
export class SummedFigures {
  readonly #read

  constructor(db: Database) {
    this.#read = prepare<[], { value: string }>(db, `SELECT value FROM "Setting" WHERE name = '${FIGURES_SUMMED}'`)
  }

  last(): Summed {
    const row = this.#read.get()
    return row === undefined ? NOTHING_SUMMED : (JSON.parse(row.value) as Summed)
  }

  upTo(): Instant {
    return startOf(this.last().minute, HOUR)
  }
}

/** What grows old whichever job it is of: figures by the minute, and the commands on jobs. */
export class Ageing {
  readonly #sql
  readonly #summed: SummedFigures
  readonly #marks: Marks
  readonly #figures: Figures

  constructor(db: Database, parts: { readonly marks: Marks; readonly figures: Figures; readonly summed: SummedFigures }) {
    this.#sql = statements(db)
    this.#marks = parts.marks
    this.#figures = parts.figures
    this.#summed = parts.summed
  }

  /** Whether `rollUp` has anything to do. */
  hasOldMinutes(now: Instant): boolean {
    const summed = this.#summed.last()
    return summed.minute < summableUntil(now) || this.#sql.anyBefore.get(minutesKeptFrom(now, summed)) !== undefined
  }

  /**
   * Adds minutes to their hours, once those are over, and removes the minutes that are too old, at most `limit` rows of both, in the
   * transaction under way; answers how many of the one or the other. Hours of jobs that are gone are not made.
   */
  rollUp(now: Instant, limit: number): number {
    const summed = this.#sumUp(summableUntil(now), limit)
    const old = minutesKeptFrom(now, this.#summed.last())
    if (this.#sql.anyBefore.get(old) === undefined) return summed
    this.#marks.raise(MINUTES_BEGIN, old)
    this.#figures.forgetBefore(old)
    return Math.max(summed, this.#sql.removeMinutes.run(old, limit).changes)
  }

  #sumUp(until: Instant, limit: number): number {
    const last = this.#summed.last()
    if (last.minute >= until) return 0
    const rows = this.#sql.minutesAfter.all(last.minute, last.jobId, last.instanceId, until, limit)
    for (const [jobId, ofJob] of Map.groupBy(rows, ({ jobId }) => jobId)) {
      if (jobId !== ALL_JOBS && this.#sql.jobExists.get(jobId) === undefined) continue
      for (const [hour, ofHour] of Map.groupBy(ofJob, ({ minute }) => startOf(minute, HOUR))) this.#addTo(jobId, hour, ofHour)
    }
    const { minute, jobId, instanceId } = rows.length < limit ? { minute: until, jobId: '', instanceId: '' } : rows.at(-1)!
    this.#sql.setSummed.run(JSON.stringify({ minute, jobId, instanceId } satisfies Summed))
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
    const sums = noFigures()
    const known = this.#sql.hour.get(jobId, hour)
    if (known !== undefined) addRecord(sums, known)
    for (const row of rows) addRecord(sums, row)
    this.#sql.writeHour.run(
      jobId,
      hour,
      sums.succeeded,
      sums.failed,
      sums.timedOut,
      sums.cancelled,
      sums.skipped,
      writeHistogram(sums.lag),
      writeHistogram(sums.duration),
    )
  }
}
