import { isFinal } from '../../../domain/run.ts'
import type { Condition, OrderOf } from '../paging.ts'
import { RUN_COLUMNS, type RunRecord, toRunRow } from '../records.ts'
import type { RunListFilter, RunListQuery, RunOrderField, RunRow } from '../store.ts'
import { instantText } from './columns.ts'
import type { Session } from './database.ts'
import { isOneOf } from './jobList.ts'
import { countRows, readPage } from './pages.ts'

/** QUEUED_AT is the order of ids: they sort by the time of their making (domain/ids). */
const ORDERS: Readonly<Record<RunOrderField, OrderOf>> = {
  QUEUED_AT: { value: 'r."queuedAt"', id: 'r.id', kind: 'id-only' },
  SCHEDULED_FOR: { value: 'r."scheduledFor"', id: 'r.id', kind: 'never-null' },
  FINISHED_AT: { value: 'r."finishedAt"', id: 'r.id', kind: 'nullable' },
}
const RUNS = '"Run" r'

/** The verb `listRuns`. */
export async function listRuns(session: Session, { filter, orderBy, ...paging }: RunListQuery): Promise<readonly RunRow[]> {
  const order = ORDERS[orderBy.field]
  const page = { ...paging, direction: orderBy.direction }
  const { jobIds, ...others } = filter
  // Pages of one job's runs are asked for as often as those of all; an index has them in this order.
  const ofOne = jobIds?.length === 1 && order.kind === 'id-only' ? [ofJobs(jobIds)] : []
  const filters = filtersOf(ofOne.length === 1 ? { ...others, jobIds: null } : filter)
  const rows = await readPage<RunRecord>(session, { columns: RUN_COLUMNS, from: RUNS, always: ofOne, order }, filters, page)
  return rows.map(toRunRow)
}

/** The verb `countRuns`. */
export function countRuns(session: Session, filter: RunListFilter): Promise<number | null> {
  return countRows(session, RUNS, filtersOf(filter))
}

const NEWEST = `SELECT ${RUN_COLUMNS} FROM unnest($1::text[]) WITH ORDINALITY AS w(id, place)
  CROSS JOIN LATERAL (SELECT * FROM "Run" o WHERE o."jobId" = w.id ORDER BY o.id DESC LIMIT $2::int) r ORDER BY w.place, r.id DESC`

/** The verb `newestRuns`: one look for each job at the end of its own runs, whatever history it has. */
export async function newestRuns(session: Session, jobIds: readonly string[], limit: number): Promise<readonly (readonly RunRow[])[]> {
  if (jobIds.length === 0) return []
  const { values } = isOneOf('', [...new Set(jobIds)])
  const rows = await session.rows<RunRecord>(NEWEST, [...values, limit])
  const byJob = Map.groupBy(rows.map(toRunRow), ({ jobId }) => jobId)
  return jobIds.map((id) => byJob.get(id) ?? [])
}

function filtersOf({ jobIds, status, trigger, scheduledFrom, scheduledTo, tags }: RunListFilter): readonly Condition[] {
  const filters: Condition[] = []
  if (jobIds !== null) filters.push(ofJobs(jobIds))
  if (status !== null) {
    filters.push(isOneOf('r.status', status))
    // Says nothing new, but there are indexes of the runs that it holds for.
    if (status.every((each) => !isFinal(each))) filters.push({ sql: 'r."finishedAt" IS NULL', values: [] })
  }
  if (trigger !== null) filters.push(isOneOf('r."trigger"', trigger))
  if (scheduledFrom !== null) filters.push({ sql: 'r."scheduledFor" >= ?', values: [instantText(scheduledFrom)] })
  if (scheduledTo !== null) filters.push({ sql: 'r."scheduledFor" < ?', values: [instantText(scheduledTo)] })
  for (const tag of tags ?? [])
    filters.push({ sql: 'EXISTS (SELECT 1 FROM "JobTag" x WHERE x.tag = ? AND x."jobId" = r."jobId")', values: [tag] })
  return filters
}

function ofJobs(jobIds: readonly string[]): Condition {
  return jobIds.length === 1 ? { sql: 'r."jobId" = ?', values: [jobIds[0]!] } : isOneOf('r."jobId"', jobIds)
}
