import type { Instant } from './instant.ts'

export const RUN_STATUSES = ['QUEUED', 'RUNNING', 'RETRYING', 'SUCCEEDED', 'FAILED', 'TIMED_OUT', 'CANCELLED'] as const
export type RunStatus = (typeof RUN_STATUSES)[number]

export const RUN_TRIGGERS = ['SCHEDULE', 'MANUAL', 'BACKFILL', 'RERUN'] as const
export type RunTrigger = (typeof RUN_TRIGGERS)[number]

export const ATTEMPT_STATUSES = ['RUNNING', 'SUCCEEDED', 'FAILED', 'TIMED_OUT', 'CANCELLED', 'LOST', 'INTERRUPTED'] as const
export type AttemptStatus = (typeof ATTEMPT_STATUSES)[number]

/** Statuses that nothing leaves. */
export type FinalStatus = Extract<RunStatus, 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'CANCELLED'>

/** Verdicts that are rows of their own; a run is the row for RUN. */
export const NON_RUN_VERDICTS = ['SKIPPED_OVERLAP', 'SKIPPED_PAUSED', 'SKIPPED_LIMIT', 'COALESCED', 'MISSED'] as const
export type NonRunVerdict = (typeof NON_RUN_VERDICTS)[number]

export const LOG_LEVELS = ['DEBUG', 'INFO', 'WARN', 'ERROR'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** Why a stored run may not start yet: other runs of its job, or other runs that share its concurrency key. */
export type Hold = 'OVERLAP' | 'CONCURRENCY'

export interface RunError {
  readonly code: string
  readonly message: string
  readonly stack: string | null
  readonly retryable: boolean
}

export function isFinal(status: RunStatus): status is FinalStatus {
  return status === 'SUCCEEDED' || status === 'FAILED' || status === 'TIMED_OUT' || status === 'CANCELLED'
}

/** What a run says that waits for a handler which no worker has. It goes on waiting; the start of an attempt takes this away. */
export function noHandler(handler: string): RunError {
  const message = `No worker that is up has the handler ${JSON.stringify(handler)}. The run waits for one.`
  return { code: 'NO_HANDLER', message, stack: null, retryable: true }
}

/** A run that is not final, as far as planning and settling look at it. */
export interface ActiveRun {
  readonly id: string
  readonly status: 'QUEUED' | 'RUNNING' | 'RETRYING'
  readonly trigger: RunTrigger
  readonly heldBy: Hold | null
  readonly dueAt: Instant
  readonly cancelRequestedAt: Instant | null
}

/** A run about to be stored. It starts its life QUEUED; the engine may begin it in the same commit. */
export interface NewRun {
  readonly id: string
  readonly jobId: string
  readonly trigger: RunTrigger
  /** The nominal instant for SCHEDULE and BACKFILL, else null. */
  readonly occurrence: Instant | null
  /** False for a backfilled instant that no schedule had planned: the audit does not count it. */
  readonly counted: boolean
  readonly scheduledFor: Instant
  readonly dueAt: Instant
  readonly queuedAt: Instant
  readonly heldBy: Hold | null
  readonly priority: number
  readonly concurrencyKey: string | null
  readonly maxConcurrency: number | null
  readonly coalesced: number
  /** JSON text or null. */
  readonly payload: string | null
  readonly rerunOfId: string | null
  readonly triggeredBy: string | null
  readonly idempotencyKey: string | null
  readonly idempotencyHash: string | null
}

/** What an attempt ended with, as its worker reports it. */
export type Outcome =
  | { readonly kind: 'SUCCEEDED'; readonly output: string | null }
  | {
      readonly kind: 'FAILED'
      readonly error: RunError
      readonly output: string | null /** Not before so many milliseconds. */
      readonly retryAfter: number | null
    }
  | { readonly kind: 'TIMED_OUT'; readonly error: RunError }
  | { readonly kind: 'CANCELLED' }
  | { readonly kind: 'LOST' }
  | { readonly kind: 'INTERRUPTED' }
