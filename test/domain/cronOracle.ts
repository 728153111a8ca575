import type { Instant } from '../../src/domain/instant.ts'
import type { FoldPolicy, GapPolicy } from '../../src/domain/schedule.ts'

// The definitions of the clock changes, applied by walking real minutes and asking Intl what the clock shows in each. It shares no code
// with the product, and is far too slow for it.

export const MINUTE = 60_000
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

/** What the clocks of a zone show, as the milliseconds that UTC has when its clocks show the same. */
export function clockOf(zone: string): (instant: Instant) => number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  return (instant) => {
    const [month, day, year, hour, minute, second] = format.format(instant).match(/\d+/g)!.map(Number)
    return Date.UTC(year!, month! - 1, day!, hour!, minute!, second!)
  }
}

/** A day on each side of which a zone's clocks were changed: the changes themselves, to within a day, since `from`. */
export function daysOfClockChanges(zone: string, from: Instant, to: Instant): Instant[] {
  const clock = clockOf(zone)
  const days: Instant[] = []
  for (let day = from; day < to; day += DAY) if (clock(day + DAY) - clock(day) !== DAY) days.push(day)
  return days
}

/** A walk over every minute of a window, remembering what the clock showed. */
export interface Walk {
  readonly instants: readonly Instant[]
  readonly walls: readonly number[]
  /** When each wall time was shown. */
  readonly shown: ReadonlyMap<number, readonly Instant[]>
  /** Every wall time from the first to the last, also those that were never shown. */
  readonly calendar: readonly number[]
}

export function walk(zone: string, from: Instant, to: Instant): Walk {
  const clock = clockOf(zone)
  const instants: Instant[] = []
  const walls: number[] = []
  const shown = new Map<number, Instant[]>()
  for (let instant = from; instant <= to; instant += MINUTE) {
    const wall = clock(instant)
    instants.push(instant)
    walls.push(wall)
    shown.set(wall, [...(shown.get(wall) ?? []), instant])
  }
  const first = Math.min(...walls)
  const calendar = Array.from({ length: (Math.max(...walls) - first) / MINUTE + 1 }, (_, index) => first + index * MINUTE)
  return { instants, walls, shown, calendar }
}

/** The instants at which the clock shows one of the wall times: those of a periodic rule. */
export function periodicInstants({ shown }: Walk, matching: readonly number[]): Instant[] {
  return matching.flatMap((wall) => shown.get(wall) ?? []).sort((a, b) => a - b)
}

/** The instants of a fixed rule that matches the wall times, by the letter of the definitions. */
export function fixedInstants({ instants, walls, shown }: Walk, matching: readonly number[], gap: GapPolicy, fold: FoldPolicy): Instant[] {
  const found = new Set<Instant>()
  for (const wall of matching) {
    const times = shown.get(wall) ?? []
    if (times.length === 1) found.add(times[0]!)
    else if (times.length > 1) {
      if (fold !== 'SECOND') found.add(times[0]!)
      if (fold !== 'FIRST') found.add(times.at(-1)!)
    } else if (gap !== 'SKIP') {
      const after = walls.findIndex((shownNow, index) => index > 0 && shownNow > wall && walls[index - 1]! < wall)
      const offsetBefore = walls[after - 1]! - instants[after - 1]!
      found.add(gap === 'FIRE_AFTER' ? instants[after]! : wall - offsetBefore)
    }
  }
  const last = instants.at(-1)!
  return [...found].filter((instant) => instant <= last).sort((a, b) => a - b)
}
