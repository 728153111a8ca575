import { type Milliseconds, SECOND } from '../instant.ts'
import type { CronSchedule } from '../schedule.ts'
import type { ScheduleWarning, ScheduleWarningCode } from '../scheduleWarning.ts'
import { listed } from '../words.ts'
import { lengthOfMonth } from './calendar.ts'
import { datesOfMonth } from './days.ts'
import { type CronFields, FIELD_NAMES, type FieldName } from './fields.ts'
import { FIELD_RULES } from './grammar.ts'
import { MONTH_NAMES } from './names.ts'
import { type Step, stepOf } from './step.ts'
import { wallTimesOf } from './walls.ts'

/** What the fields alone tell of a cron schedule, whatever the zone; and how near two instants can be, where that is less than a minute. */
export function fieldWarnings({ expression, dayMatch }: CronSchedule): {
  readonly warnings: readonly ScheduleWarning[]
  readonly shortestDistance: Milliseconds
} {
  const { fields, days } = wallTimesOf(expression, dayMatch)
  const warnings = [
    bothDayFields(fields, dayMatch),
    days.leapDaysOnly ? warning('LEAP_DAY_ONLY', 'It fires on 29 February only, which most years do not have.') : skipsShortMonths(fields),
    unevenStep(fields),
  ]
  return { warnings: warnings.filter((one) => one !== null), shortestDistance: shortestDistance(fields.seconds) }
}

function bothDayFields({ daysOfMonth, daysOfWeek }: CronFields, dayMatch: 'ANY' | 'ALL'): ScheduleWarning | null {
  if (!daysOfMonth.restricted || !daysOfWeek.restricted) return null
  const message =
    dayMatch === 'ANY'
      ? 'Both day fields are restricted: it fires on days that match either (dayMatch ANY); ALL asks for both.'
      : 'Both day fields are restricted: it fires on days that match both (dayMatch ALL); ANY, as in a crontab, asks for either.'
  return warning('BOTH_DAY_FIELDS', message)
}

/** Of a day that the caller named (`31`, `30W`, `L-29`), and of a field with no day at all in some of the months. */
function skipsShortMonths({ source, months, daysOfMonth }: CronFields): ScheduleWarning | null {
  if (!daysOfMonth.restricted) return null
  const named = source.dayOfMonth
    .split(',')
    .map((item) => (/^\d+W?$/.test(item) ? Number.parseInt(item, 10) : item.startsWith('L-') ? Number(item.slice(2)) + 1 : 0))
  const longest = Math.max(...named)
  const skipped = months.filter((month) => {
    const length = lengthOfMonth(false, month)
    return length < longest || datesOfMonth(daysOfMonth, length, 0) === 0
  })
  if (skipped.length === 0) return null
  const names = listed(skipped.map((month) => MONTH_NAMES[month - 1] as string))
  const message =
    `Day-of-month ${source.dayOfMonth} asks for a day that ${names} ${skipped.length === 1 ? 'does' : 'do'} not always have; ` +
    'it is skipped there. L is the last day of every month.'
  return warning('SKIPS_SHORT_MONTHS', message)
}

/** A step whose last stride, into the next minute, hour, day, week, month or year, is of another length. */
function unevenStep({ source }: CronFields): ScheduleWarning | null {
  for (const name of FIELD_NAMES) {
    for (const item of source[name].split(',')) {
      const step = stepOf(name, item)
      if (step !== null && isUneven(name, step)) return warning('UNEVEN_STEP', unevenMessage(name, item, step))
    }
  }
  return null
}

/** The larger unit in which a field starts anew, and how many of the field's units it has where that is always the same. */
const CYCLES: Readonly<Record<FieldName, { readonly name: string; readonly size: number | null }>> = {
  second: { name: 'minute', size: 60 },
  minute: { name: 'hour', size: 60 },
  hour: { name: 'day', size: 24 },
  dayOfMonth: { name: 'month', size: null },
  month: { name: 'year', size: 12 },
  dayOfWeek: { name: 'week', size: 7 },
}

function isUneven(name: FieldName, { first, every }: Step): boolean {
  const { size } = CYCLES[name]
  return every > 1 && (size === null || size % every !== 0 || first - FIELD_RULES[name].lowest >= every)
}

function unevenMessage(name: FieldName, item: string, { first, every }: Step): string {
  const { label } = FIELD_RULES[name]
  return `${label} ${item} counts from ${first} anew in every ${CYCLES[name].name}, so the last distance there is not ${every}.`
}

/** Of two instants in one minute or across two neighbouring ones. */
function shortestDistance(seconds: readonly number[]): Milliseconds {
  const distances = seconds.map((second, index) => second - (seconds[index - 1] ?? (seconds.at(-1) as number) - 60))
  return Math.min(...distances) * SECOND
}

function warning(code: ScheduleWarningCode, message: string): ScheduleWarning {
  return { code, message, at: null }
}
