import { remembering } from '../remembering.ts'
import type { DayMatch } from '../schedule.ts'
import {
  dateOfDay,
  firstDayOfMonth,
  firstWeekdayOfMonth,
  kindOfYear,
  lengthOfMonth,
  YEAR_KINDS,
  YEARS_TO_SEE_EVERY_KIND,
} from './calendar.ts'
import type { CronFields, DaysOfMonth, DaysOfWeek } from './fields.ts'

/** The days that the three day fields allow, by day number. */
export interface MatchingDays {
  has(day: number): boolean
  /** The first at or after `day`, or null where there is none ever. */
  atOrAfter(day: number): number | null
  /** The last at or before `day`, or null where there is none ever. */
  atOrBefore(day: number): number | null
  /** How many in [from, to). */
  count(from: number, to: number): number
  /** Whether there is any at all: false of 30 February. */
  readonly some: boolean
  /** Whether all of them are 29 February. */
  readonly leapDaysOnly: boolean
}

const remember = remembering<MatchingDays>(1_000)

/** The days of an expression. Most expressions share their day fields with others, so the newest 1,000 are remembered. */
export function matchingDaysOf(fields: CronFields, dayMatch: DayMatch): MatchingDays {
  const { dayOfMonth, month, dayOfWeek } = fields.source
  return remember(`${dayMatch} ${dayOfMonth} ${month} ${dayOfWeek}`, () => matchingDays(fields, dayMatch))
}

/** The days of the 14 kinds of years as one bit each, a word a month: no date is ever searched day by day. */
function matchingDays(fields: CronFields, dayMatch: DayMatch): MatchingDays {
  const months = new Int32Array(YEAR_KINDS * 12)
  const totals = new Int32Array(YEAR_KINDS)
  for (let kind = 0; kind < YEAR_KINDS; kind++) {
    for (const month of fields.months) {
      const days = daysInMonth(fields, dayMatch, lengthOfMonth(kind >= 7, month), firstWeekdayOfMonth(kind, month))
      months[kind * 12 + month - 1] = days
      totals[kind] = (totals[kind] as number) + bitCount(days)
    }
  }
  const daysOf = (kind: number, month: number) => months[kind * 12 + month - 1] as number

  /** Days of a year before a date of it. */
  const countBefore = (kind: number, month: number, day: number): number => {
    let count = bitCount(daysOf(kind, month) & (bit(day) - 1))
    for (let earlier = 1; earlier < month; earlier++) count += bitCount(daysOf(kind, earlier))
    return count
  }

  // Instants are asked for in their order, many of one day.
  let lastAsked = Number.NaN
  let lastAnswer = false

  return {
    some: totals.some((total) => total > 0),
    leapDaysOnly: totals.some((total) => total > 0) && months.every((days, index) => (index % 12 === 1 ? days & ~bit(29) : days) === 0),
    has(day) {
      if (day !== lastAsked) {
        const date = dateOfDay(day)
        lastAnswer = (daysOf(kindOfYear(date.year), date.month) & bit(date.day)) !== 0
        lastAsked = day
      }
      return lastAnswer
    },
    atOrAfter(day) {
      const date = dateOfDay(day)
      let { month } = date
      let wanted = ~(bit(date.day) - 1)
      for (let year = date.year; year <= date.year + YEARS_TO_SEE_EVERY_KIND; year++) {
        const kind = kindOfYear(year)
        if (totals[kind] !== 0) {
          for (; month <= 12; month++) {
            const days = daysOf(kind, month) & wanted
            if (days !== 0) return firstDayOfMonth(year, month) + lowestBit(days)
            wanted = ~0
          }
        }
        month = 1
        wanted = ~0
      }
      return null
    },
    atOrBefore(day) {
      const date = dateOfDay(day)
      let { month } = date
      let wanted = bit(date.day) | (bit(date.day) - 1)
      for (let year = date.year; year >= date.year - YEARS_TO_SEE_EVERY_KIND; year--) {
        const kind = kindOfYear(year)
        if (totals[kind] !== 0) {
          for (; month >= 1; month--) {
            const days = daysOf(kind, month) & wanted
            if (days !== 0) return firstDayOfMonth(year, month) + highestBit(days)
            wanted = ~0
          }
        }
        month = 12
        wanted = ~0
      }
      return null
    },
    count(from, to) {
      if (to <= from) return 0
      const start = dateOfDay(from)
      const end = dateOfDay(to)
      let count = countBefore(kindOfYear(end.year), end.month, end.day) - countBefore(kindOfYear(start.year), start.month, start.day)
      for (let year = start.year; year < end.year; year++) count += totals[kindOfYear(year)] as number
      return count
    },
  }
}

/** The matching days of a month, the first as the lowest bit. */
function daysInMonth(fields: CronFields, dayMatch: DayMatch, length: number, firstWeekday: number): number {
  const byDate = datesOfMonth(fields.daysOfMonth, length, firstWeekday)
  const byWeekday = weekdaysOfMonth(fields.daysOfWeek, length, firstWeekday)
  const either = dayMatch === 'ANY' && fields.daysOfMonth.restricted && fields.daysOfWeek.restricted
  return either ? byDate | byWeekday : byDate & byWeekday
}

/** The days of a month that a day-of-month field allows. */
export function datesOfMonth(field: DaysOfMonth, length: number, firstWeekday: number): number {
  let days = 0
  for (const day of field.days) if (day <= length) days |= bit(day)
  for (const before of field.beforeLast) if (before < length) days |= bit(length - before)
  for (const day of field.nearestWeekdayTo) if (day <= length) days |= bit(nearestWeekday(day, length, firstWeekday))
  if (field.lastWeekday) days |= bit(nearestWeekday(length, length, firstWeekday))
  return days
}

/** Saturday gives way to Friday and Sunday to Monday, but never into another month. */
function nearestWeekday(day: number, length: number, firstWeekday: number): number {
  const weekday = (firstWeekday + day - 1) % 7
  if (weekday === 6) return day > 1 ? day - 1 : day + 2
  if (weekday === 0) return day < length ? day + 1 : day - 2
  return day
}

function weekdaysOfMonth(field: DaysOfWeek, length: number, firstWeekday: number): number {
  let days = 0
  const first = (weekday: number) => 1 + ((weekday - firstWeekday + 7) % 7)
  for (const weekday of field.days) for (let day = first(weekday); day <= length; day += 7) days |= bit(day)
  for (const { day, nth } of field.nth) {
    const date = first(day) + 7 * (nth - 1)
    if (date <= length) days |= bit(date)
  }
  for (const weekday of field.last) days |= bit(first(weekday) + 7 * Math.floor((length - first(weekday)) / 7))
  return days
}

function bit(day: number): number {
  return 1 << (day - 1)
}

function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits)
}

function highestBit(bits: number): number {
  return 31 - Math.clz32(bits)
}

function bitCount(bits: number): number {
  let count = bits - ((bits >>> 1) & 0x55555555)
  count = (count & 0x33333333) + ((count >>> 2) & 0x33333333)
  return Math.imul((count + (count >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
