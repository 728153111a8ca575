import type { Instant, Milliseconds } from '../../domain/instant.ts'
import type { Job, JobChange, Position } from '../../domain/job.ts'
import type { JobFacts } from '../../domain/jobFilter.ts'
import type { AttemptStatus, LogLevel, RunError, RunStatus, RunTrigger } from '../../domain/run.ts'

// What reads of the store answer.

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

/** What a process does. */
export const ROLES = ['API', 'SCHEDULER', 'WORKER'] as const
export type Role = (typeof ROLES)[number]

/** A process, as it last told of itself. */
export interface InstanceRow {
  /** Names it in attempts; new at every start. */
  readonly id: string
  readonly roles: readonly Role[]
  readonly host: string
  readonly version: string
  readonly startedAt: Instant
  readonly lastSeenAt: Instant
  /** Attempts under way. */
  readonly running: number
  /** Attempts that it has under way at most. */
  readonly capacity: number
  /** How far its machine's clock is ahead of the database's, as last measured; negative: behind it. Null: not measured. */
  readonly skew: Milliseconds | null
}

/** A handler that a living worker has. */
export interface HandlerRow {
  /** What targets name it by. */
  readonly name: string
  readonly description: string | null
  /** JSON Schema of its payload as a JSON value, or null where it has none that can be shown. */
  readonly payloadSchema: unknown
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

/** A log line of a run. Numbers rise strictly within the run; those that are missing are lines that were cut. */
export interface LogLineRow {
  readonly runId: string
  readonly seq: number
  readonly at: Instant
  readonly attempt: number
  readonly level: LogLevel
  readonly message: string
  /** JSON text or null. */
  readonly fields: string | null
}

/** A change of a job, as the stream keeps it. */
export interface JobEventRow {
  readonly cursor: number
  readonly jobId: string
  readonly change: JobChange
  readonly at: Instant
  /** What filters look at, as it was before the change, as far as it was touched; of a deletion all of it. Null: nothing was touched. */
  readonly before: Partial<JobFacts> | null
}
