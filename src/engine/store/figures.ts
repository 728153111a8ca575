import type { Histogram } from '../../domain/histogram.ts'
import type { Instant } from '../../domain/instant.ts'

/** Which figures: of one job, or of all jobs together (null), from `from` to `to` in so many equal buckets. */
export interface FiguresQuery {
  readonly jobId: string | null
  readonly from: Instant
  readonly to: Instant
  readonly buckets: number
}

/** How runs ended in a stretch of time, and how many instants were skipped in it. */
export interface Figures {
  readonly succeeded: number
  readonly failed: number
  readonly timedOut: number
  readonly cancelled: number
  readonly skipped: number
  /** Starts minus dueAt, of runs that started and were not backfilled. */
  readonly lag: Histogram
  /** Ends minus starts; empty for all jobs together. */
  readonly duration: Histogram
}

/** How many jobs and runs there are now. */
export interface Population {
  /** That live. */
  readonly jobs: number
  readonly active: number
  readonly paused: number
  readonly queued: number
  readonly running: number
}
