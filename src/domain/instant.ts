/** A moment, in milliseconds since 1970-01-01T00:00:00Z. All instants of the product are UTC with millisecond precision. */
export type Instant = number

/** A length of time in milliseconds. */
export type Milliseconds = number

export const SECOND: Milliseconds = 1_000
export const MINUTE: Milliseconds = 60 * SECOND
export const HOUR: Milliseconds = 60 * MINUTE
export const DAY: Milliseconds = 24 * HOUR

/** The instant as RFC 3339 in UTC with milliseconds, as all answers and logs print it. */
export function toIso(instant: Instant): string {
  return new Date(instant).toISOString()
}
