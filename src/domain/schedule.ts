import type { Instant, Milliseconds } from './instant.ts'

/** How a restricted day-of-month and a restricted day-of-week combine: either (the crontab reading) or both. */
export const DAY_MATCHES = ['ANY', 'ALL'] as const
export type DayMatch = (typeof DAY_MATCHES)[number]

/** What a fixed wall time does that a clock change skips. */
export const GAP_POLICIES = ['FIRE_AFTER', 'SHIFT', 'SKIP'] as const
export type GapPolicy = (typeof GAP_POLICIES)[number]

/** What a fixed wall time does that a clock change repeats. */
export const FOLD_POLICIES = ['FIRST', 'SECOND', 'BOTH'] as const
export type FoldPolicy = (typeof FOLD_POLICIES)[number]

/** Bounds that intervals and crons share. `startAt` and `endAt` are inclusive and concern nominal instants. */
export interface ScheduleBounds {
  readonly startAt: Instant | null
  readonly endAt: Instant | null
  /** Runs with trigger SCHEDULE after which the schedule ends. */
  readonly maxRuns: number | null
  /** Longest delay added to a nominal instant. */
  readonly jitter: Milliseconds | null
}

/** Instants `anchor + n * every`, in elapsed time; the first is the first one strictly after the revision's `from`. */
export interface IntervalSchedule extends ScheduleBounds {
  readonly kind: 'interval'
  readonly every: Milliseconds
  readonly anchor: Instant
}

/** Wall-clock matches of an expression in a time zone, mapped to instants by the two policies. */
export interface CronSchedule extends ScheduleBounds {
  readonly kind: 'cron'
  /** As given by the user: 5 or 6 fields, or one of the @ names. */
  readonly expression: string
  /** IANA name, as given. */
  readonly timezone: string
  readonly dayMatch: DayMatch
  readonly gap: GapPolicy
  readonly fold: FoldPolicy
}

/** A single instant. */
export interface OnceSchedule {
  readonly kind: 'once'
  readonly at: Instant
  readonly jitter: Milliseconds | null
}

/** The rule that yields nominal instants. Stored as JSON; plain data only. */
export type Schedule = IntervalSchedule | CronSchedule | OnceSchedule

/** A schedule as it stood for a time: it governs the instants strictly after `from`, up to and including `until`. */
export interface Revision {
  readonly number: number
  readonly schedule: Schedule
  readonly from: Instant
  readonly until: Instant | null
}

/**
 * The nominal instants of a schedule as a strictly increasing sequence that is never enumerated. Objects are small, hold no position
 * and may be kept and shared for as long as the caller likes. All arguments are whole milliseconds.
 */
export interface Occurrences {
  /** The first instant strictly after `after`, or null where there is none up to the end of the year 9999. */
  next(after: Instant): Instant | null
  /** The last instant at or before `atOrBefore`, or null where there is none. */
  previous(atOrBefore: Instant): Instant | null
  /** How many instants lie in (after, upTo]: by arithmetic, whatever the width of the window. */
  count(after: Instant, upTo: Instant): number
}
