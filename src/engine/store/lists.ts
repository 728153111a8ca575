import type { Instant } from '../../domain/instant.ts'
import type { JobFilter } from '../../domain/jobFilter.ts'
import type { RunStatus, RunTrigger } from '../../domain/run.ts'

// What lists of the store are asked for.

export const JOB_ORDER_FIELDS = ['NAME', 'NEXT_RUN_AT', 'LAST_RUN_AT', 'CREATED_AT', 'UPDATED_AT'] as const
export type JobOrderField = (typeof JOB_ORDER_FIELDS)[number]
export const RUN_ORDER_FIELDS = ['SCHEDULED_FOR', 'QUEUED_AT', 'FINISHED_AT'] as const
export type RunOrderField = (typeof RUN_ORDER_FIELDS)[number]

/** A look at the filter of `domain/jobFilter` at one moment: the store finds the jobs for which it holds. */
export interface JobListFilter extends JobFilter {
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

/** Lines of one run by number, strictly between the two bounds. */
export interface LogLineQuery {
  readonly runId: string
  readonly after: number | null
  readonly before: number | null
  /** `true`: the last lines before `before`, still answered in their order. */
  readonly fromEnd: boolean
  readonly limit: number
}

/** The ledger of one job strictly between two instants. */
export interface LedgerQuery {
  readonly jobId: string
  readonly after: Instant
  readonly before: Instant
  /** `true`: the last rows before `before`, still answered in their order. */
  readonly fromEnd: boolean
  readonly limit: number
}
