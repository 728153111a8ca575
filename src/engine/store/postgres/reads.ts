import type { ActiveRun } from '../../../domain/run.ts'
import {
  ACTIVE_RUN_COLUMNS,
  type ActiveRunRecord,
  type AttemptRecord,
  JOB_COLUMNS,
  type JobRecord,
  type JobWithPositionRecord,
  RUN_COLUMNS,
  type RunRecord,
  toAttemptRow,
  toJob,
  toJobRow,
  toRunRow,
} from '../records.ts'
import type { JobRow, Store } from '../store.ts'
import { Batcher } from './batcher.ts'
import { storable, storableArray } from './columns.ts'
import type { Session } from './database.ts'
import { JOB_ROW_COLUMNS, JOB_ROW_TABLES } from './jobList.ts'

const JOB_ROWS = `SELECT ${JOB_ROW_COLUMNS}, j."deletedAt" FROM ${JOB_ROW_TABLES} WHERE j.id = ANY($1::text[])`
const JOB_NAMED = `SELECT ${JOB_ROW_COLUMNS} FROM ${JOB_ROW_TABLES} WHERE j."liveName" = $1`
const JOBS = `SELECT ${JOB_COLUMNS} FROM "Job" j WHERE j.id = ANY($1::text[]) AND j."deletedAt" IS NULL`
const RUN_ROWS = `SELECT ${RUN_COLUMNS} FROM "Run" r WHERE r.id = ANY($1::text[])`
const ACTIVE_RUNS = `SELECT r."jobId", ${ACTIVE_RUN_COLUMNS} FROM "Run" r WHERE r."jobId" = ANY($1::text[]) AND r."finishedAt" IS NULL ORDER BY r."dueAt", r.id`
const ATTEMPTS = `SELECT "runId", number, status, "startedAt", "finishedAt", error, "instanceId", "jobVersion" FROM "Attempt" WHERE "runId" = ANY($1::text[])
  UNION ALL
  SELECT id, attempt, "attemptStatus", "attemptStartedAt", "finishedAt", CASE WHEN status = 'RUNNING' THEN NULL ELSE error END, "instanceId", "jobVersion"
    FROM "Run" r
    WHERE id = ANY($1::text[]) AND attempt > 0 AND NOT EXISTS (SELECT 1 FROM "Attempt" a WHERE a."runId" = r.id AND a.number = r.attempt)
  ORDER BY number`

type Reads = Pick<Store, 'job' | 'run' | 'jobRows' | 'runRows' | 'attempts' | 'jobsById' | 'activeRuns'>

/**
 * Reads by id. Those that come in one turn of the loop share a statement: callers that know nothing of each other ask for single rows, and
 * each way to the database and back costs more than a row.
 */
export function readsById(session: Session): Reads {
  const jobs = rowsById(async (ids) => {
    const rows = await session.rows<JobWithPositionRecord & { readonly deletedAt: number | null }>(JOB_ROWS, [storableArray(ids)])
    return rows.map((row): StoredJob => ({ id: row.id, row: toJobRow(row), lives: row.deletedAt === null }))
  })
  const runs = rowsById(async (ids) => (await session.rows<RunRecord>(RUN_ROWS, [storableArray(ids)])).map(toRunRow))

  return {
    async job(by) {
      if ('id' in by) {
        const [job] = await jobs([by.id])
        return job?.lives ? job.row : null
      }
      if (!storable(by.name)) return null
      const [row] = await session.rows<JobWithPositionRecord>(JOB_NAMED, [by.name])
      return row === undefined ? null : toJobRow(row)
    },
    run: async (id) => (await runs([id]))[0]!,
    // Deleted jobs too, as long as their rows are there: the events of their runs name them.
    jobRows: async (ids) => (await jobs(ids)).map((job) => job?.row ?? null),
    runRows: runs,
    async attempts(runIds) {
      const rows = await session.rows<AttemptRecord>(ATTEMPTS, [storableArray(runIds)])
      const found = Map.groupBy(rows.map(toAttemptRow), ({ runId }) => runId)
      return new Map(runIds.map((id) => [id, found.get(id) ?? []]))
    },
    jobsById: async (ids) => (await session.rows<JobRecord>(JOBS, [storableArray(ids)])).map(toJob),
    async activeRuns(jobIds) {
      const rows = await session.rows<ActiveRunRecord & { readonly jobId: string }>(ACTIVE_RUNS, [storableArray(jobIds)])
      const found = Map.groupBy(rows, ({ jobId }) => jobId)
      return new Map(jobIds.map((id) => [id, (found.get(id) ?? []).map(({ jobId: _, ...run }): ActiveRun => run)]))
    },
  }
}

interface StoredJob {
  readonly id: string
  readonly row: JobRow
  readonly lives: boolean
}

/** Calls of one statement at most, and ids. */
const MOST_CALLS = 500
const MOST_IDS = 2_000
/** Statements under way at once: while they are, what is asked for gathers. */
const LANES = 3

/** Rows in the order asked, null where there is none; calls share statements. */
function rowsById<Row extends { readonly id: string }>(
  read: (ids: readonly string[]) => Promise<readonly Row[]>,
): (ids: readonly string[]) => Promise<readonly (Row | null)[]> {
  const batcher = new Batcher<readonly string[], readonly (Row | null)[]>({
    async perform(calls) {
      const rows = new Map((await read([...new Set(calls.flat())])).map((row) => [row.id, row]))
      return calls.map((ids) => ids.map((id) => rows.get(id) ?? null))
    },
    most: MOST_CALLS,
    lanes: LANES,
    fits: (call, before) => before.reduce((sum, { length }) => sum + length, call.length) <= MOST_IDS,
  })
  return (ids) => (ids.length === 0 ? Promise.resolve([]) : batcher.add(ids))
}
