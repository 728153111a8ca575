import type { Job, Position } from '../../../domain/job.ts'
import { looksAtActiveRuns } from '../../../domain/overlap.ts'
import type { ActiveRun } from '../../../domain/run.ts'
import { ACTIVE_RUN_COLUMNS, type ActiveRunRecord, JOB_COLUMNS, type JobRecord, toJob } from '../records.ts'
import type { JobSnapshot, SnapshotOptions } from '../store.ts'
import { columns, text, textArray } from './columns.ts'
import type { Tx } from './database.ts'
import type { HeldPosition } from './locks.ts'
import { allMaintenance } from './maintenance.ts'
import { momentsAt } from './verdictSplits.ts'

// What commands decide on, read for many jobs at once under their positions.

interface JobKey {
  readonly jobId: string
  readonly key: string
}

const JOB_KEY = columns<JobKey>({ jobId: text((k) => k.jobId), key: text((k) => k.key) })
const JOBS = `SELECT ${JOB_COLUMNS} FROM "Job" j WHERE j.id = ANY($1::text[]) AND j."deletedAt" IS NULL`
const ACTIVE = `SELECT r."jobId", ${ACTIVE_RUN_COLUMNS} FROM "Run" r WHERE r."jobId" = ANY($1::text[]) AND r."finishedAt" IS NULL ORDER BY r."dueAt", r.id`
const KEY_HOLDERS = `SELECT r."jobId", r.id AS "runId", r."idempotencyHash" AS hash, r."queuedAt" FROM ${JOB_KEY.table('v')}
  JOIN "Run" r ON r."jobId" = v."jobId" AND r."idempotencyKey" = v.key`

/**
 * Active runs of a job that are read whether or not its decision looks at them. Where there are more, and its overlap policy does not look
 * at them, they wait until the decision does.
 */
const FEW = 100

/** Whose snapshot is asked for. */
export interface SnapshotQuery {
  readonly jobId: string
  readonly options: SnapshotOptions
}

/** A job that lives, as it stands in the transaction that holds its position. */
export class StandingJob {
  readonly job: Job
  readonly position: HeldPosition
  /** As it was before the transaction moves it. */
  readonly before: Position
  readonly #rest: Omit<JobSnapshot, 'job' | 'position' | 'active'>
  #active: readonly ActiveRun[] | null

  constructor(
    job: Job,
    position: HeldPosition,
    active: readonly ActiveRun[] | null,
    rest: Omit<JobSnapshot, 'job' | 'position' | 'active'>,
  ) {
    this.job = job
    this.position = position
    this.before = asPosition(position)
    this.#active = active
    this.#rest = rest
  }

  /**
   * Lets `decide` look at the job. It cannot wait for what it looks at, so where it asks for active runs that were not read it is stopped,
   * they are read, and it runs again from its beginning.
   */
  async decide<T>(tx: Tx, decide: (current: JobSnapshot) => T): Promise<T> {
    if (this.#active === null) {
      let asked = false
      const stop = () => {
        asked = true
        throw new Error('active runs must be looked at within the decision')
      }
      const snapshot = {
        job: this.job,
        position: this.before,
        get active(): readonly ActiveRun[] {
          return stop()
        },
        ...this.#rest,
      }
      try {
        const decision = decide(snapshot)
        if (!asked) return decision
      } catch (error) {
        if (!asked) throw error
      }
      this.#active = (await activeRuns(tx, [this.job.id])).get(this.job.id) ?? []
    }
    return decide({ job: this.job, position: this.before, active: this.#active, ...this.#rest })
  }
}

/** The jobs asked for, by id; those that do not live are left out. No two queries are of the same job. */
export async function standingJobs(
  tx: Tx,
  positions: ReadonlyMap<string, HeldPosition>,
  queries: readonly SnapshotQuery[],
): Promise<ReadonlyMap<string, StandingJob>> {
  const jobs = await livingJobs(tx, [...positions.keys()])
  if (jobs.size === 0) return new Map()
  const maintenance = await allMaintenance(tx)
  const eager = [...jobs.values()].filter((job) => isEager(job, positions.get(job.id)!)).map(({ id }) => id)
  const active = await activeRuns(tx, eager)
  const holders = await keyHolders(tx, queries)
  const instants = queries.flatMap(({ jobId, options }) => (options.ledgerAt ?? []).map((at) => ({ jobId, at })))
  const moments = await momentsAt(tx, instants)
  let next = 0
  const standing = new Map<string, StandingJob>()
  for (const { jobId, options } of queries) {
    const asked = options.ledgerAt?.length ?? 0
    next += asked
    const ledger = moments.slice(next - asked, next)
    const job = jobs.get(jobId)
    if (job === undefined) continue
    const position = positions.get(jobId)!
    const read = position.activeRuns === 0 ? [] : (active.get(jobId) ?? null)
    standing.set(jobId, new StandingJob(job, position, read, { maintenance, idempotent: holders.get(jobId) ?? null, ledger }))
  }
  return standing
}

/** Jobs by id; those that do not live are left out. */
export async function livingJobs(tx: Tx, ids: readonly string[]): Promise<ReadonlyMap<string, Job>> {
  if (ids.length === 0) return new Map()
  return new Map((await tx.rows<JobRecord>(JOBS, [textArray(ids)])).map((row) => [row.id, toJob(row)]))
}

/** A position as decisions see it. */
export function asPosition({ lastRunStatus: _status, lastRunAt: _at, ...position }: HeldPosition): Position {
  return position
}

function isEager({ policies }: Job, { activeRuns }: HeldPosition): boolean {
  return activeRuns > 0 && (activeRuns <= FEW || looksAtActiveRuns(policies.overlap))
}

async function activeRuns(tx: Tx, jobIds: readonly string[]): Promise<ReadonlyMap<string, readonly ActiveRun[]>> {
  const byJob = new Map(jobIds.map((id): [string, ActiveRun[]] => [id, []]))
  if (jobIds.length === 0) return byJob
  for (const { jobId, ...run } of await tx.rows<ActiveRunRecord & { jobId: string }>(ACTIVE, [textArray(jobIds)]))
    byJob.get(jobId)!.push(run)
  return byJob
}

async function keyHolders(tx: Tx, queries: readonly SnapshotQuery[]): Promise<ReadonlyMap<string, NonNullable<JobSnapshot['idempotent']>>> {
  const keys = queries.flatMap(({ jobId, options: { idempotencyKey: key } }) => (key == null ? [] : [{ jobId, key }]))
  if (keys.length === 0) return new Map()
  const rows = await tx.rows<NonNullable<JobSnapshot['idempotent']> & { jobId: string }>(KEY_HOLDERS, JOB_KEY.values(keys))
  return new Map(rows.map(({ jobId, ...holder }) => [jobId, holder]))
}
