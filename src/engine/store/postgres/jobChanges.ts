import type { Instant } from '../../../domain/instant.ts'
import type { JobChange } from '../../../domain/job.ts'
import type { JobFacts } from '../../../domain/jobFilter.ts'
import { bigint, columns, instant, instantText, integer, text, textArray } from './columns.ts'
import type { Tx } from './database.ts'

/** A change of a job that the stream is told. */
export interface NewEvent {
  readonly jobId: string
  readonly change: JobChange
  readonly at: Instant
  /** What filters look at, as it was, as far as the change touched it. By it those hear who showed the job and must let it go. */
  readonly before: Partial<JobFacts> | null
}

/** A job that failed so often in a row. */
export interface FailingJob {
  readonly jobId: string
  readonly failures: number
}

const EVENT = columns<NewEvent & { readonly cursor: number }>({
  cursor: bigint((e) => e.cursor),
  jobId: text((e) => e.jobId),
  change: text((e) => e.change),
  at: instant((e) => e.at),
  before: text((e) => (e.before === null ? null : JSON.stringify(e.before))),
})
const WRITE_EVENTS = `INSERT INTO "JobEvent" (${EVENT.names}) SELECT ${EVENT.names} FROM ${EVENT.table('v')}`

const END_PAUSES = `UPDATE "Job" SET "pauseSince" = NULL, "pauseUntil" = NULL, "pauseNote" = NULL, "pauseBy" = NULL, "updatedAt" = $2::timestamptz
  WHERE id = ANY($1::text[]) AND "pauseUntil" <= $2::timestamptz RETURNING id`

const FAILING = columns<FailingJob>({ jobId: text((job) => job.jobId), failures: integer((job) => job.failures) })
const PAUSE_AFTER_FAILURES = `UPDATE "Job" j SET "pauseSince" = $3::timestamptz, "pauseUntil" = NULL, "pauseBy" = NULL, "updatedAt" = $3::timestamptz,
    "pauseNote" = 'Paused after ' || v.failures || CASE v.failures WHEN 1 THEN ' failed run' ELSE ' failed runs in a row' END
  FROM ${FAILING.table('v')} WHERE j.id = v."jobId" AND j."pauseSince" IS NULL AND j."deletedAt" IS NULL RETURNING j.id`

const PAUSED = `SELECT id FROM "Job" WHERE id = ANY($1::text[]) AND "pauseSince" IS NOT NULL AND ("pauseUntil" IS NULL OR "pauseUntil" > $2::timestamptz)`

// Changes of a job that no command made raise the version of its position (whoever remembers the definition must read it again) and are
// told to the stream, but leave the version that users see. All of it under the positions that the caller holds.

/** Tells the stream of changes of jobs, each at a position of its own. */
export async function writeEvents(tx: Tx, events: readonly NewEvent[], cursors: readonly number[]): Promise<void> {
  if (events.length > 0) await tx.write(WRITE_EVENTS, EVENT.values(events.map((event, i) => ({ ...event, cursor: cursors[i]! }))))
}

/**
 * Removes pauses that have reached their `until`; a plan may say so more than once. Answers which jobs had one to end: the caller raises
 * their versions and tells the stream, with the state before: PAUSED.
 */
export async function endPauses(tx: Tx, jobIds: readonly string[], now: Instant): Promise<ReadonlySet<string>> {
  if (jobIds.length === 0) return new Set()
  return idsOf(await tx.rows(END_PAUSES, [textArray(jobIds), instantText(now)]))
}

/**
 * Pauses jobs that failed too often in a row, until they are resumed. One that is paused already stays as it is, also where that pause
 * has just ended and the planner has not come to it: its skipped instants are not yet in the ledger. Answers which were paused by it: the
 * caller raises their versions, takes their next instants away and tells the stream, with the state before: ACTIVE.
 */
export async function pauseAfterFailures(tx: Tx, jobs: readonly FailingJob[], now: Instant): Promise<ReadonlySet<string>> {
  if (jobs.length === 0) return new Set()
  return idsOf(await tx.rows(PAUSE_AFTER_FAILURES, [...FAILING.values(jobs), instantText(now)]))
}

/** Which of these jobs are paused: the state before of those whose schedule has run out, as planning found. */
export async function pausedOf(tx: Tx, jobIds: readonly string[], now: Instant): Promise<ReadonlySet<string>> {
  if (jobIds.length === 0) return new Set()
  return idsOf(await tx.rows(PAUSED, [textArray(jobIds), instantText(now)]))
}

function idsOf(rows: readonly { id: string }[]): ReadonlySet<string> {
  return new Set(rows.map(({ id }) => id))
}
