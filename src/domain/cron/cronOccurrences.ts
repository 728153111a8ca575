import type { Occurrences } from '../occurrences.ts'
import type { CronSchedule } from '../schedule.ts'

export function cronOccurrences(schedule: CronSchedule): Occurrences {
  throw new Error(`cron follows within the hour: ${schedule.expression}`)
}
