import type { Instant } from './instant.ts'

// Crockford's base 32 in lower case: readable, no i, l, o, u; ordered by bytes.
const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz'
const TIME_DIGITS = 10
const RANDOM_DIGITS = 16

export type IdPrefix = 'job' | 'run' | 'ver' | 'ins'

/**
 * Makes ids such as `run_01k…`: a ULID (https://github.com/ulid/spec) behind a word, so that they sort by time, and within one
 * millisecond by the order of their making. After a backward jump of the clock they go on from the newest time they have seen:
 * order of making wins over the clock. `random` fills an array with random bytes.
 */
export function idFactory(random: (bytes: Uint8Array) => void): (prefix: IdPrefix, now: Instant) => string {
  const entropy = new Uint8Array(RANDOM_DIGITS)
  let lastTime = -1
  let timeText = ''
  return (prefix, now) => {
    if (now > lastTime) {
      lastTime = now
      timeText = encodeTime(now)
      random(entropy)
      // The highest digit starts low, so that the count within one millisecond cannot run over.
      for (let i = 0; i < RANDOM_DIGITS; i++) entropy[i] = entropy[i]! & (i === 0 ? 15 : 31)
    } else {
      increment(entropy)
    }
    let text = `${prefix}_${timeText}`
    for (let i = 0; i < RANDOM_DIGITS; i++) text += DIGITS[entropy[i]!]
    return text
  }
}

function encodeTime(now: Instant): string {
  let rest = now
  let text = ''
  for (let i = 0; i < TIME_DIGITS; i++) {
    text = DIGITS[rest % 32] + text
    rest = Math.floor(rest / 32)
  }
  return text
}

function increment(digits: Uint8Array): void {
  for (let i = digits.length - 1; i >= 0; i--) {
    if (digits[i] !== 31) {
      digits[i] = digits[i]! + 1
      return
    }
    digits[i] = 0
  }
}

/** Whether a text could be an id of this kind at all; only the store knows whether it is one. */
export function looksLikeId(prefix: IdPrefix, text: string): boolean {
  return text.startsWith(`${prefix}_`) && text.length === prefix.length + 1 + TIME_DIGITS + RANDOM_DIGITS
}
