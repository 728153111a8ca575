import type { Instant } from '../../../domain/instant.ts'
import type { JobState } from '../../../domain/job.ts'
import { foldCase } from '../../../domain/searchText.ts'
import { anyOf, type Condition, type OrderOf } from '../paging.ts'
import { JOB_AND_POSITION_COLUMNS, type JobWithPositionRecord, toJobRow } from '../records.ts'
import type { JobListFilter, JobListQuery, JobOrderField, JobRow } from '../store.ts'
import { instantText, storableArray } from './columns.ts'
import type { Session } from './database.ts'
import { countRows, readPage, type Source } from './pages.ts'

/** What a job's last run does now stands on the run; on the position, as of its beginning or its end, for runs that are removed. */
export const LAST_RUN_STATUS = 'coalesce(l.status, p."lastRunStatus")'
export const JOB_ROW_COLUMNS = `${JOB_AND_POSITION_COLUMNS}, ${LAST_RUN_STATUS} AS "lastRunStatus"`
export const JOB_ROW_TABLES = `"Job" j JOIN "JobPosition" p ON p."jobId" = j.id LEFT JOIN "Run" l ON l.id = p."lastRunId"`

const LIVES: Condition = { sql: 'j."deletedAt" IS NULL', values: [] }
const NAMED: Condition = { sql: 'j."liveName" IS NOT NULL', values: [] }

const ordered = (order: OrderOf, always: Condition): Source => ({
  columns: JOB_ROW_COLUMNS,
  from: JOB_ROW_TABLES,
  always: [always],
  order,
})

/** CREATED_AT is the order of ids: they sort by the time of their making (domain/ids). Names are of living jobs alone. */
const ORDERS: Readonly<Record<JobOrderField, Source>> = {
  NAME: ordered({ value: 'j."liveName"', id: 'j.id', kind: 'unique' }, NAMED),
  CREATED_AT: { ...ordered({ value: 'j."createdAt"', id: 'j.id', kind: 'id-only' }, LIVES), twin: 'p."jobId"' },
  UPDATED_AT: ordered({ value: 'j."updatedAt"', id: 'j.id', kind: 'never-null' }, LIVES),
  NEXT_RUN_AT: ordered({ value: 'p."nextRunAt"', id: 'p."jobId"', kind: 'nullable' }, LIVES),
  LAST_RUN_AT: ordered({ value: 'p."lastRunAt"', id: 'p."jobId"', kind: 'nullable' }, LIVES),
}

/** The verb `listJobs`. */
export async function listJobs(session: Session, { filter, orderBy, ...paging }: JobListQuery): Promise<readonly JobRow[]> {
  const page = { ...paging, direction: orderBy.direction }
  const rows = await readPage<JobWithPositionRecord>(session, ORDERS[orderBy.field], filtersOf(filter), page)
  return rows.map(toJobRow)
}

/** The verb `countJobs`. Only the tables are joined that its filter looks at: Postgres cannot know that every job has a position. */
export function countJobs(session: Session, filter: JobListFilter): Promise<number | null> {
  const from = filter.lastRunStatus !== null ? JOB_ROW_TABLES : filter.state !== null ? JOB_AND_POSITION_TABLES : '"Job" j'
  return countRows(session, from, [NAMED, ...filtersOf(filter)])
}

const JOB_AND_POSITION_TABLES = `"Job" j JOIN "JobPosition" p ON p."jobId" = j.id`

function filtersOf({ state, search, tags, handler, lastRunStatus, now }: JobListFilter): readonly Condition[] {
  const filters: Condition[] = []
  if (state !== null) filters.push(anyOf(state.map((each) => STATE[each](now))))
  if (search !== null && search !== '') filters.push({ sql: 'strpos(j."searchText", ?) > 0', values: [foldCase(search)] })
  for (const tag of tags ?? [])
    filters.push({ sql: `EXISTS (SELECT 1 FROM "JobTag" x WHERE x.tag = ? AND x."jobId" = j.id)`, values: [tag] })
  if (handler !== null) filters.push({ sql: 'j.handler = ?', values: [handler] })
  if (lastRunStatus !== null) filters.push(isOneOf(LAST_RUN_STATUS, lastRunStatus))
  return filters
}

const PAUSED_NOW = `j."pauseSince" IS NOT NULL AND (j."pauseUntil" IS NULL OR j."pauseUntil" > ?)`

/** The same rule as domain/job: COMPLETED before PAUSED, and a pause is over when it has reached its `until`. */
const STATE: Readonly<Record<JobState, (now: Instant) => Condition>> = {
  COMPLETED: () => ({ sql: 'p.completed', values: [] }),
  PAUSED: (now) => ({ sql: `(NOT p.completed AND ${PAUSED_NOW})`, values: [instantText(now)] }),
  ACTIVE: (now) => ({ sql: `(NOT p.completed AND NOT (${PAUSED_NOW}))`, values: [instantText(now)] }),
}

export function isOneOf(column: string, values: readonly string[]): Condition {
  return { sql: `${column} = ANY(?::text[])`, values: [storableArray(values)] }
}
