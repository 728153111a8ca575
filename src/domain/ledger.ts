import { DAY, type Instant, type Milliseconds } from './instant.ts'
import type { NewRun, NonRunVerdict } from './run.ts'
import type { Occurrences } from './schedule.ts'

/**
 * No row is prolonged beyond this, so that the ledger can be cut by age row by row. What one look decides alike is one row all the same: a
 * week without a server, or a pause of a month.
 */
export const LONGEST_SHARED: Milliseconds = DAY

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

/** A part of a ledger, each kind of row in the order of instants. */
export interface LedgerPart {
  /** Runs that have an occurrence. */
  readonly runs: readonly LedgerRow[]
  /** Rows that neighbouring instants share. */
  readonly shared: readonly LedgerRow[]
}

/**
 * A part of a ledger strictly between two instants as one list in the order of instants. Rows are cut where they reach over an edge, and
 * parted by runs of instants that were never planned, and so are no part of the row that they fall into.
 *
 * @param planned what the job's schedules have planned: it says how many instants a piece of a row has
 */
export function inOrder({ runs, shared }: LedgerPart, after: Instant, before: Instant, planned: () => Occurrences): LedgerRow[] {
  const pieces = shared.flatMap((row) => {
    const borders = runs.filter(({ first }) => first > row.first && first < row.last && first > after && first < before)
    const edges = [after, ...borders.map(({ first }) => first), before]
    return edges.slice(1).flatMap((edge, i) => cut(row, edges[i]!, edge, planned))
  })
  return [...runs, ...pieces].sort((a, b) => a.first - b.first)
}

/** The piece of a row strictly between two instants; nothing where none of its instants is there. */
function cut(row: LedgerRow, after: Instant, before: Instant, planned: () => Occurrences): readonly LedgerRow[] {
  if (row.first > after && row.last < before) return [row]
  const occurrences = planned()
  const from = Math.max(row.first - 1, after)
  const upTo = Math.min(row.last, before - 1)
  const count = occurrences.count(from, upTo)
  return count === 0 ? [] : [{ ...row, first: occurrences.next(from)!, last: occurrences.previous(upTo)!, count }]
}

/** A row that instants share, as far as it must be known to take some of them out of it. */
export interface SharedRow {
  readonly id: string
  readonly verdict: LedgerRow['verdict']
  readonly first: Instant
  readonly last: Instant
}

/** What the ledger says of one instant. */
export interface LedgerMoment {
  readonly at: Instant
  readonly hasRun: boolean
  /** The row that reaches over it. It stands for the instant only if the schedule of that time had it. */
  readonly row: SharedRow | null
}

/** What is left of a row whose other instants got runs, in order; nothing where all of them did. */
export interface RowSplit {
  readonly rowId: string
  readonly parts: readonly { readonly first: Instant; readonly last: Instant; readonly count: number }[]
}

/** Whether a span may prolong the row of the instants before it: neighbours of one revision that say the same share a row, up to a length. */
export function saysTheSame(
  row: Pick<VerdictSpan, 'reason' | 'runId' | 'first'> & { readonly revision: number; readonly verdict: string },
  revision: number,
  span: VerdictSpan,
): boolean {
  return (
    row.revision === revision &&
    row.verdict === span.verdict &&
    row.reason === span.reason &&
    row.runId === span.runId &&
    span.last - row.first <= LONGEST_SHARED
  )
}
