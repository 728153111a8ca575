import type { Instant } from './instant.ts'
import { type Occurrences, occurrencesOfRevision } from './occurrences.ts'
import type { Revision } from './schedule.ts'

/**
 * All that a job's schedules have ever planned, as one sequence: the instants of its revisions, oldest first. Revisions follow each
 * other in time and never overlap, so an instant belongs to one of them at most.
 */
export function plannedBy(revisions: readonly Revision[]): Occurrences {
  const made: Occurrences[] = []
  const of = (index: number): Occurrences => {
    made[index] ??= occurrencesOfRevision(revisions[index]!)
    return made[index]
  }
  /** The first revision that has an instant after `instant` to govern; their number where there is none. */
  const firstBeyond = (instant: Instant): number => {
    let low = 0
    let high = revisions.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((revisions[middle]!.until ?? Number.POSITIVE_INFINITY) > instant) high = middle
      else low = middle + 1
    }
    return low
  }
  return {
    next(after) {
      for (let i = firstBeyond(after); i < revisions.length; i++) {
        const instant = of(i).next(after)
        if (instant !== null) return instant
      }
      return null
    },
    previous(atOrBefore) {
      for (let i = Math.min(firstBeyond(atOrBefore), revisions.length - 1); i >= 0; i--) {
        const instant = of(i).previous(atOrBefore)
        if (instant !== null) return instant
      }
      return null
    },
    count(after, upTo) {
      let count = 0
      for (let i = firstBeyond(after); i < revisions.length && revisions[i]!.from < upTo; i++) count += of(i).count(after, upTo)
      return count
    },
  }
}
