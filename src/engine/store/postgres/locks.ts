import type { Instant } from '../../../domain/instant.ts'
import type { Position } from '../../../domain/job.ts'
import type { RunStatus } from '../../../domain/run.ts'
import { type Columns, columns, instant, integer, text, textArray, truth } from './columns.ts'
import type { Tx } from './database.ts'

// The locks of a transaction, in the order in which every transaction takes them, so that none ever waits for one that waits for it:
// 1. positions of jobs, by job id; 2. concurrency keys, by their number; 3. rows of runs, by id. Then cursors, then writes.

/** Where a job stands, as the transaction that holds it changes it. */
export interface HeldPosition {
  readonly jobId: string
  version: number
  plannedUntil: Instant
  wakeAt: Instant | null
  nextRunAt: Instant | null
  scheduledRuns: number
  activeRuns: number
  trailingVerdictId: string | null
  failuresInRow: number
  completed: boolean
  lastRunId: string | null
  /** As of the addition or the end of the last run: what it does between stands on its row. */
  lastRunStatus: RunStatus | null
  lastRunAt: Instant | null
}

const PLANNED = {
  jobId: text((p: Position) => p.jobId),
  version: integer((p: Position) => p.version),
  plannedUntil: instant((p: Position) => p.plannedUntil),
  wakeAt: instant((p: Position) => p.wakeAt),
  nextRunAt: instant((p: Position) => p.nextRunAt),
  scheduledRuns: integer((p: Position) => p.scheduledRuns),
  activeRuns: integer((p: Position) => p.activeRuns),
  trailingVerdictId: text((p: Position) => p.trailingVerdictId),
  failuresInRow: integer((p: Position) => p.failuresInRow),
  completed: truth((p: Position) => p.completed),
  lastRunId: text((p: Position) => p.lastRunId),
}
/** A position as planning and new jobs know it: all but what lists show of the last run. */
export const POSITION: Columns<Position> = columns<Position>(PLANNED)
const HELD = columns<HeldPosition>({
  ...PLANNED,
  lastRunStatus: text((p) => p.lastRunStatus),
  lastRunAt: instant((p) => p.lastRunAt),
})

const HOLD_POSITIONS = `SELECT ${HELD.names} FROM "JobPosition" WHERE "jobId" = ANY($1::text[]) ORDER BY "jobId" FOR UPDATE`
const HOLD_POSITIONS_OF_RUNS = `SELECT ${HELD.names} FROM "JobPosition"
  WHERE "jobId" = ANY(ARRAY(SELECT "jobId" FROM "Run" WHERE id = ANY($1::text[]))) ORDER BY "jobId" FOR UPDATE`
const WRITE_POSITIONS = `UPDATE "JobPosition" p SET version = v.version, "plannedUntil" = v."plannedUntil", "wakeAt" = v."wakeAt", "nextRunAt" = v."nextRunAt",
    "scheduledRuns" = v."scheduledRuns", "activeRuns" = v."activeRuns", "trailingVerdictId" = v."trailingVerdictId", "failuresInRow" = v."failuresInRow",
    completed = v.completed, "lastRunId" = v."lastRunId", "lastRunStatus" = v."lastRunStatus", "lastRunAt" = v."lastRunAt"
  FROM ${HELD.table('v')} WHERE p."jobId" = v."jobId"`
const HOLD_KEYS =
  'SELECT pg_advisory_xact_lock(key) FROM (SELECT DISTINCT hashtextextended(k, 0) AS key FROM unnest($1::text[]) AS k ORDER BY 1) keys'

/** Holds jobs until the end of the transaction: whoever plans, changes or deletes them, or adds or ends runs of theirs, does. By job id. */
export async function holdJobs(tx: Tx, jobIds: readonly string[]): Promise<Map<string, HeldPosition>> {
  return byJob(jobIds.length === 0 ? [] : await tx.rows<HeldPosition>(HOLD_POSITIONS, [textArray(jobIds)]))
}

/** As holdJobs, for the jobs of these runs. */
export async function holdJobsOfRuns(tx: Tx, runIds: readonly string[]): Promise<Map<string, HeldPosition>> {
  return byJob(runIds.length === 0 ? [] : await tx.rows<HeldPosition>(HOLD_POSITIONS_OF_RUNS, [textArray(runIds)]))
}

/** Writes what became of positions that are held. */
export async function writePositions(tx: Tx, positions: readonly HeldPosition[]): Promise<void> {
  if (positions.length > 0) await tx.write(WRITE_POSITIONS, HELD.values(positions))
}

/** Holds concurrency keys until the end of the transaction: whoever gives or frees a slot of theirs does. All of a transaction at once. */
export async function holdKeys(tx: Tx, keys: Iterable<string>): Promise<void> {
  const all = [...keys]
  if (all.length > 0) await tx.rows(HOLD_KEYS, [textArray(all)])
}

function byJob(rows: readonly HeldPosition[]): Map<string, HeldPosition> {
  return new Map(rows.map((row) => [row.jobId, row]))
}
