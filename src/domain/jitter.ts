import type { Instant, Milliseconds } from './instant.ts'
import { LAST_INSTANT } from './instantRange.ts'
import { boundlessOccurrencesOf } from './occurrences.ts'
import type { Schedule } from './schedule.ts'

/**
 * When the occurrence `instant` of a job is due: its nominal instant plus a delay in [0, jitter]. The delay depends on the job's id and
 * the instant alone, so every process and every restart finds the same one, and it is less than the distance to the next nominal
 * instant, whatever `endAt` and `maxRuns` say, so that dueAts keep the order of their instants.
 */
export function dueAt(jobId: string, schedule: Schedule, instant: Instant): Instant {
  if (!schedule.jitter) return instant
  const longest = Math.min(schedule.jitter, distanceToNext(schedule, instant) - 1, LAST_INSTANT - instant)
  return longest <= 0 ? instant : instant + Math.floor(fraction(jobId, instant) * (longest + 1))
}

function distanceToNext(schedule: Schedule, instant: Instant): Milliseconds {
  if (schedule.kind === 'interval') return schedule.every
  const next = boundlessOccurrencesOf(schedule).next(instant)
  return next === null ? Number.POSITIVE_INFINITY : next - instant
}

/** A number in [0, 1) with 53 even bits, from two 32-bit lanes of multiply and xor (the cyrb53 hash) over the id and the instant. */
function fraction(jobId: string, instant: Instant): number {
  let a = 0xdeadbeef
  let b = 0x41c6ce57
  const mix = (value: number) => {
    a = Math.imul(a ^ value, 0x9e3779b1)
    b = Math.imul(b ^ value, 0x5f356495)
  }
  for (let index = 0; index < jobId.length; index++) mix(jobId.charCodeAt(index))
  mix(instant | 0)
  mix(Math.floor(instant / 2 ** 32))
  a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35)
  b = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35)
  return ((b & 0x1fffff) * 2 ** 32 + (a >>> 0)) / 2 ** 53
}
