import { randomFillSync } from 'node:crypto'
import { idFactory } from '../../src/domain/ids.ts'
import { DEFAULT_POLICIES, type Job, type Policies, type Position } from '../../src/domain/job.ts'
import { occurrencesOf } from '../../src/domain/occurrences.ts'
import { type PlanningInput, planJob } from '../../src/domain/plan.ts'
import type { ActiveRun } from '../../src/domain/run.ts'
import type { Schedule } from '../../src/domain/schedule.ts'

/** Noon of an ordinary day, on a whole minute. */
export const NOON = Date.UTC(2026, 5, 10, 12)

const newId = idFactory((bytes) => randomFillSync(bytes))

export function everyMinute(bounds: Partial<Extract<Schedule, { kind: 'interval' }>> = {}): Schedule {
  return { kind: 'interval', every: 60_000, anchor: NOON, startAt: null, endAt: null, maxRuns: null, jitter: null, ...bounds }
}

export function jobOf(fields: Partial<Omit<Job, 'policies'>> & { policies?: Partial<Policies> } = {}): Job {
  return {
    id: 'job_00000000000000000000000000',
    name: 'minutely',
    description: null,
    tags: [],
    schedule: everyMinute(),
    revision: 1,
    target: { kind: 'handler', handler: 'noop' },
    payload: null,
    pause: null,
    version: 1,
    createdAt: NOON,
    updatedAt: NOON,
    ...fields,
    policies: { ...DEFAULT_POLICIES, ...fields.policies },
  }
}

export function positionOf(fields: Partial<Position> = {}): Position {
  return {
    jobId: 'job_00000000000000000000000000',
    version: 1,
    plannedUntil: NOON,
    wakeAt: null,
    nextRunAt: null,
    scheduledRuns: 0,
    activeRuns: 0,
    trailingVerdictId: null,
    failuresInRow: 0,
    completed: false,
    lastRunId: null,
    ...fields,
  }
}

export function activeRun(fields: Partial<ActiveRun> = {}): ActiveRun {
  return { id: newId('run', NOON), status: 'RUNNING', trigger: 'SCHEDULE', heldBy: null, dueAt: NOON, cancelRequestedAt: null, ...fields }
}

/** Plans with everything but the named parts at its plainest. */
export function planOf(
  input: { job?: Job; position?: Position; active?: readonly ActiveRun[]; now: number } & Partial<
    Pick<PlanningInput, 'maintenance' | 'closing'>
  >,
) {
  const job = input.job ?? jobOf()
  return planJob({
    job,
    position: input.position ?? positionOf(),
    active: input.active ?? [],
    now: input.now,
    occurrences: occurrencesOf(job.schedule),
    maintenance: input.maintenance ?? [],
    closing: input.closing ?? false,
    newRunId: () => newId('run', input.now),
  })
}

/** A plan's ledger in short: `RUN 12:01`, `MISSED 12:02-12:08 ×7`. */
export function ledgerOf(plan: ReturnType<typeof planJob>): string[] {
  const clock = (instant: number) => new Date(instant).toISOString().slice(11, 16)
  return plan.entries.map((entry) => {
    if (entry.kind === 'run')
      return `RUN ${clock(entry.run.scheduledFor)}${entry.run.heldBy === null ? '' : ' held'}${entry.run.coalesced === 0 ? '' : ` +${entry.run.coalesced}`}`
    const { verdict, first, last, count } = entry.span
    return first === last ? `${verdict} ${clock(first)}` : `${verdict} ${clock(first)}-${clock(last)} ×${count}`
  })
}
