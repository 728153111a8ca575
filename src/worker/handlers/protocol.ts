import type { Instant, Milliseconds } from '../../domain/instant.ts'
import type { LogLevel, RunTrigger } from '../../domain/run.ts'
import type { AbortCause } from '../runContext.ts'

// What is said between the server, the host process of own handlers, and the threads in it. Plain data; payloads, outputs and the fields
// of log lines cross as JSON text.
//
//   server ──Order──▶ host process ──ThreadOrder──▶ thread        Server, host and threads name a task by its number.
//   server ◀──Told─── host process ◀──ThreadTold─── thread        Every task that was started is answered with exactly one `end`.

/** What a handler is told of its run. */
export interface RunFacts {
  readonly runId: string
  readonly jobName: string
  readonly attempt: number
  readonly trigger: RunTrigger
  readonly scheduledFor: Instant
  readonly dueAt: Instant
  readonly coalesced: number
}

/**
 * Work that needs a handler's module (`file`, an absolute path) or its JSON Schema (`schema`, JSON text), either of which may do anything,
 * and so happens in a thread. `payload` is JSON text, or null for none.
 */
export type Task =
  | { readonly kind: 'describe'; readonly file: string }
  | { readonly kind: 'check'; readonly file: string; readonly payload: string | null }
  | { readonly kind: 'fit'; readonly schema: string; readonly payload: string | null }
  | { readonly kind: 'run'; readonly file: string; readonly payload: string | null; readonly facts: RunFacts }

/** JSON text of what `describe` answers. */
export interface ModuleDescription {
  /** Null: the module gives none, and the file's name counts. */
  readonly name: string | null
  readonly description: string | null
  readonly hasSchema: boolean
  /** JSON Schema, or null where the handler's schema cannot be shown as one. */
  readonly payloadSchema: unknown
}

/** JSON text of a list of these is what `check` and `fit` answer. `path` leads into the payload. */
export interface PayloadIssue {
  readonly path: readonly string[]
  readonly message: string
}

export interface TaskFailure {
  readonly code: string
  readonly message: string
  readonly stack: string | null
  readonly retryable: boolean
  readonly retryAfter: Milliseconds | null
}

export type TaskEnd =
  /** JSON text, or null for none. */
  | { readonly kind: 'done'; readonly value: string | null }
  | { readonly kind: 'failed'; readonly failure: TaskFailure }
  /** It was told to end, and did or was ended. */
  | { readonly kind: 'ended' }
  /** Its thread or process ended for what another task did, or for what nobody knows which task did. */
  | { readonly kind: 'interrupted'; readonly culpritKnown: boolean }

export type Order =
  | { readonly kind: 'start'; readonly id: number; readonly task: Task }
  | { readonly kind: 'abort'; readonly id: number; readonly cause: AbortCause }

export interface LogTold {
  readonly kind: 'log'
  readonly id: number
  readonly level: LogLevel
  readonly message: string
  readonly fields: string | null
}

export type Told =
  | LogTold
  | { readonly kind: 'progress'; readonly id: number; readonly percent: number }
  | { readonly kind: 'end'; readonly id: number; readonly end: TaskEnd }
  /** Written by a module outside of any run. */
  | { readonly kind: 'stray'; readonly level: LogLevel; readonly message: string }

export type ThreadOrder =
  /** Whoever first moves `claim` away from UNCLAIMED decides whether the task starts here. */
  | { readonly kind: 'start'; readonly id: number; readonly task: Task; readonly claim: Int32Array }
  | { readonly kind: 'abort'; readonly id: number; readonly cause: AbortCause }
  | { readonly kind: 'ping' }

export type ThreadTold =
  | Told
  | { readonly kind: 'pong' }
  /** The thread ends itself after this. `id`: the task at fault, which may have ended before; null where it is not known. */
  | { readonly kind: 'fault'; readonly id: number | null; readonly failure: TaskFailure }

export interface ThreadData {
  /** Log lines that were sent and not yet passed on; see LINES_AHEAD. */
  readonly linesAhead: Int32Array
}

/** How many log lines a thread may be ahead of what the server has taken; one that writes faster waits. */
export const LINES_AHEAD = 256

export const UNCLAIMED = 0
const STARTED = 1
const WITHDRAWN = 2

/** Taken by the thread. False: the task was withdrawn, and must not start. */
export function claimTask(claim: Int32Array): boolean {
  return Atomics.compareExchange(claim, 0, UNCLAIMED, STARTED) === UNCLAIMED
}

/** Taken back by the pool. False: it has started. */
export function withdrawTask(claim: Int32Array): boolean {
  return Atomics.compareExchange(claim, 0, UNCLAIMED, WITHDRAWN) !== STARTED
}

export function failure(code: string, message: string, retryable: boolean): TaskFailure {
  return { code, message, stack: null, retryable, retryAfter: null }
}
