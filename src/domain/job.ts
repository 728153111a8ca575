import type { Instant, Milliseconds } from './instant.ts'
import { DAY, HOUR, MINUTE, SECOND } from './instant.ts'
import type { Schedule } from './schedule.ts'

export const JOB_STATES = ['ACTIVE', 'PAUSED', 'COMPLETED'] as const
export type JobState = (typeof JOB_STATES)[number]

export const OVERLAP_POLICIES = ['SKIP', 'BUFFER_ONE', 'BUFFER_ALL', 'CANCEL_OTHER', 'ALLOW_ALL'] as const
export type OverlapPolicy = (typeof OVERLAP_POLICIES)[number]

export const MISFIRE_POLICIES = ['LATEST', 'ALL', 'NONE'] as const
export type MisfirePolicy = (typeof MISFIRE_POLICIES)[number]

export const HTTP_METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD'] as const
export type HttpMethod = (typeof HTTP_METHODS)[number]

/** A header sent with a request. A secret's value is stored and sent, never given out. */
export interface HttpHeader {
  readonly name: string
  readonly value: string
  readonly secret: boolean
}

export interface HttpTarget {
  readonly kind: 'http'
  readonly url: string
  readonly method: HttpMethod
  readonly headers: readonly HttpHeader[]
  /** `204`, `2xx` or `200-299`; any of them is success. */
  readonly expectStatus: readonly string[]
  /** `whsec_…`: signs this job's requests instead of the server's secret. */
  readonly secret: string | null
}

export interface HandlerTarget {
  readonly kind: 'handler'
  readonly handler: string
}

export interface CommandTarget {
  readonly kind: 'command'
  /** Absolute path. No shell is involved. */
  readonly executable: string
  readonly args: readonly string[]
}

/** What an attempt performs. Stored as JSON; plain data only. */
export type Target = HttpTarget | HandlerTarget | CommandTarget

export interface Backoff {
  readonly initial: Milliseconds
  readonly factor: number
  readonly max: Milliseconds
  /** Full jitter: the wait is drawn from [0, computed wait]. */
  readonly jitter: boolean
}

/** How a job behaves. Stored complete, defaults filled in. */
export interface Policies {
  readonly overlap: OverlapPolicy
  readonly misfire: MisfirePolicy
  /** An instant decided at most so long after its dueAt is on time. */
  readonly misfireGrace: Milliseconds
  /** Instants older than this are never caught up. */
  readonly catchupWindow: Milliseconds
  readonly maxAttempts: number
  readonly backoff: Backoff
  /** Of one attempt. */
  readonly timeout: Milliseconds
  /** 0..9, higher first. */
  readonly priority: number
  readonly concurrencyKey: string | null
  readonly maxConcurrency: number | null
  readonly pauseAfterFailures: number | null
}

export const DEFAULT_POLICIES: Policies = Object.freeze({
  overlap: 'SKIP',
  misfire: 'LATEST',
  misfireGrace: 60 * SECOND,
  catchupWindow: DAY,
  maxAttempts: 3,
  backoff: Object.freeze({ initial: 10 * SECOND, factor: 2, max: HOUR, jitter: true }),
  timeout: 5 * MINUTE,
  priority: 0,
  concurrencyKey: null,
  maxConcurrency: null,
  pauseAfterFailures: null,
})

/** What is told to the stream of jobs. */
export type JobChange = 'CREATED' | 'UPDATED' | 'DELETED'

/** `until` is exclusive; null: until resumed. */
export interface Pause {
  readonly since: Instant
  readonly until: Instant | null
  readonly note: string
  readonly by: string | null
}

/** What commands write of a job: when, what and how. What moves at every fire is its Position. */
export interface Job {
  readonly id: string
  readonly name: string
  readonly description: string | null
  readonly tags: readonly string[]
  readonly schedule: Schedule
  /** Number of the open revision. */
  readonly revision: number
  readonly target: Target
  /** JSON text, or null for none. */
  readonly payload: string | null
  readonly policies: Policies
  readonly pause: Pause | null
  /** Rises with every command, never with planning. */
  readonly version: number
  readonly createdAt: Instant
  readonly updatedAt: Instant
}

/** Where the planner stands with a job, and what lists show of its runs. */
export interface Position {
  readonly jobId: string
  /** Of the definition: rises with every change of the job, whoever made it. Only ever compared with earlier values of itself. */
  readonly version: number
  /** Every instant up to and including this one has its verdict. */
  readonly plannedUntil: Instant
  /** When the planner must look again; null: when a command says so. */
  readonly wakeAt: Instant | null
  /** The next dueAt, as users see it. */
  readonly nextRunAt: Instant | null
  /** Runs with trigger SCHEDULE counted towards maxRuns. */
  readonly scheduledRuns: number
  /** Runs of any trigger that are not final. */
  readonly activeRuns: number
  /** The verdict row of the newest decided instant, or null where that instant got a run. */
  readonly trailingVerdictId: string | null
  /** FAILED and TIMED_OUT runs since the last success or resume. */
  readonly failuresInRow: number
  readonly completed: boolean
  readonly lastRunId: string | null
}

/** COMPLETED shows before PAUSED; a pause that has reached its `until` is over, whether or not the planner has come to it. */
export function jobState(job: { readonly pause: Pause | null }, position: { readonly completed: boolean }, now: Instant): JobState {
  if (position.completed) return 'COMPLETED'
  return isPaused(job.pause, now) ? 'PAUSED' : 'ACTIVE'
}

/** Whether a pause, of a job or of the whole scheduling, holds now. */
export function isPaused(pause: Pause | null, now: Instant): pause is Pause {
  return pause !== null && (pause.until === null || now < pause.until)
}
