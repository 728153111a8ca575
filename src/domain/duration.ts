import { DAY, HOUR, MINUTE, type Milliseconds, SECOND } from './instant.ts'

// Both notations write each unit at most once, largest first; only seconds take a fraction.
const ISO = /^P(?=.)(?:(\d+)W)?(?:(\d+)D)?(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:[.,](\d+))?S)?)?$/
const SHORT = /^(?=.)(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)(?:\.(\d+))?s)?(?:(\d+)ms)?$/

/**
 * Reads a length of time: ISO 8601 (`PT90S`, `P1D`, `P1W`, `PT0.25S`) or short (`90s`, `5m`, `1h30m`, `250ms`, `2d`, `1w`). Null where the
 * text is neither (months, years, signs and bare numbers are none), or is no whole number of milliseconds that a number holds exactly.
 */
export function parseDuration(text: string): Milliseconds | null {
  const parts = ISO.exec(text) ?? SHORT.exec(text)
  if (parts === null) return null
  const [, weeks, days, hours, minutes, seconds, fraction, milliseconds] = parts
  const thousandths = wholeThousandths(fraction ?? '')
  if (thousandths === null) return null
  const total =
    Number(weeks ?? 0) * 7 * DAY +
    Number(days ?? 0) * DAY +
    Number(hours ?? 0) * HOUR +
    Number(minutes ?? 0) * MINUTE +
    Number(seconds ?? 0) * SECOND +
    thousandths +
    Number(milliseconds ?? 0)
  return Number.isSafeInteger(total) ? total : null
}

/** The digits behind a decimal point, in thousandths; null where they are finer than that. */
function wholeThousandths(digits: string): number | null {
  return /^0*$/.test(digits.slice(3)) ? Number(digits.slice(0, 3).padEnd(3, '0')) : null
}

/**
 * Prints a length of time as ISO 8601 in hours, minutes and seconds: `PT24H`, `PT1M30S`, `PT0.25S`, `PT0S`. Rounded to milliseconds. A
 * length is never negative: one that a clock set back made so prints as `PT0S`.
 */
export function formatDuration(duration: Milliseconds): string {
  const total = Math.max(0, Math.round(duration))
  const hours = Math.floor(total / HOUR)
  const minutes = Math.floor((total % HOUR) / MINUTE)
  const seconds = (total % MINUTE) / SECOND
  if (total === 0) return 'PT0S'
  return `PT${hours ? `${hours}H` : ''}${minutes ? `${minutes}M` : ''}${seconds ? `${seconds}S` : ''}`
}
