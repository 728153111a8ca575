import { randomFillSync } from 'node:crypto'
import { idFactory } from '../../src/domain/ids.ts'
import { DEFAULT_POLICIES, type Job, type Policies, type Position } from '../../src/domain/job.ts'
import type { LedgerEntry, Plan, PlannedPosition, VerdictSpan } from '../../src/domain/ledger.ts'
import type { NewRun, Outcome, RunError } from '../../src/domain/run.ts'
import type { IntervalSchedule } from '../../src/domain/schedule.ts'
import type { Engine } from '../../src/engine/engine.ts'
import type { BegunAttempt, Claim, GuardedPlan, JobWrite, NewJob, RunListFilter, RunRow, Store } from '../../src/engine/store/store.ts'

/** Noon of an ordinary day. */
export const NOON = Date.UTC(2026, 5, 10, 12)
export const MINUTE = 60_000

export const newId = idFactory((bytes) => randomFillSync(bytes))

export const minutely: IntervalSchedule = {
  kind: 'interval',
  every: MINUTE,
  anchor: NOON,
  startAt: null,
  endAt: null,
  maxRuns: null,
  jitter: null,
}

export function jobOf(overrides: Partial<Omit<Job, 'policies'>> & { readonly policies?: Partial<Policies> } = {}): Job {
  const { policies, ...rest } = overrides
  const id = overrides.id ?? newId('job', NOON)
  return {
    id,
    name: `job ${id}`,
    description: null,
    tags: [],
    schedule: minutely,
    revision: 1,
    target: { kind: 'handler', handler: 'noop' },
    payload: '{"n":1}',
    policies: { ...DEFAULT_POLICIES, ...policies },
    pause: null,
    version: 1,
    createdAt: NOON,
    updatedAt: NOON,
    ...rest,
  }
}

export function newJobOf(overrides: Parameters<typeof jobOf>[0] = {}, position: Partial<Position> = {}): NewJob {
  const job = jobOf(overrides)
  return {
    job,
    revision: { number: job.revision, schedule: job.schedule, from: job.createdAt, until: null },
    position: {
      jobId: job.id,
      version: job.version,
      plannedUntil: NOON,
      wakeAt: NOON + MINUTE,
      nextRunAt: NOON + MINUTE,
      scheduledRuns: 0,
      activeRuns: 0,
      trailingVerdictId: null,
      failuresInRow: 0,
      completed: false,
      lastRunId: null,
      ...position,
    },
  }
}

/** Stores a job and answers it. */
export async function createJob(store: Store, overrides: Parameters<typeof jobOf>[0] = {}, position: Partial<Position> = {}): Promise<Job> {
  const fresh = newJobOf(overrides, position)
  const [result] = await store.createJobs([fresh])
  if (!result?.ok) throw new Error(`the name ${fresh.job.name} is taken`)
  return fresh.job
}

/** A run of a job at an instant of its schedule; MANUAL where `occurrence` is null. */
export function runOf(job: Job, overrides: Partial<NewRun> = {}): NewRun {
  const scheduledFor = overrides.scheduledFor ?? overrides.occurrence ?? NOON + MINUTE
  return {
    id: newId('run', NOON),
    jobId: job.id,
    trigger: overrides.occurrence === null ? 'MANUAL' : 'SCHEDULE',
    occurrence: scheduledFor,
    counted: true,
    scheduledFor,
    dueAt: scheduledFor,
    queuedAt: scheduledFor,
    heldBy: null,
    priority: job.policies.priority,
    concurrencyKey: job.policies.concurrencyKey,
    maxConcurrency: job.policies.maxConcurrency,
    coalesced: 0,
    payload: job.payload,
    rerunOfId: null,
    triggeredBy: null,
    idempotencyKey: null,
    idempotencyHash: null,
    ...overrides,
  }
}

export function manualRunOf(job: Job, overrides: Partial<NewRun> = {}): NewRun {
  return runOf(job, { trigger: 'MANUAL', occurrence: null, ...overrides })
}

export function spanOf(overrides: Partial<VerdictSpan> = {}): VerdictSpan {
  const first = overrides.first ?? NOON + MINUTE
  return { verdict: 'MISSED', first, last: first, count: 1, reason: 'Too late.', runId: null, ...overrides }
}

export const runEntry = (run: NewRun): LedgerEntry => ({ kind: 'run', run })
export const spanEntry = (span: VerdictSpan): LedgerEntry => ({ kind: 'span', span })

/** A plan from a job's position as it is; it moves the position to `plannedUntil`, by default one minute on. */
export function planOf(
  position: Position,
  entries: readonly LedgerEntry[],
  overrides: Partial<Omit<Plan, 'position'>> & { readonly position?: Partial<PlannedPosition> } = {},
): GuardedPlan {
  const { position: moved, ...rest } = overrides
  const plannedUntil = moved?.plannedUntil ?? position.plannedUntil + MINUTE
  const runs = entries.filter((entry) => entry.kind === 'run').length
  return {
    from: position,
    plan: {
      jobId: position.jobId,
      revision: 1,
      entries,
      cancels: [],
      ...rest,
      position: {
        plannedUntil,
        wakeAt: plannedUntil + MINUTE,
        nextRunAt: plannedUntil + MINUTE,
        scheduledRuns: position.scheduledRuns + runs,
        completed: false,
        revisionEnds: null,
        pauseEnds: false,
        ...moved,
      },
    },
  }
}

export async function positionOf(store: Store, jobId: string): Promise<Position> {
  const row = (await store.jobRows([jobId]))[0]
  if (!row) throw new Error(`there is no job ${jobId}`)
  return row.position
}

/** Plans one run of a job as its scheduler would; answers the run. Fails where the plan was not written. */
export async function planRun(store: Store, job: Job, overrides: Partial<NewRun> = {}): Promise<NewRun> {
  const position = await positionOf(store, job.id)
  const run = runOf(job, { occurrence: position.plannedUntil + MINUTE, ...overrides })
  const [written] = await store.commitPlans([planOf(position, [runEntry(run)])], run.queuedAt)
  if (!written) throw new Error('the plan was not written')
  return run
}

export const LATER = NOON + 60 * MINUTE

export function claimAt(now: number, overrides: Partial<Claim> = {}): Claim {
  return { instanceId: 'ins_test', now, leaseUntil: now + 30_000, handlers: null, ...overrides }
}

/** Begins all that may start. */
export function beginAll(store: Store, now = LATER): Promise<readonly BegunAttempt[]> {
  return store.beginReady(claimAt(now), 1_000)
}

export const succeeded: Outcome = { kind: 'SUCCEEDED', output: null }

export function failed(overrides: Partial<RunError> = {}): Outcome {
  return {
    kind: 'FAILED',
    error: { code: 'X', message: 'no', stack: null, retryable: false, ...overrides },
    output: null,
    retryAfter: null,
  }
}

/** Ends one attempt and answers what became of its run. */
export async function settleOne(
  store: Store,
  attempt: { readonly runId: string; readonly attempt: number },
  outcome: Outcome = succeeded,
  now = LATER,
): Promise<string> {
  const [result] = await store.settle([{ runId: attempt.runId, attempt: attempt.attempt, outcome, now, random: 0.5 }])
  return result?.kind === 'settled' ? result.status : 'stale'
}

export async function runRow(store: Store, id: string): Promise<RunRow> {
  const row = await store.run(id)
  if (row === null) throw new Error(`there is no run ${id}`)
  return row
}

export async function statusOf(store: Store, id: string): Promise<string> {
  const { status, heldBy } = await runRow(store, id)
  return heldBy === null ? status : `${status} held by ${heldBy}`
}

/** A command that changes nothing of the job but what is given. */
export async function changeJob(store: Store, jobId: string, write: (job: Job) => Partial<JobWrite>): Promise<void> {
  const result = await store.changeJob(jobId, (current) =>
    current === null ? { refuse: 'gone' } : { event: null, now: LATER, ...write(current.job) },
  )
  if (result.kind !== 'written') throw new Error(`the change was not written: ${JSON.stringify(result)}`)
}

export const allRuns: RunListFilter = { jobIds: null, status: null, trigger: null, scheduledFrom: null, scheduledTo: null, tags: null }

/** Verdict rows of a job, by instant, as Prisma reads them. */
export async function verdictsOf(engine: Engine, jobId: string) {
  const rows = await engine.prisma.verdict.findMany({ where: { jobId }, orderBy: { first: 'asc' } })
  return rows.map(({ id, verdict, first, last, count, reason, revision, runId }) => ({
    id,
    verdict,
    first: first.getTime(),
    last: last.getTime(),
    count,
    reason,
    revision,
    runId,
  }))
}
