import { cronOccurrences } from './cron/cronOccurrences.ts'
import type { Instant } from './instant.ts'
import { FIRST_INSTANT, LAST_INSTANT } from './instantRange.ts'
import type { IntervalSchedule, Occurrences, OnceSchedule, Revision, Schedule } from './schedule.ts'

export type { Occurrences } from './schedule.ts'

/** The instants of a schedule within its `startAt` and `endAt`. `maxRuns` and the revision's borders are not applied. */
export function occurrencesOf(schedule: Schedule): Occurrences {
  const instants = boundlessOccurrencesOf(schedule)
  if (schedule.kind === 'once') return instants
  return within(instants, schedule.startAt === null ? null : schedule.startAt - 1, schedule.endAt)
}

/** The instants that a revision governs: those of its schedule strictly after `from`, up to and including `until`. */
export function occurrencesOfRevision(revision: Revision): Occurrences {
  return within(occurrencesOf(revision.schedule), revision.from, revision.until)
}

/** The instants of a schedule as if it had neither `startAt` nor `endAt`: what jitter measures its distances by. */
export function boundlessOccurrencesOf(schedule: Schedule): Occurrences {
  switch (schedule.kind) {
    case 'interval':
      return within(intervalOccurrences(schedule), FIRST_INSTANT - 1, LAST_INSTANT)
    case 'once':
      return onceOccurrences(schedule)
    case 'cron':
      return cronOccurrences(schedule)
  }
}

/** `anchor + n * every` for every whole n, by remainders, which are exact for whole milliseconds. */
function intervalOccurrences({ anchor, every }: IntervalSchedule): Occurrences {
  const atOrBefore = (instant: Instant): Instant => {
    const remainder = (instant - anchor) % every
    return instant - (remainder < 0 ? remainder + every : remainder)
  }
  return {
    next: (after) => atOrBefore(after) + every,
    previous: atOrBefore,
    count: (after, upTo) => (upTo <= after ? 0 : (atOrBefore(upTo) - atOrBefore(after)) / every),
  }
}

function onceOccurrences({ at }: OnceSchedule): Occurrences {
  return {
    next: (after) => (at > after ? at : null),
    previous: (atOrBefore) => (at <= atOrBefore ? at : null),
    count: (after, upTo) => (at > after && at <= upTo ? 1 : 0),
  }
}

/** Cuts a sequence down to the instants in (after, upTo]; null is no border. */
function within(all: Occurrences, lowest: Instant | null, highest: Instant | null): Occurrences {
  if (lowest === null && highest === null) return all
  const low = lowest ?? Number.NEGATIVE_INFINITY
  const high = highest ?? Number.POSITIVE_INFINITY
  return {
    next(after) {
      const instant = all.next(Math.max(after, low))
      return instant === null || instant > high ? null : instant
    },
    previous(atOrBefore) {
      const instant = all.previous(Math.min(atOrBefore, high))
      return instant === null || instant <= low ? null : instant
    },
    count(after, upTo) {
      const from = Math.max(after, low)
      const to = Math.min(upTo, high)
      return to <= from ? 0 : all.count(from, to)
    },
  }
}
