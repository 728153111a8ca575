import { addToHistogram, type Histogram } from '../../domain/histogram.ts'
import { type Instant, MINUTE } from '../../domain/instant.ts'
import type { FinalStatus } from '../../domain/run.ts'
import type { EndedRun, SkippedInstants } from './effects.ts'

// Figures of a job and a minute: what every engine counts, and how their rows are written.

/** In the place of a job's id: all jobs together, so that no answer about the whole system reads the rows of ten thousand jobs. */
export const ALL_JOBS = ''

/** A row of figures, by the minute or by the hour, without its key. */
export interface MinuteRecord {
  readonly succeeded: number
  readonly failed: number
  readonly timedOut: number
  readonly cancelled: number
  readonly skipped: number
  /** A histogram as it is written. */
  readonly lag: string
  readonly duration: string
}

/** The columns of a MinuteRecord. */
export const FIGURE_COLUMNS = 'succeeded, failed, "timedOut", cancelled, skipped, lag, duration'

/** Figures while they are counted. */
export interface CountedFigures {
  succeeded: number
  failed: number
  timedOut: number
  cancelled: number
  skipped: number
  readonly lag: Histogram
  readonly duration: Histogram
}

const COUNTER = { SUCCEEDED: 'succeeded', FAILED: 'failed', TIMED_OUT: 'timedOut', CANCELLED: 'cancelled' } as const satisfies Record<
  FinalStatus,
  keyof CountedFigures
>

export function noFigures(): CountedFigures {
  return { succeeded: 0, failed: 0, timedOut: 0, cancelled: 0, skipped: 0, lag: new Map(), duration: new Map() }
}

export function minuteOf(at: Instant): Instant {
  return at - (at % MINUTE)
}

/** A backfilled run was asked for long after its instant: it was not late. */
export function countEnded(figures: CountedFigures, jobId: string, { status, trigger, dueAt, startedAt, finishedAt }: EndedRun): void {
  figures[COUNTER[status]] += 1
  if (startedAt === null) return
  if (trigger !== 'BACKFILL') addToHistogram(figures.lag, startedAt - dueAt)
  // Nobody asks how long the runs of all jobs took: they have nothing in common.
  if (jobId !== ALL_JOBS) addToHistogram(figures.duration, finishedAt - startedAt)
}

export function countSkipped(figures: CountedFigures, { count }: SkippedInstants): void {
  figures.skipped += count
}
