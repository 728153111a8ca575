import type { Instant } from '../../../domain/instant.ts'
import { HOURS_KEPT, ledgerKeptFrom, type RetentionRules } from '../../../domain/retention.ts'
import { ExpiredRuns, type Found, NO_BOUND, NOTHING_FOUND, type OldRun, tooYoung, type Walk, type WalkQuery } from '../expiredRuns.ts'
import type { SweepPlace, SweepQuery } from '../keeping.ts'
import { ALL_JOBS } from '../minutes.ts'
import { columns, instantText, text } from './columns.ts'
import type { Session } from './database.ts'
import { anyOldRows } from './oldRows.ts'

/** Jobs that one statement looks at, at most and at least: fewer where so much is found that a look does not come to more. */
const MOST_JOBS = 200
const FEWEST_JOBS = 2
/** Runs that one look finds at most. */
const FOUND = 100
/** After so long, in ms, a look reads no further pages of a job. */
const LOOK_TIME = 100
/** Runs read of each job at first, and then of one. */
const FIRST_PAGE = 20
const PAGE = 100

/** What a look found, and where it ended. */
export interface Look {
  readonly found: readonly { readonly from: SweepPlace; readonly runs: readonly string[]; readonly oldRows: boolean }[]
  readonly next: SweepPlace | null
  readonly jobs: number
}

interface JobRecord {
  readonly id: string
  /** Runs from this one on always stay; null: all do. */
  readonly kept: string | null
  /** Runs before this one are beyond the newest `mostOfJob`; null: none are. */
  readonly most: string | null
  readonly oldestQueuedAt: Instant | null
  readonly oldRows: boolean
}

interface PageQuery {
  readonly jobId: string
  readonly after: string
  readonly kept: string
}

const PAGE_QUERY = columns<PageQuery>({ jobId: text((q) => q.jobId), after: text((q) => q.after), kept: text((q) => q.kept) })

const newest = (offset: string, condition = '') =>
  `SELECT id FROM "Run" WHERE "jobId" = j.id ${condition} ORDER BY id DESC LIMIT 1 OFFSET ${offset}`
const jobs = (kept: string) => `SELECT j.id, kept.id AS kept, most.id AS most, oldest."queuedAt" AS "oldestQueuedAt",
    ${anyOldRows('$5', '$6')} AS "oldRows"
  FROM (SELECT $1::text COLLATE "C" AS id UNION ALL (SELECT id FROM "Job" WHERE id > $1 ORDER BY id LIMIT $2)) j
  LEFT JOIN LATERAL (${kept}) kept ON true
  LEFT JOIN LATERAL (${newest('$4', 'AND kept.id IS NOT NULL')}) most ON true
  LEFT JOIN LATERAL (SELECT "queuedAt" FROM "Run" WHERE "jobId" = j.id AND id < kept.id ORDER BY id LIMIT 1) oldest ON true
  ORDER BY 1`
const LOOK = jobs(newest('$3'))
/** Where no runs have to stay; $3 is there all the same. */
const LOOK_AT_ALL = jobs(`SELECT '${NO_BOUND}'::text COLLATE "C" AS id WHERE $3::int < 0`)
const PAGES = `SELECT q."jobId", r.* FROM ${PAGE_QUERY.table('q')} CROSS JOIN LATERAL (
    SELECT id, status, "queuedAt", "finishedAt", "idempotencyKey" IS NOT NULL AS "holdsKey" FROM "Run"
    WHERE "jobId" = q."jobId" AND id > q.after AND id < q.kept ORDER BY id LIMIT $4) r ORDER BY 1, 2`

type Pages = ReadonlyMap<string, readonly OldRun[]>

/**
 * Looks for what may go, many jobs with one statement. Where no run of a job may go that costs no row, but as many entries of an index as
 * it has runs, up to the most that it may have: whoever sweeps rests between.
 */
export class SweepLook {
  readonly #session: Session
  readonly #expired = new ExpiredRuns()
  #size = MOST_JOBS

  constructor(session: Session) {
    this.#session = session
  }

  /** What may go of the next jobs, as many as there is time for. */
  async look(query: SweepQuery): Promise<Look> {
    const look = await this.#lookAt(this.#size, query)
    this.#size = Math.min(MOST_JOBS, Math.max(FEWEST_JOBS, 2 * look.jobs))
    return look
  }

  async #lookAt(size: number, { rules, from, now }: SweepQuery): Promise<Look> {
    const deadline = performance.now() + LOOK_TIME
    const found: Look['found'][number][] = []
    const first = from ?? { jobId: ALL_JOBS, runId: null }
    const records = await this.#jobs(first.jobId, size, rules, now)
    const places = records.map(({ id }) => (id === first.jobId ? first : { jobId: id, runId: null }))
    const walked = records.map((job, i) => ({ job, place: places[i]!, query: { rules, now, most: job.most ?? '', limit: FOUND } }))
    const pages = await this.#firstPages(walked.filter(({ job, place, query }) => mayHaveAny(job, place, query)))
    let runs = 0
    let jobs = 0
    for (const { job, place, query } of walked.slice(0, size)) {
      if (runs >= FOUND) return { found, next: place, jobs }
      const { ids, upTo, all } = await this.#find(job, place, { ...query, limit: FOUND - runs }, pages, deadline)
      const oldRows = place.runId === null && job.oldRows
      if (ids.length > 0 || oldRows) found.push({ from: place, runs: ids, oldRows })
      runs += ids.length
      if (!all) return { found, next: { jobId: job.id, runId: upTo }, jobs }
      jobs++
    }
    return { found, next: places[size] ?? null, jobs }
  }

  /** The job of the place, whether it is still there or not, and those behind it: one more than a look comes to. */
  #jobs(from: string, size: number, { alwaysOfJob, mostOfJob }: RetentionRules, now: Instant): Promise<readonly JobRecord[]> {
    const sql = alwaysOfJob === 0 ? LOOK_AT_ALL : LOOK
    const cuts = [instantText(ledgerKeptFrom(now)), instantText(now - HOURS_KEPT)]
    return this.#session.rows(sql, [from, size, alwaysOfJob - 1, mostOfJob - 1, ...cuts])
  }

  async #firstPages(of: readonly { readonly job: JobRecord; readonly place: SweepPlace; readonly query: WalkQuery }[]): Promise<Pages> {
    const queries = of.map(({ job, place, query }) => ({ jobId: job.id, after: this.#expired.beginning(place, query), kept: job.kept! }))
    return this.#pages(queries, FIRST_PAGE)
  }

  async #pages(queries: readonly PageQuery[], size: number): Promise<Pages> {
    if (queries.length === 0) return new Map()
    const rows = await this.#session.rows<OldRun & { readonly jobId: string }>(PAGES, [...PAGE_QUERY.values(queries), size])
    const byJob = Map.groupBy(rows, ({ jobId }) => jobId)
    return new Map(queries.map(({ jobId }) => [jobId, byJob.get(jobId) ?? []]))
  }

  /** Looks at the runs behind the place, until it found enough of them or the time is over. */
  async #find(job: JobRecord, place: SweepPlace, query: WalkQuery, first: Pages, deadline: number): Promise<Found> {
    let page = first.get(job.id)
    if (page === undefined) return NOTHING_FOUND
    const walk: Walk = this.#expired.walk(place, query)
    for (let size = FIRST_PAGE; ; size = PAGE) {
      const found = walk.take(page, page.length < size)
      if (found !== null) return found
      if (performance.now() > deadline) return walk.stop()
      page = (await this.#pages([{ jobId: job.id, after: walk.after, kept: job.kept! }], PAGE)).get(job.id)!
    }
  }
}

/** Of a place within a job nobody knows: those before it may have been younger. */
function mayHaveAny({ kept, most, oldestQueuedAt }: JobRecord, place: SweepPlace, { rules, now }: WalkQuery): boolean {
  if (kept === null || oldestQueuedAt === null) return false
  return most !== null || oldestQueuedAt <= tooYoung(rules, now) || place.runId !== null
}
