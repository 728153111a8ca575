import type { Instant } from './instant.ts'
import type { Policies } from './job.ts'
import { backoffDelay, MAX_RETRY_AFTER } from './retry.ts'
import type { AttemptStatus, FinalStatus, Outcome, RunError } from './run.ts'

/** What settling must know of the run, as it stands when its attempt ends. */
export interface SettlingRun {
  /** Attempts that counted towards maxAttempts before this one. */
  readonly attemptsUsed: number
  readonly cancelRequestedAt: Instant | null
}

/** What to store of an attempt that ended, and of its run. */
export interface Settlement {
  readonly attemptStatus: Exclude<AttemptStatus, 'RUNNING'>
  readonly runStatus: FinalStatus | 'RETRYING'
  readonly attemptsUsed: number
  /** When the next attempt may start; null where there is none. */
  readonly nextAttemptAt: Instant | null
  readonly error: RunError | null
  /** JSON text or null. */
  readonly output: string | null
}

/**
 * What an outcome means for the run.
 *
 *   RUNNING ─ success ────────────────────────────────→ SUCCEEDED   (also when a cancel was asked: it came too late)
 *           ─ cancel asked, and anything but success ─→ CANCELLED
 *           ─ failure, timeout, worker lost ──────────→ RETRYING    while attempts are left and it may be retried
 *                                             └───────→ FAILED or TIMED_OUT
 *           ─ interrupted by an orderly stop ─────────→ RETRYING    at once, and the attempt does not count
 *
 * `random` in [0, 1) feeds the jitter of the wait.
 */
export function settleAttempt(input: {
  readonly run: SettlingRun
  readonly policies: Policies
  readonly outcome: Outcome
  readonly now: Instant
  readonly random: number
}): Settlement {
  const { run, policies, outcome, now, random } = input
  const counted = run.attemptsUsed + 1

  if (outcome.kind === 'SUCCEEDED')
    return {
      attemptStatus: 'SUCCEEDED',
      runStatus: 'SUCCEEDED',
      attemptsUsed: counted,
      nextAttemptAt: null,
      error: null,
      output: outcome.output,
    }
  if (outcome.kind === 'CANCELLED' || run.cancelRequestedAt !== null) return cancelled(counted)
  if (outcome.kind === 'INTERRUPTED') return goOn('INTERRUPTED', run.attemptsUsed, now, null)

  const { status, error, output, mayRetry, delay } = failureOf(outcome, policies, counted, random)
  if (mayRetry && counted < policies.maxAttempts) return { ...goOn(status, counted, now + delay, error), output }
  return {
    attemptStatus: status,
    runStatus: status === 'LOST' ? 'FAILED' : status,
    attemptsUsed: counted,
    nextAttemptAt: null,
    error,
    output,
  }
}

function cancelled(attemptsUsed: number): Settlement {
  return { attemptStatus: 'CANCELLED', runStatus: 'CANCELLED', attemptsUsed, nextAttemptAt: null, error: null, output: null }
}

function goOn(
  attemptStatus: Settlement['attemptStatus'],
  attemptsUsed: number,
  nextAttemptAt: Instant,
  error: RunError | null,
): Settlement {
  return { attemptStatus, runStatus: 'RETRYING', attemptsUsed, nextAttemptAt, error, output: null }
}

interface Failure {
  readonly status: 'FAILED' | 'TIMED_OUT' | 'LOST'
  readonly error: RunError
  readonly output: string | null
  readonly mayRetry: boolean
  readonly delay: number
}

function failureOf(
  outcome: Extract<Outcome, { kind: 'FAILED' | 'TIMED_OUT' | 'LOST' }>,
  policies: Policies,
  used: number,
  random: number,
): Failure {
  switch (outcome.kind) {
    case 'FAILED': {
      const delay =
        outcome.retryAfter === null
          ? backoffDelay(policies.backoff, used, random)
          : Math.min(Math.max(outcome.retryAfter, 0), MAX_RETRY_AFTER)
      return { status: 'FAILED', error: outcome.error, output: outcome.output, mayRetry: outcome.error.retryable, delay }
    }
    case 'TIMED_OUT':
      return {
        status: 'TIMED_OUT',
        error: outcome.error,
        output: null,
        mayRetry: true,
        delay: backoffDelay(policies.backoff, used, random),
      }
    case 'LOST':
      // The worker is gone, not the target: another worker may start at once.
      return { status: 'LOST', error: WORKER_LOST, output: null, mayRetry: true, delay: 0 }
  }
}

const WORKER_LOST: RunError = {
  code: 'WORKER_LOST',
  message: 'The worker that performed this attempt died or lost its lease.',
  stack: null,
  retryable: true,
}

/** Failed runs of a job in a row, after one more of its runs has ended so; what was cancelled says nothing of the job. */
export function failuresAfter(status: FinalStatus, before: number): number {
  switch (status) {
    case 'SUCCEEDED':
      return 0
    case 'CANCELLED':
      return before
    case 'FAILED':
    case 'TIMED_OUT':
      return before + 1
  }
}
