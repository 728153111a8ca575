import { DAY, SECOND } from '../instant.ts'
import type { CronFields } from './fields.ts'

/** The times of a day that the time fields allow, in milliseconds since its midnight. */
export interface TimesOfDay {
  /** How many there are; at least one. */
  readonly size: number
  readonly first: number
  readonly last: number
  has(time: number): boolean
  /** The first at or after `time`, or null. */
  atOrAfter(time: number): number | null
  /** The last at or before `time`, or null. */
  atOrBefore(time: number): number | null
  /** How many are before `time`. */
  below(time: number): number
}

/** Hour, minute and second choose independently, so a time is found digit by digit, as on a clock with three hands. */
export function timesOfDay(fields: CronFields): TimesOfDay {
  const hours = hand(fields.hours, 24)
  const minutes = hand(fields.minutes, 60)
  const seconds = hand(fields.seconds, 60)
  const inHour = minutes.size * seconds.size
  return {
    size: hours.size * inHour,
    first: time(hours.first, minutes.first, seconds.first),
    last: time(hours.last, minutes.last, seconds.last),
    has(since) {
      const whole = Math.floor(since / SECOND)
      if (whole * SECOND !== since) return false
      return hours.has(Math.floor(whole / 3_600)) && minutes.has(Math.floor(whole / 60) % 60) && seconds.has(whole % 60)
    },
    atOrAfter(since) {
      const whole = Math.ceil(since / SECOND)
      if (whole >= DAY / SECOND) return null
      const hour = Math.floor(whole / 3_600)
      const minute = Math.floor(whole / 60) % 60
      if (hours.has(hour)) {
        if (minutes.has(minute)) {
          const second = seconds.atOrAfter(whole % 60)
          if (second !== null) return time(hour, minute, second)
        }
        const laterMinute = minutes.atOrAfter(minute + 1)
        if (laterMinute !== null) return time(hour, laterMinute, seconds.first)
      }
      const laterHour = hours.atOrAfter(hour + 1)
      return laterHour === null ? null : time(laterHour, minutes.first, seconds.first)
    },
    atOrBefore(since) {
      if (since < 0) return null
      const whole = Math.floor(since / SECOND)
      const hour = Math.floor(whole / 3_600)
      const minute = Math.floor(whole / 60) % 60
      if (hours.has(hour)) {
        if (minutes.has(minute)) {
          const second = seconds.atOrBefore(whole % 60)
          if (second !== null) return time(hour, minute, second)
        }
        const earlierMinute = minutes.atOrBefore(minute - 1)
        if (earlierMinute !== null) return time(hour, earlierMinute, seconds.last)
      }
      const earlierHour = hours.atOrBefore(hour - 1)
      return earlierHour === null ? null : time(earlierHour, minutes.last, seconds.last)
    },
    below(since) {
      const whole = Math.ceil(since / SECOND)
      const hour = Math.floor(whole / 3_600)
      const minute = Math.floor(whole / 60) % 60
      let count = hours.below(hour) * inHour
      if (!hours.has(hour)) return count
      count += minutes.below(minute) * seconds.size
      return minutes.has(minute) ? count + seconds.below(whole % 60) : count
    },
  }
}

/** The allowed positions of one hand. */
interface Hand {
  readonly size: number
  readonly first: number
  readonly last: number
  has(position: number): boolean
  atOrAfter(position: number): number | null
  atOrBefore(position: number): number | null
  /** How many allowed positions are lower. */
  below(position: number): number
}

function hand(allowed: readonly number[], positions: number): Hand {
  const lower = new Uint8Array(positions + 2) // up to the position behind the last, where a search may end
  for (const position of allowed) lower.fill((lower[position + 1] as number) + 1, position + 1)
  const below = (position: number) => lower[position] as number
  return {
    size: allowed.length,
    first: allowed[0] as number,
    last: allowed.at(-1) as number,
    has: (position) => below(position + 1) > below(position),
    atOrAfter: (position) => allowed[below(position)] ?? null,
    atOrBefore: (position) => allowed[below(position + 1) - 1] ?? null,
    below,
  }
}

function time(hour: number, minute: number, second: number): number {
  return (hour * 3_600 + minute * 60 + second) * SECOND
}
