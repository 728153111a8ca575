import type { Instant } from './instant.ts'
import { dueAt } from './jitter.ts'
import type { Job, OverlapPolicy } from './job.ts'
import type { LedgerMoment, RowSplit, SharedRow } from './ledger.ts'
import type { Occurrences } from './occurrences.ts'
import { type Admission, admitManual, occupancyOf, occupy } from './overlap.ts'
import type { ActiveRun, NewRun } from './run.ts'

export interface BackfillInput {
  readonly job: Job
  /** Runs of the job that are not final. */
  readonly active: readonly ActiveRun[]
  /** Runs that this backfill has made already: under CANCEL_OTHER they are not cancelled for its next ones. */
  readonly own: ReadonlySet<string>
  /** What the ledger says of the instants asked for, oldest first. All of them have been decided. */
  readonly moments: readonly LedgerMoment[]
  /** What all schedules of the job had planned. */
  readonly planned: Occurrences
  readonly overlap: OverlapPolicy
  readonly by: string
  readonly now: Instant
  readonly newRunId: () => string
}

export interface Backfill {
  readonly runs: readonly NewRun[]
  readonly cancels: readonly string[]
  readonly splits: readonly RowSplit[]
}

/**
 * Gives instants the runs that they never had, as far as the overlap policy lets it. One that had another verdict leaves the row it
 * shared; one that no schedule had planned becomes a run that the audit does not count.
 */
export function planBackfill(input: BackfillInput): Backfill {
  const { active, own, moments, planned, overlap } = input
  let occupancy = occupancyOf(active)
  const runs: NewRun[] = []
  const cancels = new Set<string>()
  const leaving = new Map<string, { readonly row: SharedRow; readonly instants: Instant[] }>()
  for (const { at, hasRun, row } of moments) {
    const counted = planned.count(at - 1, at) > 0
    if (hasRun || (counted && row?.verdict === 'RUN')) continue
    const admission = admitManual(overlap, occupancy)
    if (admission.kind === 'skip') continue
    if (admission.kind === 'replace') for (const run of active) if (!own.has(run.id)) cancels.add(run.id)
    runs.push(backfilledRun(input, at, admission, counted))
    occupancy = occupy(occupancy, admission)
    if (!counted || row === null) continue
    const group = leaving.get(row.id) ?? { row, instants: [] }
    group.instants.push(at)
    leaving.set(row.id, group)
  }
  return { runs, cancels: [...cancels], splits: [...leaving.values()].map(({ row, instants }) => split(row, instants, planned)) }
}

function backfilledRun({ job, now, by, newRunId }: BackfillInput, at: Instant, admission: Admission, counted: boolean): NewRun {
  return {
    id: newRunId(),
    jobId: job.id,
    trigger: 'BACKFILL',
    occurrence: at,
    counted,
    scheduledFor: at,
    dueAt: dueAt(job.id, job.schedule, at),
    queuedAt: now,
    heldBy: admission.kind === 'start' ? null : 'OVERLAP',
    priority: job.policies.priority,
    concurrencyKey: job.policies.concurrencyKey,
    maxConcurrency: job.policies.maxConcurrency,
    coalesced: 0,
    payload: job.payload,
    rerunOfId: null,
    triggeredBy: by,
    idempotencyKey: null,
    idempotencyHash: null,
  }
}

/** What is left of a row when some of its instants, oldest first, have left it. */
function split(row: SharedRow, leaving: readonly Instant[], planned: Occurrences): RowSplit {
  const edges = [row.first - 1, ...leaving, row.last + 1]
  const parts = edges.slice(1).flatMap((before, i) => {
    const after = edges[i]!
    const count = planned.count(after, before - 1)
    return count === 0 ? [] : [{ first: planned.next(after)!, last: planned.previous(before - 1)!, count }]
  })
  return { rowId: row.id, parts }
}
