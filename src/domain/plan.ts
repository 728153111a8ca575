import type { Instant } from './instant.ts'
import { dueAt } from './jitter.ts'
import type { Job, Pause, Position } from './job.ts'
import type { LedgerEntry, Plan, PlannedPosition, VerdictSpan } from './ledger.ts'
import { endsAfter } from './maintenance.ts'
import { decideMisfires, type MisfireDecision, type Stretch } from './misfire.ts'
import type { Occurrences } from './occurrences.ts'
import { type Admission, admitScheduled, occupancyUnder, occupy } from './overlap.ts'
import type { ActiveRun, NewRun, NonRunVerdict } from './run.ts'

export interface PlanningInput {
  readonly job: Job
  readonly position: Position
  /** Runs of the job that are not final; read only where the overlap policy looks at them. */
  readonly active: readonly ActiveRun[]
  readonly now: Instant
  /** Of the job's schedule. */
  readonly occurrences: Occurrences
  /** Pauses of the whole scheduling, all that may touch what is undecided; the job's own is taken from the job. */
  readonly maintenance: readonly Pause[]
  /** A command is about to change the job: every nominal instant up to `now` gets its verdict, though its jitter may not be over. */
  readonly closing: boolean
  readonly newRunId: () => string
}

/**
 * Gives exactly one verdict to every due occurrence of a job, and says when to look again. Pure: the scheduler, every command that
 * changes a job, and tests call it alike.
 *
 * Steps: which instants are to decide → without the paused → the misfire policy → the overlap policy → where the job stands then.
 */
export function planJob(input: PlanningInput): Plan {
  const { job, position, now, closing } = input
  const newest = position.completed ? null : newestToDecide(input)
  const due = newest === null ? [] : [{ after: position.plannedUntil, upTo: newest }]
  const windows = [
    ...(job.pause === null ? [] : [{ ...job.pause, reason: pausedReason(job.pause) }]),
    ...input.maintenance
      .filter((pause) => endsAfter(pause, position.plannedUntil))
      .map((pause) => ({ ...pause, reason: `Scheduling paused: ${pause.note}` })),
  ]
  const { running, paused } = splitByPauses(due, windows)
  const misfires = decideMisfires(running, job.policies, input.occurrences, (instant) => dueAt(job.id, job.schedule, instant), now)
  const fired = fire(input, misfires)

  const spans = [
    ...paused.map(({ stretch, reason }) => spanOf(input, stretch, 'SKIPPED_PAUSED', reason)),
    ...misfires.missed.map(({ stretch, reason }) => spanOf(input, stretch, 'MISSED', reason)),
    ...misfires.coalesced.map((stretch) =>
      spanOf(input, stretch, fired.coalescedAs.verdict, fired.coalescedAs.reason, fired.coalescedAs.runId),
    ),
    ...fired.skipped,
  ].filter((span) => span !== null)
  // A command that comes to a schedule which has just ended makes its change now, not at the end: a new schedule begins with what is to come.
  const plannedUntil = closing ? Math.max(position.plannedUntil, now) : (fired.endsAt ?? newest ?? position.plannedUntil)
  const pauseEnds = job.pause !== null && pauseIsOver(job.pause, now)

  return {
    jobId: job.id,
    revision: job.revision,
    entries: inOrder(fired.runs, spans, fired.endsAt),
    cancels: fired.cancels,
    position: {
      plannedUntil,
      scheduledRuns: position.scheduledRuns + fired.runs.length,
      revisionEnds: fired.endsAt,
      pauseEnds,
      ...standing({
        job: pauseEnds ? { ...job, pause: null } : job,
        occurrences: input.occurrences,
        plannedUntil,
        ended: position.completed || fired.endsAt !== null,
      }),
    },
  }
}

/** When the planner must look at a job again, and what users see as its next fire. */
export function standing(input: {
  readonly job: Pick<Job, 'id' | 'schedule' | 'pause'>
  readonly occurrences: Occurrences
  readonly plannedUntil: Instant
  /** The schedule has ended although the expression goes on: maxRuns. */
  readonly ended: boolean
}): Pick<PlannedPosition, 'wakeAt' | 'nextRunAt' | 'completed'> {
  const { job, occurrences, plannedUntil } = input
  const next = input.ended ? null : occurrences.next(plannedUntil)
  if (next === null) return { wakeAt: null, nextRunAt: null, completed: true }
  if (job.pause === null) {
    const at = dueAt(job.id, job.schedule, next)
    return { wakeAt: at, nextRunAt: at, completed: false }
  }
  // A paused job sleeps until its pause ends, or until its last instant has passed: then it is COMPLETED.
  const { until } = job.pause
  const afterPause = until === null ? null : occurrences.next(Math.max(plannedUntil, until - 1))
  const wakes = [until, lastDueAt(job, occurrences)].filter((at) => at !== null)
  return {
    wakeAt: wakes.length === 0 ? null : Math.min(...wakes),
    nextRunAt: afterPause === null ? null : dueAt(job.id, job.schedule, afterPause),
    completed: false,
  }
}

/**
 * The newest instant whose verdict is to be given now. Only the newest of all can still be waiting for its jitter to pass; one within a
 * pause that is over does not wait, for with the end of the pause nothing is left that says it was paused.
 */
function newestToDecide({ job, position, now, occurrences, closing }: PlanningInput): Instant | null {
  const newest = occurrences.previous(now)
  if (newest === null || newest <= position.plannedUntil) return null
  if (closing || dueAt(job.id, job.schedule, newest) <= now) return newest
  if (job.pause !== null && pauseIsOver(job.pause, now) && newest < job.pause.until) return newest
  const before = occurrences.previous(newest - 1)
  return before !== null && before > position.plannedUntil ? before : null
}

function pauseIsOver(pause: Pause, now: Instant): pause is Pause & { readonly until: Instant } {
  return pause.until !== null && now >= pause.until
}

/** Instants strictly between `since` and `until` are skipped; `until` null: all from then on. */
interface PauseWindow extends Pick<Pause, 'since' | 'until'> {
  readonly reason: string
}

/** Of SKIPPED_PAUSED, where the job itself was paused. */
export function pausedReason({ note }: Pause): string {
  return `Paused: ${note}`
}

interface PausedStretch {
  readonly stretch: Stretch
  readonly reason: string
}

function splitByPauses(
  due: readonly Stretch[],
  windows: readonly PauseWindow[],
): { running: readonly Stretch[]; paused: readonly PausedStretch[] } {
  let running = due
  const paused: PausedStretch[] = []
  for (const window of windows) {
    const untilInclusive = window.until === null ? Number.POSITIVE_INFINITY : window.until - 1
    running = running.flatMap(({ after, upTo }) => {
      const stretch = { after: Math.max(after, window.since), upTo: Math.min(upTo, untilInclusive) }
      if (stretch.upTo <= stretch.after) return [{ after, upTo }]
      paused.push({ stretch, reason: window.reason })
      return [
        { after, upTo: stretch.after },
        { after: stretch.upTo, upTo },
      ].filter((part) => part.upTo > part.after)
    })
  }
  return { running, paused }
}

interface Fired {
  readonly runs: readonly NewRun[]
  readonly skipped: readonly (VerdictSpan | null)[]
  readonly cancels: readonly string[]
  /** What became of the instants that were coalesced into the newest one: its run, or the verdict that kept it from running. */
  readonly coalescedAs: { readonly verdict: NonRunVerdict; readonly reason: string | null; readonly runId: string | null }
  /** The instant of the run that was the last of maxRuns. */
  readonly endsAt: Instant | null
}

/** Hands the instants that fire to the overlap policy, oldest first, until maxRuns is reached. */
function fire(input: PlanningInput, misfires: MisfireDecision): Fired {
  const { job, position } = input
  const maxRuns = job.schedule.kind === 'once' ? null : job.schedule.maxRuns
  let occupancy = occupancyUnder(job.policies.overlap, input)
  const runs: NewRun[] = []
  const skipped: (VerdictSpan | null)[] = []
  const cancels: string[] = []
  let coalescedAs: Fired['coalescedAs'] = { verdict: 'COALESCED', reason: null, runId: null }
  const coalesced = misfires.coalesced.reduce((sum, { after, upTo }) => sum + input.occurrences.count(after, upTo), 0)

  for (const instant of misfires.fires) {
    const admission = admitScheduled(job.policies.overlap, occupancy)
    if (admission.kind === 'skip') {
      skipped.push(spanOf(input, { after: instant - 1, upTo: instant }, admission.verdict, admission.reason))
      coalescedAs = { verdict: admission.verdict, reason: admission.reason, runId: null }
      continue
    }
    if (admission.kind === 'replace') cancels.push(...input.active.map((run) => run.id))
    const run = scheduledRun(input, instant, admission, coalesced)
    runs.push(run)
    coalescedAs = { verdict: 'COALESCED', reason: null, runId: run.id }
    occupancy = occupy(occupancy, admission)
    if (maxRuns !== null && position.scheduledRuns + runs.length >= maxRuns) return { runs, skipped, cancels, coalescedAs, endsAt: instant }
  }
  return { runs, skipped, cancels, coalescedAs, endsAt: null }
}

function scheduledRun({ job, now, newRunId }: PlanningInput, instant: Instant, admission: Admission, coalesced: number): NewRun {
  return {
    id: newRunId(),
    jobId: job.id,
    trigger: 'SCHEDULE',
    occurrence: instant,
    counted: true,
    scheduledFor: instant,
    dueAt: dueAt(job.id, job.schedule, instant),
    queuedAt: now,
    heldBy: admission.kind === 'start' ? null : 'OVERLAP',
    priority: job.policies.priority,
    concurrencyKey: job.policies.concurrencyKey,
    maxConcurrency: job.policies.maxConcurrency,
    coalesced,
    payload: job.payload,
    rerunOfId: null,
    triggeredBy: null,
    idempotencyKey: null,
    idempotencyHash: null,
  }
}

function spanOf(
  { occurrences }: PlanningInput,
  { after, upTo }: Stretch,
  verdict: NonRunVerdict,
  reason: string | null,
  runId: string | null = null,
): VerdictSpan | null {
  const count = occurrences.count(after, upTo)
  if (count === 0) return null
  return { verdict, first: occurrences.next(after)!, last: occurrences.previous(upTo)!, count, reason, runId }
}

/** Ledger entries by instant. After the instant that ended the schedule there are no occurrences, hence no verdicts. */
function inOrder(runs: readonly NewRun[], spans: readonly VerdictSpan[], endsAt: Instant | null): readonly LedgerEntry[] {
  const entries: LedgerEntry[] = [
    ...runs.map((run) => ({ kind: 'run' as const, run })),
    ...spans.map((span) => ({ kind: 'span' as const, span })),
  ]
  const firstOf = (entry: LedgerEntry) => (entry.kind === 'run' ? entry.run.scheduledFor : entry.span.first)
  return entries.filter((entry) => endsAt === null || firstOf(entry) <= endsAt).sort((a, b) => firstOf(a) - firstOf(b))
}

/** The dueAt of the last instant a schedule will ever have, or null where it is without end. */
function lastDueAt(job: Pick<Job, 'id' | 'schedule'>, occurrences: Occurrences): Instant | null {
  const { schedule } = job
  const bound = schedule.kind === 'once' ? schedule.at : schedule.endAt
  const last = bound === null ? null : occurrences.previous(bound)
  return last === null ? null : dueAt(job.id, schedule, last)
}
