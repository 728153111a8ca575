import type { Database } from 'better-sqlite3'
import { readHistogram, writeHistogram } from '../../../domain/histogram.ts'
import type { Instant } from '../../../domain/instant.ts'
import {
  ALL_JOBS,
  type CountedFigures,
  countEnded,
  countSkipped,
  FIGURE_COLUMNS,
  type MinuteRecord,
  minuteOf,
  noFigures,
} from '../minutes.ts'
import { prepare } from './statement.ts'
import type { Effects } from './writer.ts'

/** A row of JobMinute as it is kept while its minute lasts. */
interface Minute extends CountedFigures {
  readonly jobId: string
  readonly minute: Instant
  /** Has changed in the transaction under way. */
  touched: boolean
}

/**
 * The figures of each job and minute, written with the settlement that they count: an answer about an hour reads rows by minute and
 * never the runs. The rows of the newest minute are kept in memory, so that a transaction writes each of them once and reads none.
 */
export class Figures {
  readonly #instanceId: string
  readonly #read
  readonly #write
  #minutes = new Map<string, Minute>()
  #newest: Instant = 0

  constructor(db: Database, instanceId: string) {
    this.#instanceId = instanceId
    this.#read = prepare<[string, number, string], MinuteRecord>(
      db,
      `SELECT ${FIGURE_COLUMNS} FROM "JobMinute" WHERE "jobId" = ? AND minute = ? AND "instanceId" = ?`,
    )
    this.#write = prepare(
      db,
      `INSERT INTO "JobMinute" ("jobId", minute, "instanceId", ${FIGURE_COLUMNS})
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT ("jobId", minute, "instanceId") DO UPDATE SET succeeded = excluded.succeeded, failed = excluded.failed, "timedOut" = excluded."timedOut",
         cancelled = excluded.cancelled, skipped = excluded.skipped, lag = excluded.lag, duration = excluded.duration`,
    )
  }

  /** Last step of a transaction. */
  write({ ended, skipped }: Effects): void {
    const touched: Minute[] = []
    for (const run of ended) {
      countEnded(this.#of(run.jobId, run.finishedAt, touched), run.jobId, run)
      countEnded(this.#of(ALL_JOBS, run.finishedAt, touched), ALL_JOBS, run)
    }
    for (const skip of skipped) {
      countSkipped(this.#of(skip.jobId, skip.at, touched), skip)
      countSkipped(this.#of(ALL_JOBS, skip.at, touched), skip)
    }
    for (const row of touched) {
      row.touched = false
      this.#write.run(
        row.jobId,
        row.minute,
        this.#instanceId,
        row.succeeded,
        row.failed,
        row.timedOut,
        row.cancelled,
        row.skipped,
        writeHistogram(row.lag),
        writeHistogram(row.duration),
      )
    }
  }

  /** After a rollback: the rows tell. */
  forget(): void {
    this.#minutes.clear()
  }

  /** Minutes before this one were summed up by the hour: none of them is in memory any more. */
  forgetBefore(minute: Instant): void {
    if (this.#newest < minute) this.forget()
  }

  #of(jobId: string, at: Instant, touched: Minute[]): Minute {
    const minute = minuteOf(at)
    if (minute > this.#newest) {
      this.#newest = minute
      this.#minutes = new Map()
    }
    const key = minute === this.#newest ? jobId : `${jobId} ${minute}`
    let row = this.#minutes.get(key)
    if (row === undefined) {
      row = toMinute(jobId, minute, this.#read.get(jobId, minute, this.#instanceId))
      this.#minutes.set(key, row)
    }
    if (!row.touched) {
      row.touched = true
      touched.push(row)
    }
    return row
  }
}

function toMinute(jobId: string, minute: Instant, row: MinuteRecord | undefined): Minute {
  const stands = row === undefined ? noFigures() : { ...row, lag: readHistogram(row.lag), duration: readHistogram(row.duration) }
  return { ...stands, jobId, minute, touched: false }
}
