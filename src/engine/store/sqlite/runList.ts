import type { RunListFilter, RunListQuery, RunOrderField, RunRow } from '../store.ts'
import type { Condition, OrderOf } from '../paging.ts'
import { isOneOf } from './jobList.ts'
import type { Remembered } from './remembered.ts'
import { RUN_COLUMNS, type RunRecord, toRunRow } from '../records.ts'
import type { Scanner, Source } from './scan.ts'

/** So few runs are read whole and sorted, instead of walking all runs in their order. */
const NARROW = 2_000

const RUNS = '"Run" r'
/** Runs that are not final are few beside those that are, and have an index of their own. */
const ACTIVE_RUNS = '"Run" r INDEXED BY "run_active"'
const ACTIVE: Condition = { sql: 'r."finishedAt" IS NULL', values: [] }
const ACTIVE_STATUSES: readonly string[] = ['QUEUED', 'RUNNING', 'RETRYING']

/** QUEUED_AT is the order of ids: they sort by the time of their making (domain/ids). */
const ORDERS: Readonly<Record<RunOrderField, OrderOf>> = {
  QUEUED_AT: { value: 'r."queuedAt"', id: 'r.id', kind: 'id-only' },
  SCHEDULED_FOR: { value: 'r."scheduledFor"', id: 'r.id', kind: 'never-null' },
  FINISHED_AT: { value: 'r."finishedAt"', id: 'r.id', kind: 'nullable' },
}

/** The verbs `listRuns` and `countRuns`. */
export class RunList {
  readonly #scanner: Scanner
  readonly #remembered: Remembered

  constructor(scanner: Scanner, remembered: Remembered) {
    this.#scanner = scanner
    this.#remembered = remembered
  }

  list(query: RunListQuery): Promise<readonly RunRow[]> {
    // Fifty of these in one request would drive all other answers out, and each is read as quickly as it is remembered.
    if (isOneLook(query)) return this.#read(query)
    return this.#remembered.answer(JSON.stringify(['runs', query]), () => this.#read(query), sizeOf)
  }

  count(filter: RunListFilter): Promise<number | null> {
    return this.#remembered.answer(
      JSON.stringify(['number of runs', filter]),
      () => this.#count(filter),
      () => 0,
    )
  }

  async #read({ filter, orderBy, ...paging }: RunListQuery): Promise<readonly RunRow[]> {
    const { source, filters } = this.#source(filter, orderBy.field)
    const rows = await this.#scanner.page<RunRecord>(source, RUN_COLUMNS, filters, { ...paging, direction: orderBy.direction })
    return rows.map(toRunRow)
  }

  #count(filter: RunListFilter): Promise<number | null> {
    const bounded = filter.scheduledFrom !== null || filter.scheduledTo !== null
    const { source, filters } = this.#source(filter, bounded ? 'SCHEDULED_FOR' : 'QUEUED_AT')
    return this.#scanner.count(source, filters)
  }

  /** Where to read the runs from, and what is left to be looked at row by row. */
  #source(filter: RunListFilter, field: RunOrderField): { readonly source: Source; readonly filters: readonly Condition[] } {
    const order = ORDERS[field]
    const { jobIds, status } = filter
    const wide = { from: RUNS, keys: RUNS, nullsFrom: field === 'FINISHED_AT' ? ACTIVE_RUNS : RUNS, also: [], order, narrow: false }

    // An index answers this whole, in this order.
    if (jobIds?.length === 1 && field === 'QUEUED_AT') {
      return { source: { ...wide, within: [ofJobs(jobIds)] }, filters: filtersOf({ ...filter, jobIds: null }) }
    }
    if (jobIds !== null && this.#scanner.isNarrow(RUNS, ofJobs(jobIds), NARROW)) {
      return { source: { ...narrowed(RUNS, order), within: [ofJobs(jobIds)] }, filters: filtersOf({ ...filter, jobIds: null }) }
    }
    if (status?.every((each) => ACTIVE_STATUSES.includes(each)) && this.#scanner.isNarrow(ACTIVE_RUNS, ACTIVE, NARROW)) {
      return { source: { ...narrowed(ACTIVE_RUNS, order), within: [ACTIVE] }, filters: filtersOf(filter) }
    }
    const window = scheduledWithin(filter)
    if (field === 'SCHEDULED_FOR')
      return { source: { ...wide, within: window }, filters: filtersOf({ ...filter, scheduledFrom: null, scheduledTo: null }) }
    return { source: { ...wide, within: [] }, filters: filtersOf(filter) }
  }
}

/** A page of one job's runs in the order of their index. */
function isOneLook({ filter: { jobIds, ...others }, orderBy }: RunListQuery): boolean {
  return jobIds?.length === 1 && orderBy.field === 'QUEUED_AT' && Object.values(others).every((value) => value === null)
}

/** A row has about a thousand characters besides what handlers wrote. */
function sizeOf(rows: readonly RunRow[]): number {
  return rows.reduce(
    (sum, run) =>
      sum +
      1_000 +
      (run.payload?.length ?? 0) +
      (run.output?.length ?? 0) +
      (run.error?.message.length ?? 0) +
      (run.error?.stack?.length ?? 0),
    0,
  )
}

function narrowed(from: string, order: OrderOf) {
  return { from, keys: from, also: [], order, narrow: true }
}

/** What is looked at row by row. The plus keeps SQLite from leaving the order it walks in for the index of a filter. */
function filtersOf(filter: RunListFilter): readonly Condition[] {
  const filters: Condition[] = []
  if (filter.jobIds !== null) filters.push(ofAnyJob(filter.jobIds))
  if (filter.status !== null) filters.push(isOneOf('r.status', filter.status))
  if (filter.trigger !== null) filters.push(isOneOf('r."trigger"', filter.trigger))
  filters.push(...scheduledWithin(filter).map(({ sql, values }) => ({ sql: `+${sql}`, values })))
  for (const tag of filter.tags ?? [])
    filters.push({ sql: 'EXISTS (SELECT 1 FROM "JobTag" x WHERE x.tag = ? AND x."jobId" = r."jobId")', values: [tag] })
  return filters
}

function ofJobs(jobIds: readonly string[]): Condition {
  return jobIds.length === 1 ? { sql: 'r."jobId" = ?', values: [jobIds[0]!] } : isOneOf('r."jobId"', jobIds)
}

export function ofAnyJob(jobIds: readonly string[]): Condition {
  return isOneOf('+r."jobId"', jobIds)
}

function scheduledWithin({ scheduledFrom, scheduledTo }: RunListFilter): readonly Condition[] {
  return [
    ...(scheduledFrom === null ? [] : [{ sql: 'r."scheduledFor" >= ?', values: [scheduledFrom] }]),
    ...(scheduledTo === null ? [] : [{ sql: 'r."scheduledFor" < ?', values: [scheduledTo] }]),
  ]
}
