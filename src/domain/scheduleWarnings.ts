import { clockChangeWarnings } from './cron/clockChangeWarnings.ts'
import { fieldWarnings } from './cron/fieldWarnings.ts'
import { type Instant, type Milliseconds, SECOND } from './instant.ts'
import type { Schedule } from './schedule.ts'
import { wordsOfDuration } from './words.ts'

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

/** Instants nearer to each other than this are FREQUENT. */
const FREQUENT_BELOW: Milliseconds = 10 * SECOND

/** What to know about an accepted schedule, as seen at `from`: at most one warning of each code. */
export function warningsOf(schedule: Schedule, from: Instant): readonly ScheduleWarning[] {
  switch (schedule.kind) {
    case 'once':
      return []
    case 'interval':
      return frequent(schedule.every)
    case 'cron': {
      const { warnings, shortestDistance } = fieldWarnings(schedule)
      return [...clockChangeWarnings(schedule, from), ...warnings, ...frequent(shortestDistance)]
    }
  }
}

function frequent(distance: Milliseconds): readonly ScheduleWarning[] {
  if (distance >= FREQUENT_BELOW) return []
  return [{ code: 'FREQUENT', message: `Its instants can be ${wordsOfDuration(distance)} apart.`, at: null }]
}
