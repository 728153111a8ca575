import type { Instant, Milliseconds } from '../../domain/instant.ts'
import type { Job, JobState, Policies, Position, Target } from '../../domain/job.ts'
import type { Plan } from '../../domain/ledger.ts'
import type { ActiveRun, AttemptStatus, LogLevel, NewRun, Outcome, RunError, RunStatus, RunTrigger } from '../../domain/run.ts'
import type { Revision } from '../../domain/schedule.ts'

/**
 * The durable record, in the words of the domain. One contract suite (test/engine) holds for every engine.
 *
 * - Verbs are plural and cost one transaction a batch; calls made in the same turn of the loop share one commit, and an error of one
 *   is answered to that caller alone.
 * - A promise resolves only after the commit is durable.
 * - Pure functions given to a verb run inside its transaction: they must be synchronous, free of effects, and may run again.
 * - Every change of a run and every command on a job takes the next position of the one stream of changes, in commit order.
 * - After a commit the engine sends hints over its bus; hints carry no truth.
 */
export interface Store {
  // ------------------------------------------------------------------ commands

  /** Stores new jobs, each with its first revision and position. A name that lives already answers `name-taken` with its job. */
  createJobs(jobs: readonly NewJob[]): Promise<readonly CreateResult[]>

  /**
   * Reads a job with its position and active runs, lets `decide` say what to write, and writes it, in one transaction in which nobody
   * else changes that job. `decide` gets null where no such job lives.
   */
  changeJob<Refusal>(
    jobId: string,
    decide: (current: JobSnapshot | null) => JobWrite | { readonly refuse: Refusal },
    /** Reads the run that holds this key into the snapshot's `idempotent`. */
    options?: { readonly idempotencyKey: string | null },
  ): Promise<ChangeResult<Refusal>>

  /** As changeJob, for one run and its job. `decide` gets null where no such run is, or its job was deleted. */
  changeRun<Refusal>(
    runId: string,
    decide: (current: RunSnapshot | null) => RunWrite | { readonly refuse: Refusal },
  ): Promise<RunChangeResult<Refusal>>

  // ------------------------------------------------------------------ planning

  /** Positions with `wakeAt` at or before `now`, earliest first. */
  duePositions(now: Instant, limit: number): Promise<readonly Position[]>
  /** The earliest `wakeAt` of all living jobs. */
  nextWakeAt(): Promise<Instant | null>
  /** Jobs by id, in no order; those that do not live are left out. */
  jobsById(ids: readonly string[]): Promise<readonly Job[]>
  /** The active runs of these jobs, by job id, earliest due first. */
  activeRuns(jobIds: readonly string[]): Promise<ReadonlyMap<string, readonly ActiveRun[]>>
  /**
   * Writes plans. Each is guarded by the position it was made from (`plannedUntil`, `version`, `activeRuns`): where that has moved,
   * nothing of the plan is written and it answers false; somebody else planned it or the job changed, a normal answer.
   * Runs that may start and that this process has room for are begun in the same commit, where the engine can.
   */
  commitPlans(plans: readonly GuardedPlan[], now: Instant): Promise<readonly boolean[]>

  // ------------------------------------------------------------------ running

  /** Begins up to `limit` runs that may start now: QUEUED, not held, due; and RETRYING ones whose wait is over. Highest priority first, then dueAt. */
  beginReady(claim: Claim, limit: number): Promise<readonly BegunAttempt[]>
  /** When the next waiting run may start: the least dueAt of QUEUED unheld and nextAttemptAt of RETRYING runs. */
  nextReadyAt(): Promise<Instant | null>
  /** Prolongs leases. `false`: the attempt is not this claim's any more. `cancel`: its run was asked to cancel. */
  renewLeases(
    attempts: readonly AttemptKey[],
    instanceId: string,
    leaseUntil: Instant,
  ): Promise<readonly { readonly held: boolean; readonly cancel: boolean }[]>
  /**
   * Ends attempts: reads each run, lets domain/settle decide, and writes it fenced by the attempt. Releases held runs, moves the job's
   * position and the figures of the minute in the same transaction. An attempt that is not RUNNING any more answers `stale`, unchanged.
   */
  settle(reports: readonly AttemptReport[]): Promise<readonly SettleResult[]>
  /** RUNNING attempts whose lease ran out before `now`, or all of them where `everything` (one process holds the database and just started). */
  lostAttempts(query: { readonly now: Instant; readonly everything: boolean; readonly limit: number }): Promise<readonly AttemptKey[]>
  /** RUNNING attempts of runs asked to cancel before `askedBefore`, whoever holds them. */
  overdueCancels(askedBefore: Instant, limit: number): Promise<readonly AttemptKey[]>
  /** Appends log lines, in order. The store numbers them within their run. Lines of a run that is gone are dropped. */
  appendLogs(lines: readonly NewLogLine[]): Promise<void>
  /** Sets progress, 0..100, of attempts still RUNNING. */
  setProgress(updates: readonly (AttemptKey & { readonly progress: number })[], now: Instant): Promise<void>

  // ------------------------------------------------------------------ reading

  job(by: { readonly id: string } | { readonly name: string }): Promise<JobRow | null>
  run(id: string): Promise<RunRow | null>
  /** Rows by id in the order asked, null where there is none. */
  jobRows(ids: readonly string[]): Promise<readonly (JobRow | null)[]>
  runRows(ids: readonly string[]): Promise<readonly (RunRow | null)[]>
  /** One page by keyset. At most `limit` rows; the caller asks for one more than it shows. Rows may be shared by all who read them. */
  listJobs(query: JobListQuery): Promise<readonly JobRow[]>
  /** How many jobs match, or null above 10,000. */
  countJobs(filter: JobListFilter): Promise<number | null>
  listRuns(query: RunListQuery): Promise<readonly RunRow[]>
  countRuns(filter: RunListFilter): Promise<number | null>
  /** The attempts of runs, by run id, first to newest. */
  attempts(runIds: readonly string[]): Promise<ReadonlyMap<string, readonly AttemptRow[]>>

  // ------------------------------------------------------------------ streams

  /** Position of the newest committed change. */
  streamHead(): Promise<number>
  /** Names this database in cursors. */
  readonly databaseId: string
  /** The lowest position that can still be resumed from. */
  streamFloor(): Promise<number>
  /** Runs whose newest change is in (after, upTo], by that change, at most `limit`. */
  runChanges(query: {
    readonly after: number
    readonly upTo: number
    readonly jobIds: readonly string[] | null
    readonly limit: number
  }): Promise<readonly RunRow[]>

  // ------------------------------------------------------------------ keeping

  /** Removes rows of deleted jobs, at most `limit` rows; answers how many went. */
  removeDeleted(limit: number): Promise<number>
  setting(name: string): Promise<string | null>
  /** Stores `value` where `name` has none; answers what now stands there. */
  settleSetting(name: string, value: string): Promise<string>
  close(): Promise<void>
}

export interface NewJob {
  readonly job: Job
  readonly revision: Revision
  readonly position: Position
}

export type CreateResult = { readonly ok: true } | { readonly ok: false; readonly existingId: string }

export interface JobSnapshot {
  readonly job: Job
  readonly position: Position
  readonly active: readonly ActiveRun[]
  /** The run of this job that holds the idempotency key asked for, if any. */
  readonly idempotent: { readonly runId: string; readonly hash: string; readonly queuedAt: Instant } | null
}

/** What a command writes of a job. Absent parts stay as they are. */
export interface JobWrite {
  /** The job as it shall stand, version raised by the caller. */
  readonly job?: Job
  /** Verdicts up to the moment of the command, under the old settings. Always written before the rest. */
  readonly plan?: Plan
  /** The position as the command leaves it: overrides what the plan said. */
  readonly position?: Partial<Pick<Position, 'plannedUntil' | 'wakeAt' | 'nextRunAt' | 'scheduledRuns' | 'failuresInRow' | 'completed'>>
  /** Closes the open revision and opens this one. */
  readonly newRevision?: { readonly closeAt: Instant; readonly open: Revision }
  /** Runs besides the plan's: manual ones. */
  readonly runs?: readonly NewRun[]
  /** Active runs to cancel: QUEUED and RETRYING ones end at once, RUNNING ones are asked. */
  readonly cancels?: readonly string[]
  /** Marks the job deleted and frees its name. */
  readonly delete?: boolean
  /** What the stream of jobs is told. */
  readonly event: 'CREATED' | 'UPDATED' | 'DELETED' | null
  readonly now: Instant
  /** Frees this idempotency key on the run that holds it (it is older than its 24 hours). */
  readonly freeIdempotencyKey?: string
}

export type ChangeResult<Refusal> =
  | { readonly kind: 'written'; readonly job: Job }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  /** The write would give the job the name of another living one. */
  | { readonly kind: 'name-taken'; readonly existingId: string }

export interface RunSnapshot {
  readonly run: RunRow
  readonly job: Job
  readonly position: Position
  readonly active: readonly ActiveRun[]
}

export type RunWrite =
  /** QUEUED and RETRYING end CANCELLED at once; RUNNING is asked. */
  | { readonly kind: 'cancel'; readonly now: Instant }
  /** A RETRYING run may start now. */
  | { readonly kind: 'retry-now'; readonly now: Instant }
  | { readonly kind: 'nothing' }

export type RunChangeResult<Refusal> = { readonly kind: 'written' } | { readonly kind: 'refused'; readonly refusal: Refusal }

export interface GuardedPlan {
  readonly plan: Plan
  readonly from: Pick<Position, 'plannedUntil' | 'version' | 'activeRuns'>
}

/** Who begins attempts, until when the claim holds without renewal, and the clock. */
export interface Claim {
  readonly instanceId: string
  readonly now: Instant
  readonly leaseUntil: Instant
}

/** The fence: a write that ends or prolongs an attempt names both. */
export interface AttemptKey {
  readonly runId: string
  readonly attempt: number
}

/** An attempt that has durably begun: all that a worker needs. Target and policies are as read at its start. */
export interface BegunAttempt extends AttemptKey {
  readonly jobId: string
  readonly jobName: string
  readonly jobVersion: number
  readonly target: Target
  readonly policies: Policies
  readonly trigger: RunTrigger
  readonly scheduledFor: Instant
  readonly dueAt: Instant
  readonly startedAt: Instant
  readonly coalesced: number
  /** JSON text or null. */
  readonly payload: string | null
}

export interface AttemptReport extends AttemptKey {
  readonly outcome: Outcome
  readonly now: Instant
  /** In [0, 1): for the jitter of a retry. */
  readonly random: number
}

export type SettleResult = { readonly kind: 'settled'; readonly status: RunStatus } | { readonly kind: 'stale' }

export interface NewLogLine extends AttemptKey {
  readonly at: Instant
  readonly level: LogLevel
  readonly message: string
  /** JSON text or null. */
  readonly fields: string | null
}

/** A job as lists and pages show it. */
export interface JobRow {
  readonly job: Job
  readonly position: Position
  readonly lastRunStatus: RunStatus | null
  readonly lastRunAt: Instant | null
}

/** A run as stored, its newest attempt included. */
export interface RunRow {
  readonly id: string
  readonly jobId: string
  readonly trigger: RunTrigger
  readonly status: RunStatus
  readonly occurrence: Instant | null
  readonly scheduledFor: Instant
  readonly dueAt: Instant
  readonly queuedAt: Instant
  readonly startedAt: Instant | null
  readonly finishedAt: Instant | null
  readonly cancelRequestedAt: Instant | null
  readonly heldBy: 'OVERLAP' | 'CONCURRENCY' | null
  readonly priority: number
  readonly concurrencyKey: string | null
  readonly coalesced: number
  readonly payload: string | null
  readonly output: string | null
  readonly error: RunError | null
  readonly progress: number | null
  readonly attempt: number
  readonly attemptStatus: AttemptStatus | null
  readonly attemptStartedAt: Instant | null
  readonly attemptsUsed: number
  readonly nextAttemptAt: Instant | null
  readonly instanceId: string | null
  readonly jobVersion: number | null
  readonly leaseUntil: Instant | null
  readonly rerunOfId: string | null
  readonly triggeredBy: string | null
  readonly idempotencyHash: string | null
  /** Position of its newest change in the stream. */
  readonly cursor: number
  readonly changedAt: Instant
}

export interface AttemptRow {
  readonly runId: string
  readonly number: number
  readonly status: AttemptStatus
  readonly startedAt: Instant
  readonly finishedAt: Instant | null
  readonly error: RunError | null
  readonly instanceId: string | null
  readonly jobVersion: number
}

export const JOB_ORDER_FIELDS = ['NAME', 'NEXT_RUN_AT', 'LAST_RUN_AT', 'CREATED_AT', 'UPDATED_AT'] as const
export type JobOrderField = (typeof JOB_ORDER_FIELDS)[number]
export const RUN_ORDER_FIELDS = ['SCHEDULED_FOR', 'QUEUED_AT', 'FINISHED_AT'] as const
export type RunOrderField = (typeof RUN_ORDER_FIELDS)[number]

export interface JobListFilter {
  readonly state: readonly JobState[] | null
  /** Case-folded by the store. */
  readonly search: string | null
  /** All of these. */
  readonly tags: readonly string[] | null
  readonly handler: string | null
  readonly lastRunStatus: readonly RunStatus[] | null
  /** For what is paused now. */
  readonly now: Instant
}

/** Where a page ended: the value it was ordered by (null where the row has none) and the id. Nulls come last both ways. */
export interface PageKey {
  readonly value: string | number | null
  readonly id: string
}

export interface JobListQuery {
  readonly filter: JobListFilter
  readonly orderBy: { readonly field: JobOrderField; readonly direction: 'ASC' | 'DESC' }
  readonly after: PageKey | null
  readonly before: PageKey | null
  /** `true`: the last rows before `before`, still answered in the list's own order. */
  readonly fromEnd: boolean
  readonly limit: number
}

export interface RunListFilter {
  readonly jobIds: readonly string[] | null
  readonly status: readonly RunStatus[] | null
  readonly trigger: readonly RunTrigger[] | null
  /** Inclusive. */
  readonly scheduledFrom: Instant | null
  /** Exclusive. */
  readonly scheduledTo: Instant | null
  /** All of these, on the run's job. */
  readonly tags: readonly string[] | null
}

export interface RunListQuery {
  readonly filter: RunListFilter
  readonly orderBy: { readonly field: RunOrderField; readonly direction: 'ASC' | 'DESC' }
  readonly after: PageKey | null
  readonly before: PageKey | null
  readonly fromEnd: boolean
  readonly limit: number
}

/** Renewal needs a margin: a third of the lease. */
export function renewalInterval(lease: Milliseconds): Milliseconds {
  return Math.floor(lease / 3)
}
