import cronstrue from 'cronstrue'
import type { DayMatch } from '../schedule.ts'
import { listed, ordinal } from '../words.ts'
import type { CronFields, DaysOfMonth, DaysOfWeek } from './fields.ts'
import { MONTH_NAMES, WEEKDAY_NAMES } from './names.ts'
import { stepOf } from './step.ts'
import { wallTimesOf } from './walls.ts'

/**
 * A cron expression in plain English. cronstrue words the time of day; the days are worded here, because it knows neither dayMatch nor all
 * day items, and reads some lists otherwise than this product (`0,7`, `1/2`).
 */
export function describeExpression(expression: string, dayMatch: DayMatch): string {
  const { fields } = wallTimesOf(expression, dayMatch)
  const times = fewTimes(fields)
  const days = daysInWords(fields, dayMatch)
  const months = fields.months.length === 12 ? '' : `in ${monthsInWords(fields.months)}`
  const day = days === '' && months === '' && times !== null ? 'every day' : `${days} ${months}`.trim()
  if (times !== null) return `At ${listed(times)} ${day}`
  return day === '' ? timeOfDay(fields) : `${timeOfDay(fields)}, ${day}`
}

/** How many times of the day are written out one by one. */
const MOST_TIMES = 6

function fewTimes({ hours, minutes, seconds }: CronFields): readonly string[] | null {
  if (hours.length * minutes.length * seconds.length > MOST_TIMES) return null
  return hours.flatMap((hour) =>
    minutes.flatMap((minute) => seconds.map((second) => [hour, minute, ...(second === 0 ? [] : [second])].map(twoDigits).join(':'))),
  )
}

function twoDigits(number: number): string {
  return String(number).padStart(2, '0')
}

/** The times of the day by cronstrue; a list of hours by ourselves, since "every minute, at 03:00 and 09:00" would mislead. */
function timeOfDay({ source, seconds, minutes, hours }: CronFields): string {
  const hour = timeField(source.hour, hours, 24)
  const listedHours = hour.includes(',')
  const fields = [timeField(source.second, seconds, 60), timeField(source.minute, minutes, 60), listedHours ? '*' : hour, '*', '*', '*']
  const words = cronstrue.toString(fields.slice(fields[0] === '0' ? 1 : 0).join(' '), { use24HourTimeFormat: true, verbose: false })
  return listedHours ? `${words}, in hours ${listed(runs(hours, String))}` : words
}

/** The field as cronstrue reads it best: `*` for all values, one number for one, and lists in order and without repetition. */
function timeField(source: string, values: readonly number[], size: number): string {
  if (values.length === size) return '*'
  if (values.length === 1) return String(values[0])
  return source.includes(',') ? runs(values, String, '-').join(',') : source
}

/** The days, or nothing where no day field is restricted. */
function daysInWords({ source, daysOfMonth, daysOfWeek }: CronFields, dayMatch: DayMatch): string {
  const dates = daysOfMonth.restricted ? datesInWords(source.dayOfMonth, daysOfMonth) : ''
  if (!daysOfWeek.restricted) return dates
  if (dates === '') return listed(weekdaysInWords(daysOfWeek))
  if (dayMatch === 'ANY') return `${dates} and also ${listed(weekdaysInWords(daysOfWeek))}`
  return `${dates} if it is ${listed(weekdayNames(daysOfWeek), 'or')}`
}

function datesInWords(source: string, field: DaysOfMonth): string {
  const step = stepOf('dayOfMonth', source)
  if (field.days.length === 31) return 'on every day of the month'
  if (step !== null && field.days.length > 1) return `on every ${ordinal(step.every)} day of the month from day ${step.first}`
  const days = runs(field.days, String)
  const dates = [
    ...(days.length === 0 ? [] : [`${field.days.length === 1 ? 'day' : 'days'} ${listed(days)}`]),
    ...field.nearestWeekdayTo.map((day) => `the weekday nearest to day ${day}`),
    ...field.beforeLast.map((before) => (before === 0 ? 'the last day' : `the ${ordinal(before + 1)} to last day`)),
    ...(field.lastWeekday ? ['the last weekday'] : []),
  ]
  return `on ${listed(dates)} of the month`
}

function weekdaysInWords(field: DaysOfWeek): readonly string[] {
  const days = runs(mondayFirst(field.days), weekdayName)
  const every = field.days.length === 7 ? ['every day of the week'] : days.length === 0 ? [] : [`every ${listed(days)}`]
  return [...every, ...placesInMonth(field).map((place) => `on ${place}`)]
}

function weekdayNames(field: DaysOfWeek): readonly string[] {
  return [...runs(mondayFirst(field.days), weekdayName), ...placesInMonth(field)]
}

function placesInMonth({ nth, last }: DaysOfWeek): readonly string[] {
  return [
    ...nth.map((place) => `the ${ordinal(place.nth)} ${weekdayName(place.day)} of the month`),
    ...last.map((day) => `the last ${weekdayName(day)} of the month`),
  ]
}

function monthsInWords(months: readonly number[]): string {
  return listed(runs(months, (month) => MONTH_NAMES[month - 1] as string))
}

function weekdayName(day: number): string {
  return WEEKDAY_NAMES[day % 7] as string
}

/** Sunday ends the week, so that it can end a run. */
function mondayFirst(days: readonly number[]): readonly number[] {
  return days.map((day) => (day === 0 ? 7 : day)).sort((a, b) => a - b)
}

/** Names of sorted values; three or more in a row are written as a range. */
function runs(values: readonly number[], name: (value: number) => string, to = ' to '): readonly string[] {
  const found: { first: number; last: number }[] = []
  for (const value of values) {
    const run = found.at(-1)
    if (run?.last === value - 1) run.last = value
    else found.push({ first: value, last: value })
  }
  return found.flatMap(({ first, last }) => {
    if (last - first >= 2) return [`${name(first)}${to}${name(last)}`]
    return first === last ? [name(first)] : [name(first), name(last)]
  })
}
