import type { Instant } from './instant.ts'

// Instants have a year of four digits, as RFC 3339 writes them. Whatever a schedule would yield outside does not exist.

/** 0000-01-01T00:00:00.000Z */
export const FIRST_INSTANT: Instant = -62_167_219_200_000

/** 9999-12-31T23:59:59.999Z */
export const LAST_INSTANT: Instant = 253_402_300_799_999

export function isInstant(value: number): value is Instant {
  return Number.isInteger(value) && value >= FIRST_INSTANT && value <= LAST_INSTANT
}
