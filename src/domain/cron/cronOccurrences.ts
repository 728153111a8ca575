import { DAY, type Instant, type Milliseconds } from '../instant.ts'
import { FIRST_INSTANT, LAST_INSTANT } from '../instantRange.ts'
import type { CronSchedule, Occurrences } from '../schedule.ts'
import { MEAN_YEAR, REPEATING_SINCE, type Zone, zoneOf } from '../zone/zone.ts'
import { YEARS_TO_SEE_EVERY_KIND } from './calendar.ts'
import { type ClockChangePolicies, countIn, firingIn, firstIn, lastIn } from './firing.ts'
import { type WallTimes, wallTimesOf } from './walls.ts'

/** Past REPEATING_SINCE, what does not happen within this never does: the calendar and the zones' rules follow the kinds of years. */
const LONGEST_PAUSE: Milliseconds = (YEARS_TO_SEE_EVERY_KIND + 2) * MEAN_YEAR

/**
 * An instant and the wall time that it comes from, read as an instant, are never so far apart: offsets are under 16 hours, and a gap moves
 * an instant between two of them.
 */
const BEYOND_ANY_OFFSET: Milliseconds = 2 * DAY

/**
 * The instants of a cron schedule, its bounds not applied. Wall times are matched without a zone, then mapped to instants, stretch by
 * stretch of the zone. Throws RangeError where expression or zone are unknown, as a stored schedule's never are.
 */
export function cronOccurrences(schedule: CronSchedule): Occurrences {
  const { gap, fold } = schedule
  const walls = wallTimesOf(schedule.expression, schedule.dayMatch)
  const zone = zoneOf(schedule.timezone)
  const policies = { gap, fold }
  return {
    next(after) {
      const instant = firstFrom(Math.max(after + 1, FIRST_INSTANT), walls, zone, policies)
      return instant > LAST_INSTANT ? null : instant
    },
    previous(atOrBefore) {
      const instant = lastUpTo(Math.min(atOrBefore, LAST_INSTANT), walls, zone, policies)
      return instant < FIRST_INSTANT ? null : instant
    },
    count(after, upTo) {
      const end = Math.min(upTo, LAST_INSTANT) + 1
      let count = 0
      for (let from = Math.max(after + 1, FIRST_INSTANT); from < end; ) {
        const stretch = zone.stretchAt(from)
        count += countIn(firingIn(stretch, walls, policies), from, Math.min(end, stretch.end))
        from = stretch.end
      }
      return count
    },
  }
}

/** The first instant at or after `from`, or Infinity. Stretches without a matching wall time in reach are leapt over. */
function firstFrom(from: Instant, walls: WallTimes, zone: Zone, policies: ClockChangePolicies): Instant {
  const never = Math.max(from, REPEATING_SINCE) + LONGEST_PAUSE
  let at = from
  while (at < never) {
    const stretch = zone.stretchAt(at)
    const instant = firstIn(firingIn(stretch, walls, policies), at)
    if (instant !== Number.POSITIVE_INFINITY) return instant
    at = Math.max(stretch.end, walls.atOrAfter(stretch.end - BEYOND_ANY_OFFSET) - BEYOND_ANY_OFFSET)
  }
  return Number.POSITIVE_INFINITY
}

/** The last instant at or before `upTo`, or -Infinity. */
function lastUpTo(upTo: Instant, walls: WallTimes, zone: Zone, policies: ClockChangePolicies): Instant {
  let at = upTo
  while (at >= FIRST_INSTANT) {
    const stretch = zone.stretchAt(at)
    const instant = lastIn(firingIn(stretch, walls, policies), at)
    if (instant !== Number.NEGATIVE_INFINITY) return instant
    at = Math.min(stretch.start - 1, walls.atOrBefore(stretch.start + BEYOND_ANY_OFFSET) + BEYOND_ANY_OFFSET)
    if (at > REPEATING_SINCE && at < upTo - LONGEST_PAUSE) at = REPEATING_SINCE
  }
  return Number.NEGATIVE_INFINITY
}
