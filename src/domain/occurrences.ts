import { cronOccurrences } from './cron/cronOccurrences.ts'
import { DAY, type Instant } from './instant.ts'
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

/** Cuts a sequence down to the instants in (lowest, highest]; null is no border. */
export function within(all: Occurrences, lowest: Instant | null, highest: Instant | null): Occurrences {
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

/** Instants in (after, upTo]. */
export interface Gap {
  readonly after: Instant
  /** Infinity: for ever. */
  readonly upTo: Instant
}

/** Takes the instants within gaps out of a sequence. Gaps may come in any order and overlap. */
export function without(all: Occurrences, gaps: readonly Gap[]): Occurrences {
  const apart = disjoint(gaps)
  if (apart.length === 0) return all
  const around = (instant: Instant) => apart.find((gap) => instant > gap.after && instant <= gap.upTo)
  return {
    next(after) {
      for (let from = after; ; ) {
        const instant = all.next(from)
        const gap = instant === null ? undefined : around(instant)
        if (gap === undefined) return instant
        if (gap.upTo >= LAST_INSTANT) return null
        from = gap.upTo
      }
    },
    previous(atOrBefore) {
      for (let from = atOrBefore; ; ) {
        const instant = all.previous(from)
        const gap = instant === null ? undefined : around(instant)
        if (gap === undefined) return instant
        if (gap.after < FIRST_INSTANT) return null
        from = gap.after
      }
    },
    count(after, upTo) {
      if (upTo <= after) return 0
      return apart.reduce((count, gap) => count - all.count(Math.max(after, gap.after), Math.min(upTo, gap.upTo)), all.count(after, upTo))
    },
  }
}

/** In ascending order, with those that touch made one. */
function disjoint(gaps: readonly Gap[]): readonly Gap[] {
  const apart: Gap[] = []
  for (const gap of gaps.filter(({ after, upTo }) => upTo > after).sort((a, b) => a.after - b.after)) {
    const last = apart.at(-1)
    if (last !== undefined && gap.after <= last.upTo) apart[apart.length - 1] = { after: last.after, upTo: Math.max(last.upTo, gap.upTo) }
    else apart.push(gap)
  }
  return apart
}

/**
 * Cuts a sequence down to its first `most` instants after `after`. Where they end is found by counting, not by walking, and no further
 * ahead than somebody asks: the thousandth leap day is far away.
 */
export function firstOf(all: Occurrences, after: Instant, most: number): Occurrences {
  let end: Instant | null = most > 0 ? null : after
  let searchedUpTo = after
  let left = most
  let width = DAY
  /** Afterwards the last instant is known, or lies after `instant`. */
  const search = (instant: Instant) => {
    for (const border = Math.min(instant, LAST_INSTANT); end === null && searchedUpTo < border; width *= 2) {
      const upTo = Math.min(searchedUpTo + width, LAST_INSTANT)
      const count = all.count(searchedUpTo, upTo)
      if (count >= left) end = nthIn(all, searchedUpTo, upTo, left)
      left -= count
      searchedUpTo = upTo
    }
    return end ?? Number.POSITIVE_INFINITY
  }
  return {
    next(from) {
      const instant = all.next(Math.max(from, after))
      return instant === null || instant > search(instant) ? null : instant
    },
    previous(atOrBefore) {
      const instant = all.previous(Math.min(atOrBefore, search(atOrBefore)))
      return instant === null || instant <= after ? null : instant
    },
    count(from, upTo) {
      const [low, high] = [Math.max(from, after), Math.min(upTo, search(upTo))]
      return high <= low ? 0 : all.count(low, high)
    },
  }
}

/** The n-th instant in (after, upTo], which holds as many or more. */
function nthIn(all: Occurrences, after: Instant, upTo: Instant, n: number): Instant {
  let [low, high, left] = [after, upTo, n]
  while (high - low > 1) {
    const middle = low + Math.floor((high - low) / 2)
    const count = all.count(low, middle)
    if (count >= left) high = middle
    else {
      left -= count
      low = middle
    }
  }
  return high
}
