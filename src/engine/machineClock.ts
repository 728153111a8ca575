import type { Clock } from './ports.ts'

/** One process, one clock: that of the machine. */
export const MACHINE_CLOCK: Clock = {
  now: () => Date.now(),
  leaseNow: () => Math.round(performance.timeOrigin + performance.now()),
  skew: () => null,
}
