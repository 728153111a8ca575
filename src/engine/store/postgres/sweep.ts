import type { Instant } from '../../../domain/instant.ts'
import type { SweepPlace, SweepResult } from '../keeping.ts'
import { STREAM_FLOOR } from '../settings.ts'
import type { Store } from '../store.ts'
import { textArray } from './columns.ts'
import type { Database, Tx } from './database.ts'
import { holdJobs } from './locks.ts'
import { raiseMark } from './marks.ts'
import { removeOldRows } from './oldRows.ts'
import { leaveVerdicts } from './runVerdicts.ts'
import { type Look, SweepLook } from './sweepLook.ts'
import { Sweeper } from './sweeper.ts'

/** Log lines of one run that go with one statement, and those that go with their runs, together: a removal takes some ten ms. */
const PIECE = 300
const LINES = 2_000

interface RemovedRun {
  readonly jobId: string
  readonly occurrence: Instant | null
  readonly counted: boolean
  readonly cursor: number
}

/** Runs that are removed together. */
interface Removal {
  readonly runs: readonly string[]
  /** The first that is left because of its many lines, or those of the runs before it; null: none is. */
  readonly stoppedAt: { readonly runId: string; readonly place: SweepPlace; readonly isLong: boolean } | null
}

const LIVING = 'SELECT id FROM "Job" WHERE id = ANY($1::text[]) AND "deletedAt" IS NULL'
/** The number of the last line: there are at most so many. */
const LINES_OF = `SELECT r.id, l.seq AS lines FROM unnest($1::text[]) AS r(id)
  CROSS JOIN LATERAL (SELECT seq FROM "LogLine" WHERE "runId" = r.id ORDER BY seq DESC LIMIT 1) l`
const REMOVE_LINES = `DELETE FROM "LogLine" WHERE "runId" = $1 AND seq <= (
  SELECT max(seq) FROM (SELECT seq FROM "LogLine" WHERE "runId" = $1 ORDER BY seq LIMIT ${PIECE}) first)`
/** Its attempts and the lines that are left go with it. */
const REMOVE_RUNS = `WITH held AS MATERIALIZED (
    SELECT id FROM "Run" WHERE id = ANY($1::text[]) AND "finishedAt" IS NOT NULL ORDER BY id FOR UPDATE)
  DELETE FROM "Run" r USING held WHERE r.id = held.id RETURNING r."jobId", r.occurrence, r.counted, r.cursor`

/**
 * Removes by age and number, job by job in the order of their ids, in two steps: a look, which is a read, and the removal of what it
 * found, for which nothing that happens between can make it too early. One process at a time does so.
 */
export class Sweep implements Pick<Store, 'sweepJobs'> {
  readonly #database: Database
  readonly #look: SweepLook
  readonly #sweeper: Sweeper

  constructor(database: Database, instanceId: string) {
    this.#database = database
    this.#look = new SweepLook(database)
    this.#sweeper = new Sweeper(database, instanceId)
  }

  /** Nothing is done, and nothing is left to do, where another process sweeps. */
  async sweepJobs(query: Parameters<Store['sweepJobs']>[0]): Promise<SweepResult> {
    if (!(await this.#sweeper.isOurs())) return { next: null, jobs: 0, removed: 0 }
    const look = await this.#look.look(query)
    if (look.found.length === 0) return { next: look.next, jobs: look.jobs, removed: 0 }
    return this.#database.transaction((tx) => remove(tx, look, query.now))
  }

  /** Lets another process sweep. */
  async close(): Promise<void> {
    await this.#sweeper.release()
  }
}

async function remove(tx: Tx, { found, next, jobs }: Look, now: Instant): Promise<SweepResult> {
  const jobIds = found.map(({ from }) => from.jobId)
  // The ledger of a job changes with its runs.
  await holdJobs(tx, jobIds)
  // The removal of deleted jobs sees to theirs: those leave no verdict and take nothing from the stream.
  const living = new Set((await tx.rows<{ id: string }>(LIVING, [textArray(jobIds)])).map(({ id }) => id))
  const { runs, stoppedAt } = await removable(tx, found, living)
  const gone = runs.length === 0 ? [] : await tx.rows<RemovedRun>(REMOVE_RUNS, [textArray(runs)])
  const lines = stoppedAt?.isLong === true ? await tx.write(REMOVE_LINES, [stoppedAt.runId]) : 0
  const instants = gone.flatMap(({ jobId, occurrence, counted }) =>
    occurrence !== null && counted ? [{ jobId, instant: occurrence }] : [],
  )
  await leaveVerdicts(tx, instants, now)
  // Of jobs behind the stop they go when the sweep comes there again.
  const reached = stoppedAt === null ? found : found.filter(({ from }) => from.jobId <= stoppedAt.place.jobId)
  const withOldRows = reached.filter(({ oldRows }) => oldRows).map(({ from }) => from.jobId)
  const old = await removeOldRows(tx, withOldRows, now)
  if (gone.length > 0)
    await raiseMark(
      tx,
      STREAM_FLOOR,
      gone.reduce((highest, { cursor }) => Math.max(highest, cursor), 0),
    )
  const removed = gone.length + lines + old
  return stoppedAt === null ? { next, jobs, removed } : { next: stoppedAt.place, jobs: 0, removed }
}

/** The runs that go now: all up to the first with so many lines, up to 80,000, that those have to go first and in pieces. */
async function removable(tx: Tx, found: Look['found'], living: ReadonlySet<string>): Promise<Removal> {
  const all = found.filter(({ from }) => living.has(from.jobId)).flatMap(({ from, runs }) => runs.map((runId) => ({ from, runId })))
  if (all.length === 0) return { runs: [], stoppedAt: null }
  const rows = await tx.rows<{ id: string; lines: number }>(LINES_OF, [textArray(all.map(({ runId }) => runId))])
  const linesOf = new Map(rows.map(({ id, lines }) => [id, lines]))
  const runs: string[] = []
  let sum = 0
  let place = null as SweepPlace | null
  for (const { from, runId } of all) {
    if (place?.jobId !== from.jobId) place = from
    const lines = linesOf.get(runId) ?? 0
    sum += lines
    const isLong = lines > PIECE
    if (isLong || sum > LINES) return { runs, stoppedAt: { runId, place, isLong } }
    runs.push(runId)
    place = { jobId: from.jobId, runId }
  }
  return { runs, stoppedAt: null }
}
