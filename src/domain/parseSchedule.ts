import { parseExpression } from './cron/expression.ts'
import { wallTimesOf } from './cron/walls.ts'
import { formatDuration } from './duration.ts'
import { type Checked, type ErrorCode, refused, type UserError, userError, valid } from './errors.ts'
import { type Instant, SECOND, toIso } from './instant.ts'
import { isInstant } from './instantRange.ts'
import { occurrencesOf } from './occurrences.ts'
import type { CronSchedule, IntervalSchedule, OnceSchedule, Schedule, ScheduleBounds } from './schedule.ts'
import type { CronInput, IntervalInput, OnceInput, ScheduleInput } from './scheduleInput.ts'
import { zoneNameProblem } from './zone/zoneName.ts'

const SHORTEST_EVERY = SECOND

export interface ParseContext {
  /** The moment of the command: the first instant is strictly after it. */
  readonly now: Instant
  /** The job's schedule so far, or null at its creation. */
  readonly previous: Schedule | null
  /** Where the input stands in the request; `['schedule']` unless given. */
  readonly path?: readonly string[]
}

/** Gathers what is wrong with one member of the input, each under the field's name. */
type Report = (field: string, message: string, code?: ErrorCode) => void

/**
 * Reads a schedule and refuses one that breaks a rule or would never fire, with every reason at once. What equals the previous schedule
 * changes nothing and is accepted even where its time is over, so that a caller may send the same job again and again.
 */
export function parseSchedule(input: ScheduleInput, context: ParseContext): Checked<Schedule> {
  const path = context.path ?? ['schedule']
  const { interval, cron, once } = input
  const kinds = Object.entries({ interval, cron, once }).filter(([, given]) => given !== null && given !== undefined)
  const [kind] = kinds[0] ?? []
  if (kind === undefined || kinds.length > 1) {
    const came = kinds.map(([name]) => name).join(' and ') || 'none of them'
    return refused(userError('INVALID', path, `give exactly one of interval, cron and once; ${came} came`))
  }
  const errors: UserError[] = []
  const report: Report = (field, message, code = 'INVALID') => errors.push(userError(code, [...path, kind, field], message))
  const schedule = interval ? readInterval(interval, context, report) : cron ? readCron(cron, report) : readOnce(once as OnceInput, report)
  if (errors.length > 0) return refused(...errors)
  if (context.previous === null || !schedulesEqual(schedule, context.previous)) reportIfOver(schedule, context.now, report)
  return errors.length > 0 ? refused(...errors) : valid(schedule)
}

/** Whether two schedules are the same rule, so that an edit from one to the other changes nothing. */
export function schedulesEqual(a: Schedule, b: Schedule): boolean {
  const left = Object.entries(a)
  const right = new Map<string, unknown>(Object.entries(b))
  return left.length === right.size && left.every(([field, value]) => right.has(field) && right.get(field) === value)
}

function readInterval(input: IntervalInput, { now, previous }: ParseContext, report: Report): IntervalSchedule {
  const { every } = input
  if (!Number.isSafeInteger(every) || every < SHORTEST_EVERY) {
    report('every', `every is ${shown(every)}; accepted is ${formatDuration(SHORTEST_EVERY)} or longer, in whole milliseconds`)
  }
  checkInstant('anchor', input.anchor, report)
  const kept = previous?.kind === 'interval' && previous.every === every ? previous.anchor : null
  return { kind: 'interval', every, anchor: input.anchor ?? kept ?? input.startAt ?? now, ...readBounds(input, report) }
}

function readCron(input: CronInput, report: Report): CronSchedule {
  const { expression, timezone, dayMatch, gap, fold } = input
  const parsed = parseExpression(expression)
  if (!parsed.ok) report('expression', parsed.message)
  else if (!wallTimesOf(expression, dayMatch).days.some) {
    const { dayOfMonth, month, dayOfWeek } = parsed.fields.source
    const days = `day-of-month ${dayOfMonth}, month ${month}, day-of-week ${dayOfWeek}`
    report('expression', `${JSON.stringify(expression)} never fires: no date of any year matches ${days}`, 'NEVER_FIRES')
  }
  const problem = zoneNameProblem(timezone)
  if (problem !== null) report('timezone', problem)
  return { kind: 'cron', expression, timezone, dayMatch, gap, fold, ...readBounds(input, report) }
}

function readOnce({ at, jitter }: OnceInput, report: Report): OnceSchedule {
  checkInstant('at', at, report)
  return { kind: 'once', at, jitter: readJitter(jitter, report) }
}

function readBounds(input: IntervalInput | CronInput, report: Report): ScheduleBounds {
  const { startAt = null, endAt = null, maxRuns = null } = input
  checkInstant('startAt', startAt, report)
  checkInstant('endAt', endAt, report)
  if (startAt !== null && endAt !== null && startAt > endAt) {
    report('endAt', `endAt ${shownInstant(endAt)} is before startAt ${shownInstant(startAt)}, so that it never fires`, 'NEVER_FIRES')
  }
  if (maxRuns !== null && (!Number.isSafeInteger(maxRuns) || maxRuns < 1)) {
    report('maxRuns', `maxRuns is ${maxRuns}; accepted are whole numbers from 1, or null for no limit`)
  }
  return { startAt, endAt, maxRuns, jitter: readJitter(input.jitter, report) }
}

function readJitter(jitter: number | null | undefined, report: Report): number | null {
  if (jitter === null || jitter === undefined) return null
  if (!Number.isSafeInteger(jitter) || jitter < 0) {
    report('jitter', `jitter is ${shown(jitter)}; accepted is PT0S or longer, in whole milliseconds`)
  }
  return jitter
}

function checkInstant(field: string, instant: Instant | null | undefined, report: Report): void {
  if (instant === null || instant === undefined || isInstant(instant)) return
  report(field, `${field} is ${shownInstant(instant)}; accepted are the years 0000 to 9999 in UTC, in whole milliseconds`)
}

/** Refuses a well-formed schedule that has no instant after `now`, naming the field that is to blame. */
function reportIfOver(schedule: Schedule, now: Instant, report: Report): void {
  if (occurrencesOf(schedule).next(now) !== null) return
  if (schedule.kind === 'once') {
    report('at', `at is ${toIso(schedule.at)}, which is not after now (${toIso(now)})`, 'IN_THE_PAST')
    return
  }
  const first = occurrencesOf({ ...schedule, endAt: null }).next(now)
  if (first !== null && schedule.endAt !== null) {
    report('endAt', `it never fires: endAt ${toIso(schedule.endAt)} is before the first instant, ${toIso(first)}`, 'NEVER_FIRES')
  } else if (schedule.kind === 'interval') {
    report('every', 'it never fires: its first instant is after the year 9999', 'NEVER_FIRES')
  } else {
    report('expression', `it never fires: ${reasonOfSilence(schedule)}`, 'NEVER_FIRES')
  }
}

/** Why a cron schedule has no instant although its expression matches some date. */
function reasonOfSilence({ gap, timezone }: CronSchedule): string {
  const late = 'it has no instant left before the year 10000'
  return gap === 'SKIP' ? `${late} (a wall time that always falls into a clock change of ${timezone} is skipped, by gap SKIP)` : late
}

function shown(duration: number): string {
  return Number.isSafeInteger(duration) && duration >= 0 ? formatDuration(duration) : `${duration} ms`
}

function shownInstant(instant: Instant): string {
  return Number.isInteger(instant) && Math.abs(instant) <= 8.64e15 ? toIso(instant) : String(instant)
}
