import type { Instant } from '../domain/instant.ts'
import type { Occurrences } from '../domain/occurrences.ts'

/** The first `count` instants strictly after `after`; fewer where the schedule ends before. */
export function takeInstants(occurrences: Occurrences, after: Instant, count: number): Instant[] {
  const instants: Instant[] = []
  let next = count > 0 ? occurrences.next(after) : null
  while (next !== null) {
    instants.push(next)
    next = instants.length < count ? occurrences.next(next) : null
  }
  return instants
}
