import { HOUR, type Milliseconds } from './instant.ts'
import type { Backoff } from './job.ts'

/** A target may ask for a later retry, but for no later one than this. */
export const MAX_RETRY_AFTER: Milliseconds = HOUR

/**
 * How long to wait after the attempt that was the `used`-th to count (from 1): exponential, capped, and with full jitter drawn from
 * [0, wait] (AWS Architecture Blog, "Exponential Backoff and Jitter", is where full jitter comes from). `random` is in [0, 1).
 */
export function backoffDelay(backoff: Backoff, used: number, random: number): Milliseconds {
  // The exponent is bounded so that a large factor gives the cap, never Infinity * 0.
  const wait = Math.min(backoff.max, backoff.initial * backoff.factor ** Math.min(used - 1, 64))
  return Math.round(backoff.jitter ? wait * random : wait)
}
