import type { Instant } from './instant.ts'
import type { NewRun, NonRunVerdict } from './run.ts'
import type { Occurrences } from './schedule.ts'

/** `count` neighbouring instants from `first` to `last`, both inclusive, that share a verdict other than RUN. */
export interface VerdictSpan {
  readonly verdict: NonRunVerdict
  readonly first: Instant
  readonly last: Instant
  readonly count: number
  readonly reason: string | null
  /** The run that COALESCED instants went into. */
  readonly runId: string | null
}

/**
 * One verdict for each due occurrence of a job, and what follows from them. A description: the engine writes it.
 * `entries` are in the order of their instants, so that the engine can extend the row before a span.
 */
export interface Plan {
  readonly jobId: string
  readonly revision: number
  readonly entries: readonly LedgerEntry[]
  /** Active runs that are asked to cancel (CANCEL_OTHER). */
  readonly cancels: readonly string[]
  readonly position: PlannedPosition
}

export type LedgerEntry = { readonly kind: 'run'; readonly run: NewRun } | { readonly kind: 'span'; readonly span: VerdictSpan }

/** The part of a Position that planning moves. */
export interface PlannedPosition {
  readonly plannedUntil: Instant
  readonly wakeAt: Instant | null
  readonly nextRunAt: Instant | null
  readonly scheduledRuns: number
  readonly completed: boolean
  /** Set where this planning ended the schedule (maxRuns): the open revision's `until`. */
  readonly revisionEnds: Instant | null
  /** True where the job's pause reached its `until`: it is removed, which is a change of the job. */
  readonly pauseEnds: boolean
}

/** Neighbouring instants that share a verdict, as the ledger keeps them: a run's own instant, or a row that several share. */
export interface LedgerRow {
  readonly verdict: 'RUN' | NonRunVerdict
  readonly first: Instant
  readonly last: Instant
  readonly count: number
  readonly reason: string | null
  /** The run of RUN, null where runs were removed by age and left this row; the run that COALESCED went into. */
  readonly runId: string | null
  /** False for a backfilled instant that no schedule had planned. */
  readonly counted: boolean
}

/**
 * The part of a row strictly between two instants; null where it has none.
 *
 * @param planned what the job's schedules have planned: it says how many instants the part has
 */
export function cutRow(row: LedgerRow, after: Instant, before: Instant, planned: () => Occurrences): LedgerRow | null {
  if (row.first > after && row.last < before) return row
  const occurrences = planned()
  const from = Math.max(row.first - 1, after)
  const upTo = Math.min(row.last, before - 1)
  const count = occurrences.count(from, upTo)
  return count === 0 ? null : { ...row, first: occurrences.next(from)!, last: occurrences.previous(upTo)!, count }
}
