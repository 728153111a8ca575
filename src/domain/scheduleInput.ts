import type { Instant, Milliseconds } from './instant.ts'
import type { DayMatch, FoldPolicy, GapPolicy } from './schedule.ts'

/** A schedule as a caller writes it: exactly one member is given (the API's `@oneOf`). Scalars are already read. */
export interface ScheduleInput {
  readonly interval?: IntervalInput | null | undefined
  readonly cron?: CronInput | null | undefined
  readonly once?: OnceInput | null | undefined
}

interface BoundsInput {
  readonly startAt?: Instant | null | undefined
  readonly endAt?: Instant | null | undefined
  readonly maxRuns?: number | null | undefined
  readonly jitter?: Milliseconds | null | undefined
}

export interface IntervalInput extends BoundsInput {
  readonly every: Milliseconds
  readonly anchor?: Instant | null | undefined
}

export interface CronInput extends BoundsInput {
  readonly expression: string
  readonly timezone: string
  readonly dayMatch: DayMatch
  readonly gap: GapPolicy
  readonly fold: FoldPolicy
}

export interface OnceInput {
  readonly at: Instant
  readonly jitter?: Milliseconds | null | undefined
}
