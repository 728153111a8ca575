import { formatDuration } from '../domain/duration.ts'
import { type Milliseconds, SECOND } from '../domain/instant.ts'
import type { Target } from '../domain/job.ts'
import type { Outcome, RunError } from '../domain/run.ts'
import type { BegunAttempt } from '../engine/store/store.ts'
import type { AbortCause, Performer, RunContext } from './runContext.ts'

/** Performers end within 6 s of an abort; one that breaks its word is left behind after this, so that a cancel holds within 10 s. */
const ABANDON_AFTER: Milliseconds = 8 * SECOND

export interface Performers {
  readonly http: Performer<Extract<Target, { kind: 'http' }>>
  readonly handler: Performer<Extract<Target, { kind: 'handler' }>>
  readonly command: Performer<Extract<Target, { kind: 'command' }>>
}

/** An attempt under way in this process. */
export interface Execution {
  readonly attempt: BegunAttempt
  /** The first cause counts. */
  abort(cause: AbortCause): void
  /** Never rejects. */
  readonly outcome: Promise<Outcome>
}

/** Performs an attempt: arm the timeout, perform the target, say what it ended with. */
export function execute(attempt: BegunAttempt, performers: Performers, telling: Pick<RunContext, 'log' | 'progress'>): Execution {
  const controller = new AbortController()
  const abort = (cause: AbortCause) => {
    if (!controller.signal.aborted) controller.abort(cause)
  }
  const timer = setTimeout(abort, attempt.policies.timeout, 'timeout' satisfies AbortCause)
  const context: RunContext = { attempt, signal: controller.signal, log: telling.log, progress: telling.progress }
  const outcome = orAbandoned(perform(attempt.target, performers, context), controller.signal)
    .catch(asDefect)
    .then((ended) => normalise(ended, controller.signal, attempt))
    .finally(() => clearTimeout(timer))
  return { attempt, abort, outcome }
}

function perform(target: Target, performers: Performers, context: RunContext): Promise<Outcome> {
  switch (target.kind) {
    case 'http':
      return performers.http.perform(target, context)
    case 'handler':
      return performers.handler.perform(target, context)
    case 'command':
      return performers.command.perform(target, context)
  }
}

function orAbandoned(performing: Promise<Outcome>, signal: AbortSignal): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined
    const onAbort = () => {
      timer = setTimeout(resolve, ABANDON_AFTER, { kind: 'CANCELLED' } satisfies Outcome)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    performing.then(resolve, reject).finally(() => {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    })
  })
}

/** What an outcome means once it is known why the attempt was told to end, if it was. */
function normalise(outcome: Outcome, signal: AbortSignal, attempt: BegunAttempt): Outcome {
  if (!signal.aborted) {
    return outcome.kind === 'CANCELLED' ? failed('ABORTED', 'The target ended the attempt by itself, without an outcome.') : outcome
  }
  switch (signal.reason as AbortCause) {
    case 'timeout':
      return { kind: 'TIMED_OUT', error: timeoutError(attempt) }
    case 'cancel':
      return outcome.kind === 'SUCCEEDED' ? outcome : { kind: 'CANCELLED' }
    case 'shutdown':
    case 'lease-lost':
      return outcome.kind === 'SUCCEEDED' ? outcome : { kind: 'INTERRUPTED' }
  }
}

function timeoutError(attempt: BegunAttempt): RunError {
  const { timeout } = attempt.policies
  return {
    code: 'TIMEOUT',
    message: `The attempt took longer than its timeout of ${formatDuration(timeout)}.`,
    stack: null,
    retryable: true,
  }
}

function asDefect(error: unknown): Outcome {
  return failed('INTERNAL', error instanceof Error ? error.message : String(error))
}

function failed(code: string, message: string): Outcome {
  return { kind: 'FAILED', error: { code, message, stack: null, retryable: true }, output: null, retryAfter: null }
}
