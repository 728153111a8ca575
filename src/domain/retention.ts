import { DAY, HOUR, type Instant, type Milliseconds } from './instant.ts'
import { LONGEST_SHARED } from './ledger.ts'
import type { RunStatus } from './run.ts'
import type { Occurrences } from './schedule.ts'

// What is kept how long. Which runs of a job are its newest, the store tells; what age says, is decided here.

/** How long the ledger is kept, and with it the revisions that it is read by and the commands on jobs. */
export const LEDGER_KEPT: Milliseconds = 400 * DAY
/** Figures by the minute, before they are summed up by the hour. */
export const MINUTES_KEPT: Milliseconds = 8 * DAY
/** Figures by the hour: the longest window, and a day more for the hour in which it begins. */
export const HOURS_KEPT: Milliseconds = 91 * DAY
/** An idempotency key holds for so long, and the run that it stands on stays with it. */
export const KEY_KEPT: Milliseconds = DAY

/** Which finished runs go: those past their time, and those beyond the newest so many of their job; but some always stay. */
export interface RetentionRules {
  /** SUCCEEDED and CANCELLED ones, from their end. */
  readonly succeededFor: Milliseconds
  /** FAILED and TIMED_OUT ones, from their end. */
  readonly failedFor: Milliseconds
  readonly mostOfJob: number
  readonly alwaysOfJob: number
}

/** A run that is not among those of its job that always stay. */
export interface KeptRun {
  readonly status: RunStatus
  readonly queuedAt: Instant
  readonly finishedAt: Instant | null
  readonly holdsKey: boolean
}

/**
 * From when on a run may go; null while nobody can say, because it has not ended.
 *
 * @param beyondMost it is not among the newest `mostOfJob` of its job
 */
export function mayGoAt(run: KeptRun, beyondMost: boolean, { succeededFor, failedFor }: RetentionRules): Instant | null {
  if (run.finishedAt === null) return null
  const failed = run.status === 'FAILED' || run.status === 'TIMED_OUT'
  const byAge = beyondMost ? run.finishedAt : run.finishedAt + (failed ? failedFor : succeededFor)
  return run.holdsKey ? Math.max(byAge, run.queuedAt + KEY_KEPT) : byAge
}

/** The ledger before this instant may go. By the hour, so that where it begins does not move under every audit. */
export function ledgerKeptFrom(now: Instant): Instant {
  return Math.floor((now - LEDGER_KEPT) / HOUR) * HOUR
}

/** Neighbouring instants of one revision whose runs were removed. */
export interface RunSpan {
  readonly revision: number
  readonly first: Instant
  readonly last: Instant
  readonly count: number
}

/** The revision of an instant, and the instants that it governs. */
export interface GoverningRevision {
  readonly number: number
  readonly occurrences: Occurrences
}

/**
 * Puts the instants of removed runs, in their order, into as few spans as the ledger allows. An instant from before all revisions that are
 * kept leaves nothing: the ledger does not reach back to it.
 */
export function spansOfRuns(instants: readonly Instant[], governing: (instant: Instant) => GoverningRevision | null): readonly RunSpan[] {
  const spans: RunSpan[] = []
  for (const instant of instants) {
    const revision = governing(instant)
    if (revision === null) continue
    const one = { revision: revision.number, first: instant, last: instant, count: 1 }
    const last = spans.at(-1)
    if (last !== undefined && mayJoin(last, one, revision.occurrences)) spans[spans.length - 1] = joined(last, one)
    else spans.push(one)
  }
  return spans
}

/** Whether two spans, the earlier one first, can share a row: nothing lies between them, and the row does not grow too long to be cut by age. */
export function mayJoin(a: RunSpan, b: RunSpan, occurrences: Occurrences): boolean {
  return a.revision === b.revision && b.last - a.first <= LONGEST_SHARED && occurrences.next(a.last) === b.first
}

export function joined(a: RunSpan, b: RunSpan): RunSpan {
  return { revision: a.revision, first: a.first, last: b.last, count: a.count + b.count }
}
