import { columns, integer, text, textArray } from './columns.ts'
import type { Tx } from './database.ts'
import type { HeldPosition } from './locks.ts'

/** As much of a held position as the end of a run looks at and moves: at every end, so no more than that is read and written. */
export type PositionAtEnd = Pick<
  HeldPosition,
  'jobId' | 'version' | 'activeRuns' | 'failuresInRow' | 'completed' | 'lastRunId' | 'lastRunStatus'
>

/** A job that is held because runs of it may end. */
export interface JobAtEnd extends PositionAtEnd {
  /** The concurrency keys of these runs; null where they have none. */
  readonly keys: readonly string[] | null
}

// Job and key of a run never change. The runs are looked up before they are gathered by job: otherwise an index by job may look shorter.
const HOLD = `WITH ending AS MATERIALIZED (SELECT "jobId", "concurrencyKey" FROM "Run" WHERE id = ANY($1::text[]))
  SELECT p."jobId", p.version, p."activeRuns", p."failuresInRow", p.completed, p."lastRunId", p."lastRunStatus", job.keys
  FROM (
    SELECT "jobId", array_agg(DISTINCT "concurrencyKey") FILTER (WHERE "concurrencyKey" IS NOT NULL) AS keys FROM ending GROUP BY "jobId"
  ) job
  JOIN "JobPosition" p ON p."jobId" = job."jobId" ORDER BY p."jobId" FOR UPDATE OF p`

const ENDED = columns<PositionAtEnd>({
  jobId: text((p) => p.jobId),
  activeRuns: integer((p) => p.activeRuns),
  failuresInRow: integer((p) => p.failuresInRow),
  lastRunStatus: text((p) => p.lastRunStatus),
})
const WRITE = `UPDATE "JobPosition" p SET "activeRuns" = v."activeRuns", "failuresInRow" = v."failuresInRow", "lastRunStatus" = v."lastRunStatus"
  FROM ${ENDED.table('v')} WHERE p."jobId" = v."jobId"`
const STAND_STILL = `UPDATE "JobPosition" SET version = version + 1, "nextRunAt" = NULL WHERE "jobId" = ANY($1::text[])`

/** As `holdJobs`, for the jobs of runs that may end. */
export async function holdJobsOfEnds(tx: Tx, runIds: readonly string[]): Promise<ReadonlyMap<string, JobAtEnd>> {
  const rows = await tx.rows<JobAtEnd>(HOLD, [textArray(runIds)])
  return new Map(rows.map((row) => [row.jobId, row]))
}

/** Writes what the ends of runs made of the positions of their jobs. */
export async function writeEnds(tx: Tx, positions: readonly PositionAtEnd[]): Promise<void> {
  if (positions.length > 0) await tx.write(WRITE, ENDED.values(positions))
}

/** Jobs that were paused by the product itself: whoever remembers them must read them again, and they have no next instant. */
export async function standStill(tx: Tx, jobIds: readonly string[]): Promise<void> {
  if (jobIds.length > 0) await tx.write(STAND_STILL, [textArray(jobIds)])
}
