import { DAY, SECOND } from '../instant.ts'
import type { CronFields } from './fields.ts'

/** The times of a day that the time fields allow, in milliseconds since its midnight. */
export interface TimesOfDay {
  /** How many there are; at least one. */
  readonly size: number
  readonly first: number
  readonly last: number
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
    atOrAfter(time_) {
      const whole = Math.ceil(time_ / SECOND)
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
    atOrBefore(time_) {
      if (time_ < 0) return null
      const whole = Math.floor(time_ / SECOND)
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
    below(time_) {
      const whole = Math.ceil(time_ / SECOND)
      const hour = Math.floor(whole / 3_600)
      const minute = Math.floor(whole / 60) % 60
      let count = hours.below(hour) * inHour
      if (!hours.has(hour)) return count
      count += minutes.below(minute) * seconds.size
      return minutes.has(minute) ? count + seconds.below(whole % 60) : count
    },
  }
}

function time(hour: number, minute: number, second: number): number {
  return (hour * 3_600 + minute * 60 + second) * SECOND
}
