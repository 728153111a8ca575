import type { Checked } from './errors.ts'
import type { Instant } from './instant.ts'
import type { Schedule } from './schedule.ts'
import type { ScheduleInput } from './scheduleInput.ts'

export interface ParseContext {
  /** The moment of the command: the first instant is strictly after it. */
  readonly now: Instant
  /** The job's schedule so far, or null at its creation. */
  readonly previous: Schedule | null
  /** Where the input stands in the request; `['schedule']` unless given. */
  readonly path?: readonly string[]
}

export function parseSchedule(input: ScheduleInput, context: ParseContext): Checked<Schedule> {
  throw new Error(`follows within the hour: ${JSON.stringify([input, context])}`)
}

/** Whether two schedules are the same rule, so that an edit from one to the other changes nothing. */
export function schedulesEqual(a: Schedule, b: Schedule): boolean {
  throw new Error(`follows within the hour: ${JSON.stringify([a, b])}`)
}
