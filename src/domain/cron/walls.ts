import { DAY, type Milliseconds } from '../instant.ts'
import { remembering } from '../remembering.ts'
import type { DayMatch } from '../schedule.ts'
import { type MatchingDays, matchingDaysOf } from './days.ts'
import { parseExpression } from './expression.ts'
import type { CronFields } from './fields.ts'
import { type TimesOfDay, timesOfDay } from './times.ts'

/**
 * A reading of a wall clock with its calendar: the milliseconds since 1970-01-01T00:00 that UTC would have when its clocks show the same.
 * Wall times know no zone, so none is skipped or repeated.
 */
export type WallTime = Milliseconds

/** The wall times that an expression matches. */
export interface WallTimes {
  readonly fields: CronFields
  readonly days: MatchingDays
  has(wall: WallTime): boolean
  /** The first at or after `wall`, or Infinity. */
  atOrAfter(wall: WallTime): WallTime
  /** The last at or before `wall`, or -Infinity. */
  atOrBefore(wall: WallTime): WallTime
  /** How many in [from, to). */
  count(from: WallTime, to: WallTime): number
}

const remember = remembering<WallTimes>(1_000)

/**
 * The wall times of an expression. Jobs share expressions, so the newest 1,000 are remembered.
 * Throws RangeError where the expression is not well-formed, which a stored schedule's always is.
 */
export function wallTimesOf(expression: string, dayMatch: DayMatch): WallTimes {
  return remember(`${dayMatch} ${expression}`, () => {
    const parsed = parseExpression(expression)
    if (!parsed.ok) throw new RangeError(`cron expression ${JSON.stringify(expression)}: ${parsed.message}`)
    return wallTimes(parsed.fields, matchingDaysOf(parsed.fields, dayMatch), timesOfDay(parsed.fields))
  })
}

function wallTimes(fields: CronFields, days: MatchingDays, times: TimesOfDay): WallTimes {
  const below = (day: number, wall: WallTime) => (days.has(day) ? times.below(wall - day * DAY) : 0)
  return {
    fields,
    days,
    has(wall) {
      const today = Math.floor(wall / DAY)
      return days.has(today) && times.has(wall - today * DAY)
    },
    atOrAfter(wall) {
      const today = Math.floor(wall / DAY)
      if (days.has(today)) {
        const time = times.atOrAfter(wall - today * DAY)
        if (time !== null) return today * DAY + time
      }
      const day = days.atOrAfter(today + 1)
      return day === null ? Number.POSITIVE_INFINITY : day * DAY + times.first
    },
    atOrBefore(wall) {
      const today = Math.floor(wall / DAY)
      if (days.has(today)) {
        const time = times.atOrBefore(wall - today * DAY)
        if (time !== null) return today * DAY + time
      }
      const day = days.atOrBefore(today - 1)
      return day === null ? Number.NEGATIVE_INFINITY : day * DAY + times.last
    },
    count(from, to) {
      if (to <= from) return 0
      const first = Math.floor(from / DAY)
      const last = Math.floor(to / DAY)
      return days.count(first, last) * times.size - below(first, from) + below(last, to)
    },
  }
}
