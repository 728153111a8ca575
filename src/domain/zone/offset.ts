import { HOUR, type Instant, MINUTE, type Milliseconds, SECOND } from '../instant.ts'

/** Local time minus UTC at an instant, in milliseconds. */
export type OffsetAt = (instant: Instant) => Milliseconds

// A formatter takes long to make and tens of kilobytes to keep, and is needed only until a zone's changes are known.
let newest: { readonly zone: string; readonly offsetAt: OffsetAt } | null = null

/** Reads a zone's offsets from Intl, at 2 µs each: for finding clock changes only. Throws RangeError where the zone is unknown. */
export function offsetReader(zone: string): OffsetAt {
  if (newest?.zone !== zone) {
    const formatter = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset', year: 'numeric' })
    newest = { zone, offsetAt: (instant) => parseOffset(formatter.format(instant)) }
  }
  return newest.offsetAt
}

/** `2026, GMT+05:45`, `1880, GMT-04:56:02`, or `2026, GMT` for none. */
function parseOffset(text: string): Milliseconds {
  const [, sign, hours, minutes, seconds] = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(text) ?? []
  if (sign === undefined) return 0
  const offset = Number(hours) * HOUR + Number(minutes) * MINUTE + Number(seconds ?? 0) * SECOND
  return sign === '-' ? -offset : offset
}
