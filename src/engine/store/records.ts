import type { Job, Pause, Policies, Position, Target } from '../../domain/job.ts'
import type { ActiveRun, AttemptStatus, Hold, RunError, RunStatus, RunTrigger } from '../../domain/run.ts'
import type { Schedule } from '../../domain/schedule.ts'
import type { AttemptRow, JobRow, RunRow } from './rows.ts'

// Rows as databases hand them over, and the domain's values that they mean. Instants are milliseconds, JSON is text.

export interface JobRecord {
  readonly id: string
  readonly name: string
  readonly description: string | null
  readonly tags: string
  readonly schedule: string
  readonly revision: number
  readonly target: string
  readonly payload: string | null
  readonly policies: string
  readonly pauseSince: number | null
  readonly pauseUntil: number | null
  readonly pauseNote: string | null
  readonly pauseBy: string | null
  readonly version: number
  readonly createdAt: number
  readonly updatedAt: number
}

export interface PositionRecord {
  readonly jobId: string
  readonly version: number
  readonly plannedUntil: number
  readonly wakeAt: number | null
  readonly nextRunAt: number | null
  readonly scheduledRuns: number
  readonly activeRuns: number
  readonly trailingVerdictId: string | null
  readonly failuresInRow: number
  /** 0 and 1 in SQLite. */
  readonly completed: boolean | number
  readonly lastRunId: string | null
}

export interface RunRecord {
  readonly id: string
  readonly jobId: string
  readonly trigger: RunTrigger
  readonly status: RunStatus
  readonly occurrence: number | null
  readonly scheduledFor: number
  readonly dueAt: number
  readonly queuedAt: number
  readonly startedAt: number | null
  readonly finishedAt: number | null
  readonly cancelRequestedAt: number | null
  readonly heldBy: Hold | null
  readonly priority: number
  readonly concurrencyKey: string | null
  readonly maxConcurrency: number | null
  readonly coalesced: number
  readonly payload: string | null
  readonly output: string | null
  readonly error: string | null
  readonly progress: number | null
  readonly attempt: number
  readonly attemptStatus: AttemptStatus | null
  readonly attemptStartedAt: number | null
  readonly attemptsUsed: number
  readonly nextAttemptAt: number | null
  readonly instanceId: string | null
  readonly jobVersion: number | null
  readonly leaseUntil: number | null
  readonly rerunOfId: string | null
  readonly triggeredBy: string | null
  readonly idempotencyHash: string | null
  readonly cursor: number
  readonly changedAt: number
}

export interface AttemptRecord {
  readonly runId: string
  readonly number: number
  readonly status: AttemptStatus
  readonly startedAt: number
  readonly finishedAt: number | null
  readonly error: string | null
  readonly instanceId: string | null
  readonly jobVersion: number
}

const columns = (table: string, names: string) =>
  names
    .trim()
    .split(/\s+/)
    .map((name) => `${table}."${name}"`)
    .join(', ')

/** Columns of a Job `j` for `toJob`. */
export const JOB_COLUMNS = columns(
  'j',
  'id name description tags schedule revision target payload policies pauseSince pauseUntil pauseNote pauseBy version createdAt updatedAt',
)

/** Columns of a JobPosition `p` for `toPosition`. */
export const POSITION_COLUMNS = columns(
  'p',
  'jobId version plannedUntil wakeAt nextRunAt scheduledRuns activeRuns trailingVerdictId failuresInRow completed lastRunId',
)

/** Columns of a Run `r` for `toRunRow`. */
export const RUN_COLUMNS = columns(
  'r',
  `id jobId trigger status occurrence scheduledFor dueAt queuedAt startedAt finishedAt cancelRequestedAt heldBy priority concurrencyKey maxConcurrency coalesced
   payload output error progress attempt attemptStatus attemptStartedAt attemptsUsed nextAttemptAt instanceId jobVersion leaseUntil rerunOfId triggeredBy
   idempotencyHash cursor changedAt`,
)

/** A job with its position in one row: the position's columns that a job has too are named `position…`. */
export type JobWithPositionRecord = JobRecord &
  Omit<PositionRecord, 'jobId' | 'version'> & {
    readonly positionVersion: number
    readonly lastRunStatus: RunStatus | null
    readonly lastRunAt: number | null
  }

/** Columns of a Job `j` joined with its JobPosition `p`, for `toJobRow`. All but `lastRunStatus`, where that is not read from the position alone. */
export const JOB_AND_POSITION_COLUMNS = `${JOB_COLUMNS}, p.version AS "positionVersion", ${columns(
  'p',
  'plannedUntil wakeAt nextRunAt scheduledRuns activeRuns trailingVerdictId failuresInRow completed lastRunId lastRunAt',
)}`
export const JOB_WITH_POSITION_COLUMNS = `${JOB_AND_POSITION_COLUMNS}, p."lastRunStatus"`

export function toJob(row: JobRecord): Job {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    tags: readTags(row.tags),
    schedule: readSchedule(row.schedule),
    revision: row.revision,
    target: readTarget(row.target),
    payload: row.payload,
    policies: readPolicies(row.policies),
    pause: toPause(row),
    version: row.version,
    createdAt: row.createdAt,
    updatedAt: row.updatedAt,
  }
}

function toPause(row: JobRecord): Pause | null {
  return row.pauseSince === null ? null : { since: row.pauseSince, until: row.pauseUntil, note: row.pauseNote ?? '', by: row.pauseBy }
}

export function toPosition(row: PositionRecord): Position {
  return { ...row, completed: Boolean(row.completed) }
}

export function toJobRow(row: JobWithPositionRecord): JobRow {
  return {
    job: toJob(row),
    position: {
      jobId: row.id,
      version: row.positionVersion,
      plannedUntil: row.plannedUntil,
      wakeAt: row.wakeAt,
      nextRunAt: row.nextRunAt,
      scheduledRuns: row.scheduledRuns,
      activeRuns: row.activeRuns,
      trailingVerdictId: row.trailingVerdictId,
      failuresInRow: row.failuresInRow,
      completed: Boolean(row.completed),
      lastRunId: row.lastRunId,
    },
    lastRunStatus: row.lastRunStatus,
    lastRunAt: row.lastRunAt,
  }
}

export function toRunRow({ maxConcurrency: _, ...row }: RunRecord): RunRow {
  return { ...row, error: readError(row.error) }
}

export function toAttemptRow(row: AttemptRecord): AttemptRow {
  return { ...row, error: readError(row.error) }
}

/** Columns of a Run `r` that an ActiveRun has. */
export const ACTIVE_RUN_COLUMNS = columns('r', 'id status trigger heldBy dueAt cancelRequestedAt')
export type ActiveRunRecord = ActiveRun

export function readError(text: string | null): RunError | null {
  return text === null ? null : (JSON.parse(text) as RunError)
}

export function writeError(error: RunError | null): string | null {
  return error === null ? null : JSON.stringify(error)
}

/** Reads JSON that many rows share word for word only once. What it answers is shared as well, hence read-only. */
function remembering<T>(limit: number): (text: string) => T {
  const known = new Map<string, T>()
  return (text) => {
    const value = known.get(text)
    if (value !== undefined) return value
    const read = JSON.parse(text) as T
    if (known.size >= limit) known.clear()
    known.set(text, read)
    return read
  }
}

export const readPolicies = remembering<Policies>(1_000)
export const readTarget = remembering<Target>(2_000)
export const readSchedule = remembering<Schedule>(2_000)
const readTags = remembering<readonly string[]>(1_000)
