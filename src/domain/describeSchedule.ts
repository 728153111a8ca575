import type { Schedule } from './schedule.ts'

/** The schedule in plain English: `Every 10 seconds`, `At 02:30 every Monday, Asia/Kathmandu`. */
export function describeSchedule(schedule: Schedule): string {
  throw new Error(`follows within the hour: ${schedule.kind}`)
}
