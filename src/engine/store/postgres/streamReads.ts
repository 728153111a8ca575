import type { JobFacts } from '../../../domain/jobFilter.ts'
import { RUN_COLUMNS, type RunRecord, toRunRow } from '../records.ts'
import type { JobEventRow, RunRow, Store } from '../store.ts'
import { storableArray } from './columns.ts'
import type { Session } from './database.ts'

const RUNS = `SELECT ${RUN_COLUMNS} FROM "Run" r WHERE r.cursor > $1::bigint AND r.cursor <= $2::bigint`
const RUN_CHANGES = `${RUNS} ORDER BY r.cursor LIMIT $3::int`
const RUN_CHANGES_OF = `${RUNS} AND r."jobId" = ANY($3::text[]) ORDER BY r.cursor LIMIT $4::int`
const JOB_CHANGES = `SELECT cursor, "jobId", change, "at", before FROM "JobEvent" WHERE cursor > $1::bigint AND cursor <= $2::bigint ORDER BY cursor LIMIT $3::int`

type JobEventRecord = Omit<JobEventRow, 'before'> & { readonly before: string | null }

/** The verb `runChanges`. Of some jobs it is planned for what is asked: their own runs may be fewer than what changed, or more. */
export async function runChanges(
  session: Session,
  { after, upTo, jobIds, limit }: Parameters<Store['runChanges']>[0],
): Promise<readonly RunRow[]> {
  const rows =
    jobIds === null
      ? await session.rows<RunRecord>(RUN_CHANGES, [after, upTo, limit])
      : await session.rowsOnce<RunRecord>(RUN_CHANGES_OF, [after, upTo, storableArray(jobIds), limit])
  return rows.map(toRunRow)
}

/** The verb `jobChanges`. */
export async function jobChanges(
  session: Session,
  { after, upTo, limit }: Parameters<Store['jobChanges']>[0],
): Promise<readonly JobEventRow[]> {
  const rows = await session.rows<JobEventRecord>(JOB_CHANGES, [after, upTo, limit])
  return rows.map((row) => ({ ...row, before: row.before === null ? null : (JSON.parse(row.before) as Partial<JobFacts>) }))
}
