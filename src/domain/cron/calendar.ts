// The proleptic Gregorian calendar by arithmetic. A day is numbered from 1970-01-01 (0, a Thursday). A month is a table of days that
// depends only on its length and on the weekday of its first; a year on one of 14 kinds, and any 40 consecutive years have them all.

/** Whatever depends on the kind of the year alone recurs within so many years: across a century without a leap day it takes 40. */
export const YEARS_TO_SEE_EVERY_KIND = 40

export const YEAR_KINDS = 14

export interface CalendarDate {
  readonly year: number
  /** 1..12 */
  readonly month: number
  /** 1..31 */
  readonly day: number
}

export function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
}

const LENGTHS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
const LENGTHS_IN_LEAP_YEAR = LENGTHS.with(1, 29)

/** @param month 1..12 */
export function lengthOfMonth(leap: boolean, month: number): number {
  return (leap ? LENGTHS_IN_LEAP_YEAR : LENGTHS)[month - 1] as number
}

/** The number of a year's first day. */
export function firstDayOfYear(year: number): number {
  const before = year - 1
  return 365 * (year - 1970) + Math.floor(before / 4) - Math.floor(before / 100) + Math.floor(before / 400) - 477
}

/** 0 is Sunday. */
export function weekdayOf(day: number): number {
  return (((day + 4) % 7) + 7) % 7
}

/** 0..13: what a year's calendar looks like, by the weekday of its first day and whether it is a leap year. */
export function kindOfYear(year: number): number {
  return weekdayOf(firstDayOfYear(year)) + (isLeapYear(year) ? 7 : 0)
}

/** The weekday of the first of a month in a year of a kind. */
export function firstWeekdayOfMonth(kind: number, month: number): number {
  let weekday = kind % 7
  for (let earlier = 1; earlier < month; earlier++) weekday += lengthOfMonth(kind >= 7, earlier)
  return weekday % 7
}

/** The date of a day number, counting years from March so that the leap day comes last (H. Hinnant's civil_from_days). */
export function dateOfDay(dayNumber: number): CalendarDate {
  const shifted = dayNumber + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1_460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153)
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1,
  }
}

/** The number of the first day of a month. */
export function firstDayOfMonth(year: number, month: number): number {
  let day = firstDayOfYear(year)
  for (let earlier = 1; earlier < month; earlier++) day += lengthOfMonth(isLeapYear(year), earlier)
  return day
}
