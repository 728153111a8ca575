import { clockChangeWarnings } from './cron/clockChangeWarnings.ts'
import { fieldWarnings } from './cron/fieldWarnings.ts'
import { type Instant, type Milliseconds, SECOND } from './instant.ts'
import type { Schedule } from './schedule.ts'
import type { ScheduleWarning } from './scheduleWarning.ts'
import { wordsOfDuration } from './words.ts'

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
