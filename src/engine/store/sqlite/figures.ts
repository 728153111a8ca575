import type { Database } from 'better-sqlite3'
import { addToHistogram, type Histogram, readHistogram, writeHistogram } from '../../../domain/histogram.ts'
import { type Instant, MINUTE } from '../../../domain/instant.ts'
import type { FinalStatus } from '../../../domain/run.ts'
import { prepare } from './statement.ts'
import type { EndedRun, SkippedInstants } from '../effects.ts'
import type { Effects } from './writer.ts'

/** In the place of a job's id: all jobs together, so that no answer about the whole system reads the rows of ten thousand jobs. */
export const ALL_JOBS = ''

export interface MinuteRecord {
  readonly succeeded: number
  readonly failed: number
  readonly timedOut: number
  readonly cancelled: number
  readonly skipped: number
  readonly lag: string
  readonly duration: string
}

/** A row of JobMinute as it is kept while its minute lasts. */
interface Minute {
  readonly jobId: string
  readonly minute: Instant
  succeeded: number
  failed: number
  timedOut: number
  cancelled: number
  skipped: number
  readonly lag: Histogram
  readonly duration: Histogram
  /** Has changed in the transaction under way. */
  touched: boolean
}

const COUNTER = { SUCCEEDED: 'succeeded', FAILED: 'failed', TIMED_OUT: 'timedOut', CANCELLED: 'cancelled' } as const satisfies Record<
  FinalStatus,
  keyof Minute
>

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
      'SELECT succeeded, failed, "timedOut", cancelled, skipped, lag, duration FROM "JobMinute" WHERE "jobId" = ? AND minute = ? AND "instanceId" = ?',
    )
    this.#write = prepare(
      db,
      `INSERT INTO "JobMinute" ("jobId", minute, "instanceId", succeeded, failed, "timedOut", cancelled, skipped, lag, duration)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT ("jobId", minute, "instanceId") DO UPDATE SET succeeded = excluded.succeeded, failed = excluded.failed, "timedOut" = excluded."timedOut",
         cancelled = excluded.cancelled, skipped = excluded.skipped, lag = excluded.lag, duration = excluded.duration`,
    )
  }

  /** Last step of a transaction. */
  write({ ended, skipped }: Effects): void {
    const touched: Minute[] = []
    for (const run of ended) {
      countEnded(this.#of(run.jobId, run.finishedAt, touched), run)
      countEnded(this.#of(ALL_JOBS, run.finishedAt, touched), run)
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
    const minute = at - (at % MINUTE)
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
  if (row === undefined) {
    return {
      jobId,
      minute,
      succeeded: 0,
      failed: 0,
      timedOut: 0,
      cancelled: 0,
      skipped: 0,
      lag: new Map(),
      duration: new Map(),
      touched: false,
    }
  }
  return { ...row, jobId, minute, lag: readHistogram(row.lag), duration: readHistogram(row.duration), touched: false }
}

/** A backfilled run was asked for long after its instant: it was not late. */
function countEnded(row: Minute, { status, trigger, dueAt, startedAt, finishedAt }: EndedRun): void {
  row[COUNTER[status]] += 1
  if (startedAt === null) return
  if (trigger !== 'BACKFILL') addToHistogram(row.lag, startedAt - dueAt)
  // Nobody asks how long the runs of all jobs took: they have nothing in common.
  if (row.jobId !== ALL_JOBS) addToHistogram(row.duration, finishedAt - startedAt)
}

function countSkipped(row: Minute, { count }: SkippedInstants): void {
  row.skipped += count
}
