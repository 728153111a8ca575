import { describeExpression } from './cron/describeExpression.ts'
import { type Instant, toIso } from './instant.ts'
import type { Schedule } from './schedule.ts'
import { wordsOfDuration } from './words.ts'

/** The schedule in plain English: `Every 10 seconds`, `At 02:30 every Monday, Asia/Kathmandu`, `Once at 2026-12-01T09:00:00Z`. */
export function describeSchedule(schedule: Schedule): string {
  const parts = [ruleOf(schedule)]
  if (schedule.kind !== 'once') {
    const { startAt, endAt, maxRuns } = schedule
    if (startAt !== null) parts.push(`from ${shown(startAt)}`)
    if (endAt !== null) parts.push(`until ${shown(endAt)}`)
    if (maxRuns !== null) parts.push(maxRuns === 1 ? 'at most 1 run' : `at most ${maxRuns} runs`)
  }
  if (schedule.jitter) parts.push(`delayed by up to ${wordsOfDuration(schedule.jitter)}`)
  return parts.join(', ')
}

function ruleOf(schedule: Schedule): string {
  switch (schedule.kind) {
    case 'interval':
      return `Every ${wordsOfDuration(schedule.every).replace(/^1 (\w+)$/, '$1')}`
    case 'once':
      return `Once at ${shown(schedule.at)}`
    case 'cron':
      return `${describeExpression(schedule.expression, schedule.dayMatch)}, ${schedule.timezone}`
  }
}

/** RFC 3339, without milliseconds where there are none. */
function shown(instant: Instant): string {
  return toIso(instant).replace('.000Z', 'Z')
}
