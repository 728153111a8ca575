import type { Instant, Milliseconds } from '../../domain/instant.ts'
import type { Job, JobChange, Pause, Policies, Position, Target } from '../../domain/job.ts'
import type { LedgerMoment, Plan, RowSplit } from '../../domain/ledger.ts'
import type { ActiveRun, LogLevel, NewRun, Outcome, RunStatus, RunTrigger } from '../../domain/run.ts'
import type { Revision } from '../../domain/schedule.ts'
import type { HandlerRow, InstanceRow, RunRow } from './rows.ts'

// What the store is told to write, and what it answers to that.

export interface NewJob {
  readonly job: Job
  readonly revision: Revision
  readonly position: Position
}

export type CreateResult = { readonly ok: true } | { readonly ok: false; readonly existingId: string }

export interface JobSnapshot {
  readonly job: Job
  readonly position: Position
  /** Read when it is looked at, which must be within the decision. */
  readonly active: readonly ActiveRun[]
  /** All pauses of the whole scheduling that are kept, earliest first. */
  readonly maintenance: readonly Pause[]
  /** The run of this job that holds the idempotency key asked for, if any. */
  readonly idempotent: { readonly runId: string; readonly hash: string; readonly queuedAt: Instant } | null
  /** What the ledger says of the instants asked for, in their order. */
  readonly ledger: readonly LedgerMoment[]
}

/** What a snapshot shall have besides the job, its position and its active runs. */
export interface SnapshotOptions {
  /** Reads the run that holds this key into `idempotent`. */
  readonly idempotencyKey?: string | null
  /** Reads what the ledger says of these instants into `ledger`. */
  readonly ledgerAt?: readonly Instant[]
}

/** What a command writes of a job. Absent parts stay as they are. */
export interface JobWrite {
  /** The job as it shall stand, version raised by the caller. */
  readonly job?: Job
  /** Verdicts up to the moment of the command, under the old settings. Always written before the rest. */
  readonly plan?: Plan
  /** The position as the command leaves it: overrides what the plan said. */
  readonly position?: Partial<Pick<Position, 'plannedUntil' | 'wakeAt' | 'nextRunAt' | 'scheduledRuns' | 'failuresInRow' | 'completed'>>
  /** Closes the open revision (one that its last run has closed stays so) and opens this one. */
  readonly newRevision?: { readonly closeAt: Instant; readonly open: Revision }
  /** Rows of the ledger that some of their instants leave, for runs of their own. Not together with a plan, which may prolong a row. */
  readonly splits?: readonly RowSplit[]
  /** Runs besides the plan's: manual and backfilled ones. */
  readonly runs?: readonly NewRun[]
  /** Active runs to cancel: QUEUED and RETRYING ones end at once, RUNNING ones are asked. */
  readonly cancels?: readonly string[]
  /** Cancels all runs of the job, at the end, marks it deleted and frees its name. */
  readonly delete?: boolean
  /** What the stream of jobs is told. */
  readonly event: JobChange | null
  readonly now: Instant
  /** Frees this idempotency key on the run that holds it (it is older than its 24 hours). */
  readonly freeIdempotencyKey?: string
}

export type ChangeResult<Refusal> =
  | { readonly kind: 'written'; readonly job: Job }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  /** The write would give the job the name of another living one. */
  | { readonly kind: 'name-taken'; readonly existingId: string }

/** A process that is up. */
export interface NewInstance extends InstanceRow {
  /** Those that it can perform; none where it is no worker. */
  readonly handlers: readonly HandlerRow[]
}

/** A process that is still up tells so. */
export interface InstanceBeat {
  readonly id: string
  readonly lastSeenAt: Instant
  readonly running: number
  readonly skew: Milliseconds | null
}

export interface RunSnapshot {
  readonly run: RunRow
  readonly job: Job
  readonly position: Position
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
  /** What it was made from: a run that was added or has ended since shows in one of the last two. */
  readonly from: Pick<Position, 'plannedUntil' | 'version' | 'activeRuns' | 'lastRunId'>
}

/** Who begins attempts, until when the claim holds without renewal, and the clock. */
export interface Claim {
  readonly instanceId: string
  readonly now: Instant
  readonly leaseUntil: Instant
  /** Runs whose job names another handler are left to others. Null: it performs any. */
  readonly handlers: ReadonlySet<string> | null
}

/** The length of the queue. */
export interface Waiting {
  readonly runs: number
  /** Since when the one does that waits longest. Null: none waits. */
  readonly since: Instant | null
}

/** Which runs wait for a handler that nobody has. */
export interface UnhandledQuery {
  /** Those that somebody has. */
  readonly handlers: ReadonlySet<string>
  /** Only runs that might have started before this. */
  readonly since: Instant
  readonly now: Instant
  readonly limit: number
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
  /** It counts only where the lease has run out before this instant: whoever found it so may have found it before a renewal. */
  readonly leaseOver?: Instant | undefined
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
