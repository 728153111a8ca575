import type { JobState } from '../../../domain/job.ts'
import { foldCase } from '../../../domain/searchText.ts'
import type { JobListFilter, JobListQuery, JobOrderField, JobRow } from '../store.ts'
import { anyOf, type Condition, type OrderOf } from '../paging.ts'
import type { Remembered } from './remembered.ts'
import { JOB_WITH_POSITION_COLUMNS, type JobWithPositionRecord, toJobRow } from '../records.ts'
import type { Scanner, Source } from './scan.ts'

/** A tag of so few jobs is read whole and sorted, instead of walking all jobs in their order. */
const NARROW = 2_000

const BY_JOB = `"Job" j CROSS JOIN "JobPosition" p ON p."jobId" = j.id`
const BY_POSITION = `"JobPosition" p CROSS JOIN "Job" j ON j.id = p."jobId"`
const BY_TAG = `"JobTag" t CROSS JOIN "Job" j ON j.id = t."jobId" CROSS JOIN "JobPosition" p ON p."jobId" = j.id`

const LIVES: Condition = { sql: 'j."deletedAt" IS NULL', values: [] }
const NAMED: Condition = { sql: 'j."liveName" IS NOT NULL', values: [] }

type Ordered = Pick<Source, 'from' | 'keys' | 'within' | 'also' | 'order'>

function byJob(order: OrderOf, within: Condition): Ordered {
  return { from: BY_JOB, keys: '"Job" j', within: [within], also: [], order }
}

/** Positions of deleted jobs are passed over: they are few, for their rows are removed. */
function byPosition(order: OrderOf): Ordered {
  return { from: BY_POSITION, keys: '"JobPosition" p', within: [], also: [LIVES], order }
}

/** CREATED_AT is the order of ids: they sort by the time of their making (domain/ids). Names are of living jobs alone. */
const ORDERS: Readonly<Record<JobOrderField, Ordered>> = {
  NAME: byJob({ value: 'j."liveName"', id: 'j.id', kind: 'unique' }, NAMED),
  CREATED_AT: byJob({ value: 'j."createdAt"', id: 'j.id', kind: 'id-only' }, LIVES),
  UPDATED_AT: byJob({ value: 'j."updatedAt"', id: 'j.id', kind: 'never-null' }, LIVES),
  NEXT_RUN_AT: byPosition({ value: 'p."nextRunAt"', id: 'p."jobId"', kind: 'nullable' }),
  LAST_RUN_AT: byPosition({ value: 'p."lastRunAt"', id: 'p."jobId"', kind: 'nullable' }),
}

/** The verbs `listJobs` and `countJobs`. */
export class JobList {
  readonly #scanner: Scanner
  readonly #remembered: Remembered

  constructor(scanner: Scanner, remembered: Remembered) {
    this.#scanner = scanner
    this.#remembered = remembered
  }

  list(query: JobListQuery): Promise<readonly JobRow[]> {
    return this.#remembered.answer(questionOf('jobs', query.filter, query), () => this.#read(query), sizeOf)
  }

  count(filter: JobListFilter): Promise<number | null> {
    const read = () => this.#scanner.count(this.#source(filter, 'NAME'), filtersOf(filter))
    return this.#remembered.answer(questionOf('number of jobs', filter), read, () => 0)
  }

  async #read({ filter, orderBy, ...paging }: JobListQuery): Promise<readonly JobRow[]> {
    const source = this.#source(filter, orderBy.field)
    const rows = await this.#scanner.page<JobWithPositionRecord>(source, JOB_WITH_POSITION_COLUMNS, filtersOf(filter), {
      ...paging,
      direction: orderBy.direction,
    })
    return rows.map(toJobRow)
  }

  #source(filter: JobListFilter, field: JobOrderField): Source {
    const ordered = ORDERS[field]
    const rare = (filter.tags ?? []).map(hasTag).find((tag) => this.#scanner.isNarrow('"JobTag" t', tag, NARROW))
    if (rare === undefined) return { ...ordered, narrow: false }
    return { from: BY_TAG, keys: BY_TAG, within: [rare, LIVES], also: [], order: ordered.order, narrow: true }
  }
}

/** The time of asking is part of a question only where it is asked what is paused then. */
function questionOf(kind: string, filter: JobListFilter, query?: JobListQuery): string {
  return JSON.stringify([kind, { ...query, filter: { ...filter, now: filter.state === null ? null : filter.now } }])
}

/** A row has about a thousand characters besides what its user wrote. */
function sizeOf(rows: readonly JobRow[]): number {
  return rows.reduce((sum, { job }) => sum + 1_000 + (job.payload?.length ?? 0) + (job.description?.length ?? 0), 0)
}

function hasTag(tag: string): Condition {
  return { sql: 't.tag = ?', values: [tag] }
}

function filtersOf({ state, search, tags, handler, lastRunStatus, now }: JobListFilter): readonly Condition[] {
  const filters: Condition[] = []
  if (state !== null) filters.push(anyOf(state.map((each) => STATE[each](now))))
  if (search !== null && search !== '') filters.push({ sql: 'instr(j."searchText", ?) > 0', values: [foldCase(search)] })
  for (const tag of tags ?? [])
    filters.push({ sql: `EXISTS (SELECT 1 FROM "JobTag" x WHERE x.tag = ? AND x."jobId" = j.id)`, values: [tag] })
  if (handler !== null) filters.push({ sql: 'j.handler = ?', values: [handler] })
  if (lastRunStatus !== null) filters.push(isOneOf('p."lastRunStatus"', lastRunStatus))
  return filters
}

const PAUSED_NOW = `j."pauseSince" IS NOT NULL AND (j."pauseUntil" IS NULL OR j."pauseUntil" > ?)`

/** The same rule as domain/job: COMPLETED before PAUSED, and a pause is over when it has reached its `until`. */
const STATE: Readonly<Record<JobState, (now: number) => Condition>> = {
  COMPLETED: () => ({ sql: 'p.completed = 1', values: [] }),
  PAUSED: (now) => ({ sql: `(p.completed = 0 AND ${PAUSED_NOW})`, values: [now] }),
  ACTIVE: (now) => ({ sql: `(p.completed = 0 AND NOT (${PAUSED_NOW}))`, values: [now] }),
}

export function isOneOf(column: string, values: readonly string[]): Condition {
  return { sql: `${column} IN (SELECT value FROM json_each(?))`, values: [JSON.stringify(values)] }
}
