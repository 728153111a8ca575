import type { Instant } from '../../domain/instant.ts'
import type { RetentionRules } from '../../domain/retention.ts'

/** How far a sweep over the jobs, by id, has come. */
export interface SweepPlace {
  /** Jobs before this one are done. */
  readonly jobId: string
  /** Of this one, the runs up to and including this one; null: none. */
  readonly runId: string | null
}

export interface SweepQuery {
  readonly rules: RetentionRules
  /** Null: from the first job. */
  readonly from: SweepPlace | null
  readonly now: Instant
}

export interface SweepResult {
  /** Where to go on; null: all jobs are done. */
  readonly next: SweepPlace | null
  /** Jobs that were looked at to their end. */
  readonly jobs: number
  /** Rows that went, not counting attempts and the last log lines, which go with their run. */
  readonly removed: number
}
