import type { Instant } from './instant.ts'

/** What a user should know about a schedule that is accepted all the same: the codes of the API's `ScheduleWarningCode`. */
export const SCHEDULE_WARNING_CODES = [
  'DST_GAP',
  'DST_FOLD',
  'BOTH_DAY_FIELDS',
  'SKIPS_SHORT_MONTHS',
  'LEAP_DAY_ONLY',
  'UNEVEN_STEP',
  'FREQUENT',
] as const
export type ScheduleWarningCode = (typeof SCHEDULE_WARNING_CODES)[number]

export interface ScheduleWarning {
  readonly code: ScheduleWarningCode
  readonly message: string
  /** Of DST_GAP and DST_FOLD: the next affected instant within about a year. */
  readonly at: Instant | null
}
