import type { Instant } from '../../domain/instant.ts'
import type { FinalStatus, RunTrigger } from '../../domain/run.ts'

// What a transaction leaves to be counted with it.

/** A run that became final, for the figures of its minute. */
export interface EndedRun {
  readonly jobId: string
  readonly trigger: RunTrigger
  readonly status: FinalStatus
  readonly dueAt: Instant
  readonly startedAt: Instant | null
  readonly finishedAt: Instant
}

/** Instants that got a SKIPPED verdict, for the figures of the minute they were decided in. */
export interface SkippedInstants {
  readonly jobId: string
  readonly at: Instant
  readonly count: number
}

/** The earlier of two wakeAts; null is never, undefined is none yet. */
export function earlier(a: Instant | null | undefined, b: Instant | null): Instant | null {
  if (a === undefined || a === null) return b
  return b === null ? a : Math.min(a, b)
}
