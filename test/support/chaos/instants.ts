import type { CronSchedule, Schedule } from '../../../src/domain/schedule.ts'

// What a schedule asks for, found by walking every second and looking at the clock: it shares no code with the product. It reads the
// expressions that the random jobs use (*, numbers, ranges, steps and lists), and knows clocks that are put back, by whole hours.

const SECOND = 1_000
const MINUTE = 60_000
const HOUR = 3_600_000

/** The nominal instants in (after, upTo], oldest first. `maxRuns` is not applied. */
export function instantsOf(schedule: Schedule, after: number, upTo: number): number[] {
  if (schedule.kind === 'once') return schedule.at > after && schedule.at <= upTo ? [schedule.at] : []
  const low = Math.max(after, (schedule.startAt ?? Number.NEGATIVE_INFINITY) - 1)
  const high = Math.min(upTo, schedule.endAt ?? Number.POSITIVE_INFINITY)
  const found: number[] = []
  if (schedule.kind === 'interval') {
    const first = schedule.anchor + Math.ceil((low + 1 - schedule.anchor) / schedule.every) * schedule.every
    for (let at = first; at <= high; at += schedule.every) found.push(at)
    return found
  }
  const matches = matcherOf(schedule)
  const step = schedule.expression.split(' ').length === 6 ? SECOND : MINUTE
  for (let at = Math.ceil((low + 1) / step) * step; at <= high; at += step) if (matches(at)) found.push(at)
  return found
}

function matcherOf({ expression, timezone, fold }: CronSchedule): (instant: number) => boolean {
  const fields = expression.split(' ')
  const [second, minute, hour, day, month, weekday] = fields.length === 6 ? fields : ['0', ...fields]
  if (day !== '*' || month !== '*') throw new Error(`the walk does not know days and months: ${expression}`)
  const clock = clockOf(timezone)
  const [seconds, minutes, hours, weekdays] = [valuesOf(second!, 59), valuesOf(minute!, 59), valuesOf(hour!, 23), valuesOf(weekday!, 6)]
  const periodic = /^\*(\/\d+)?$/.test(hour!)
  return (instant) => {
    const wall = clock(instant)
    const shown = new Date(wall)
    const fits =
      seconds.has(shown.getUTCSeconds()) &&
      minutes.has(shown.getUTCMinutes()) &&
      hours.has(shown.getUTCHours()) &&
      weekdays.has(shown.getUTCDay())
    if (!fits || periodic || fold === 'BOTH') return fits
    if (fold === 'FIRST') return clock(instant - HOUR) !== wall
    return clock(instant + HOUR) !== wall
  }
}

function valuesOf(field: string, last: number): ReadonlySet<number> {
  const values = new Set<number>()
  for (const part of field.split(',')) {
    const [range, step] = part.split('/')
    const [from, to] = range === '*' ? [0, last] : range!.split('-').map(Number)
    for (let value = from!; value <= (to ?? from!); value += Number(step ?? 1)) values.add(value)
  }
  return values
}

const clocks = new Map<string, (instant: number) => number>()

/** What the clocks of a zone show, as the milliseconds that UTC has when its clocks show the same. Asked once a minute, and remembered. */
function clockOf(zone: string): (instant: number) => number {
  const known = clocks.get(zone)
  if (known !== undefined) return known
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
  })
  const minutes = new Map<number, number>()
  const clock = (instant: number): number => {
    const minute = Math.floor(instant / MINUTE)
    let wall = minutes.get(minute)
    if (wall === undefined) {
      const [month, day, year, hour, shown] = format.format(instant).match(/\d+/g)!.map(Number)
      wall = Date.UTC(year!, month! - 1, day!, hour!, shown!)
      minutes.set(minute, wall)
    }
    return wall + (instant - minute * MINUTE)
  }
  clocks.set(zone, clock)
  return clock
}
