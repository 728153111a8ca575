import { STREAM_HEAD } from '../settings.ts'
import type { Store } from '../store.ts'
import type { Database, Tx } from './database.ts'
import { holdJobs } from './locks.ts'
import { raiseMark } from './marks.ts'
import { tryToSweep } from './sweeping.ts'
import { holdSummed } from './summed.ts'

/** Rows removed in one transaction: a few milliseconds. */
const BATCH = 200
/** Jobs that one transaction takes on at most. */
const JOBS_OF_BATCH = 20

// Its runs have all ended: a run under way still settles, and its events name the job.
const GONE = `SELECT j.id FROM "Job" j WHERE j."deletedAt" IS NOT NULL
    AND coalesce((SELECT p."activeRuns" FROM "JobPosition" p WHERE p."jobId" = j.id), 0) = 0
  ORDER BY j."deletedAt" LIMIT $1`
const RUNS = 'SELECT id FROM "Run" WHERE "jobId" = $1 ORDER BY id LIMIT $2 FOR UPDATE'
const removeOfRuns = (table: string) =>
  `DELETE FROM "${table}" WHERE ctid = ANY(ARRAY(SELECT ctid FROM "${table}" WHERE "runId" = ANY($1::text[]) LIMIT $2))`
const REMOVE_LINES = removeOfRuns('LogLine')
const REMOVE_ATTEMPTS = removeOfRuns('Attempt')
const REMOVE_RUNS = 'DELETE FROM "Run" WHERE id = ANY($1::text[]) RETURNING cursor'
const removeOfJob = (table: string) =>
  `DELETE FROM "${table}" WHERE ctid = ANY(ARRAY(SELECT ctid FROM "${table}" WHERE "jobId" = $1 LIMIT $2))`
/** The position last: it is what says that no run is under way, and the lock. */
const PARTS = ['Verdict', 'Revision', 'JobHour', 'JobTag', 'JobPosition'].map(removeOfJob)
const REMOVE_JOB = 'DELETE FROM "Job" WHERE id = $1'

/** Removal of what deleted jobs left, children before parents, a few rows at a time. Their events stay as tombstones. */
export function deletedJobs(database: Database): Pick<Store, 'removeDeleted'> {
  return {
    async removeDeleted(limit) {
      let removed = 0
      // Most of the time there is none: a look outside of a transaction.
      while (removed < limit && (await database.rows(GONE, [1])).length > 0) {
        const batch = await database.transaction((tx) => removeBatch(tx, Math.min(BATCH, limit - removed)))
        if (batch === 0) break
        removed += batch
      }
      return removed
    },
  }
}

/** Of several processes one does it. */
async function removeBatch(tx: Tx, limit: number): Promise<number> {
  if (!(await tryToSweep(tx, 'deletedJobs'))) return 0
  const jobs = await tx.rows<{ id: string }>(GONE, [JOBS_OF_BATCH])
  const ids = jobs.map(({ id }) => id)
  // They stay deleted, and get no more runs. What still writes to them has their positions; from now on nobody does.
  await holdJobs(tx, ids)
  let removed = 0
  for (const id of ids) if (removed < limit) removed += await removePartsOf(tx, id, limit - removed)
  return removed
}

async function removePartsOf(tx: Tx, jobId: string, limit: number): Promise<number> {
  const runs = (await tx.rows<{ id: string }>(RUNS, [jobId, limit])).map(({ id }) => id)
  let removed = runs.length === 0 ? 0 : await removeRuns(tx, runs, limit)
  if (runs.length === limit || removed >= limit) return removed
  // Nobody adds hours to a job that goes.
  await holdSummed(tx)
  for (const part of PARTS) {
    removed += await tx.write(part, [jobId, limit - removed])
    if (removed >= limit) return removed
  }
  return removed + (await tx.write(REMOVE_JOB, [jobId]))
}

/** Answers how many rows went, at most `limit`: where that is reached, some of the runs, or all, are left for the next time. */
async function removeRuns(tx: Tx, runs: readonly string[], limit: number): Promise<number> {
  let removed = await tx.write(REMOVE_LINES, [runs, limit])
  if (removed < limit) removed += await tx.write(REMOVE_ATTEMPTS, [runs, limit - removed])
  if (removed >= limit) return removed
  const gone = await tx.rows<{ cursor: number }>(REMOVE_RUNS, [runs.slice(0, limit - removed)])
  // Nothing is lost to whoever follows the stream, for the job is gone; but its head, which is told by the rows, must not go back.
  await raiseMark(
    tx,
    STREAM_HEAD,
    gone.reduce((highest, { cursor }) => Math.max(highest, cursor), 0),
  )
  return removed + gone.length
}
