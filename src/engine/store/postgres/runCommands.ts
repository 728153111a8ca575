import type { Instant } from '../../../domain/instant.ts'
import { RUN_COLUMNS, type RunRecord, toRunRow } from '../records.ts'
import type { RunChangeResult, RunSnapshot, RunWrite, Store } from '../store.ts'
import { Batcher } from './batcher.ts'
import { bigint, columns, instant, text, textArray } from './columns.ts'
import type { Database, Tx } from './database.ts'
import { type Ended, holdKeysOf, mayStart, releaseAfterEnds } from './holds.ts'
import { type HeldPosition, holdJobsOfRuns, writePositions } from './locks.ts'
import { cancelRuns, merge } from './runs.ts'
import { asPosition, livingJobs } from './snapshots.ts'

interface Call {
  readonly runId: string
  readonly decide: (current: RunSnapshot | null) => RunWrite | { readonly refuse: unknown }
}

interface RetriedRun {
  readonly id: string
  readonly cursor: number
  readonly now: Instant
}

const RUNS = `SELECT ${RUN_COLUMNS} FROM "Run" r WHERE r.id = ANY($1::text[])`
const HOLD_RUNS = 'SELECT id FROM "Run" WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE'
const HOLD_RETRYING = `SELECT id, priority FROM "Run" WHERE id = ANY($1::text[]) AND status = 'RETRYING' ORDER BY id FOR UPDATE`
const RETRIED = columns<RetriedRun>({ id: text((r) => r.id), cursor: bigint((r) => r.cursor), now: instant((r) => r.now) })
const RETRY_NOW = `UPDATE "Run" r SET "nextAttemptAt" = v.now, cursor = v.cursor, "changedAt" = v.now FROM ${RETRIED.table('v')} WHERE r.id = v.id`

/** Calls that share a transaction. */
const MOST_CALLS = 100
const LANES = 2

/**
 * The verb `changeRun`. Calls share a transaction, also those on runs of one job. All but the begin of an attempt, progress and logs waits
 * for the position of the job; a run that begins between the look and the write is RUNNING when it is written, and written as such.
 */
export class RunCommands implements Pick<Store, 'changeRun'> {
  readonly #batches: Batcher<Call, RunChangeResult<unknown>>

  constructor(database: Database) {
    this.#batches = new Batcher({
      most: MOST_CALLS,
      lanes: LANES,
      fits: ({ runId }, before) => before.every((call) => call.runId !== runId),
      perform: (calls) => database.transaction((tx) => changeRuns(tx, calls)),
    })
  }

  readonly changeRun: Store['changeRun'] = <Refusal>(
    runId: string,
    decide: (current: RunSnapshot | null) => RunWrite | { readonly refuse: Refusal },
  ) => this.#batches.add({ runId, decide }) as Promise<RunChangeResult<Refusal>>
}

async function changeRuns(tx: Tx, calls: readonly Call[]): Promise<readonly RunChangeResult<unknown>[]> {
  const runIds = calls.map(({ runId }) => runId)
  const positions = await holdJobsOfRuns(tx, runIds)
  const jobs = await livingJobs(tx, [...positions.keys()])
  const runs = positions.size === 0 ? [] : await tx.rows<RunRecord>(RUNS, [textArray(runIds)])
  const snapshots = new Map(
    runs.flatMap((row): [string, RunSnapshot][] => {
      const job = jobs.get(row.jobId)
      return job === undefined ? [] : [[row.id, { job, position: asPosition(positions.get(row.jobId)!), run: toRunRow(row) }]]
    }),
  )
  const cancelled = new Map<string, Instant>()
  const retried = new Map<string, Instant>()
  const results = calls.map(({ runId, decide }): RunChangeResult<unknown> => {
    const write = decide(snapshots.get(runId) ?? null)
    if ('refuse' in write) return { kind: 'refused', refusal: write.refuse }
    if (write.kind === 'cancel') cancelled.set(runId, write.now)
    if (write.kind === 'retry-now') retried.set(runId, write.now)
    return { kind: 'written' }
  })
  if (cancelled.size > 0) await holdKeysOf(tx, { ending: [...cancelled.keys()] })
  if (cancelled.size > 0 || retried.size > 0) await tx.rows(HOLD_RUNS, [textArray([...cancelled.keys(), ...retried.keys()])])
  await retryNow(tx, retried)
  await cancel(tx, cancelled, positions)
  return results
}

async function retryNow(tx: Tx, runs: ReadonlyMap<string, Instant>): Promise<void> {
  if (runs.size === 0) return
  const held = await tx.rows<{ id: string; priority: number }>(HOLD_RETRYING, [textArray([...runs.keys()])])
  if (held.length === 0) return
  const cursors = await tx.cursors(held.length)
  await tx.write(RETRY_NOW, RETRIED.values(held.map(({ id }, i) => ({ id, cursor: cursors[i]!, now: runs.get(id)! }))))
  for (const { id, priority } of held) mayStart(tx, { id, priority, dueAt: runs.get(id)! }, runs.get(id)!)
}

async function cancel(tx: Tx, runs: ReadonlyMap<string, Instant>, positions: ReadonlyMap<string, HeldPosition>): Promise<void> {
  if (runs.size === 0) return
  const ended: Ended = { jobs: new Set(), keys: new Set() }
  const moments = new Set(runs.values())
  for (const now of moments) {
    const ids = [...runs].filter(([, at]) => at === now).map(([id]) => id)
    merge(ended, await cancelRuns(tx, ids, positions, now))
  }
  await releaseAfterEnds(tx, ended, Math.max(...moments))
  await writePositions(tx, [...ended.jobs])
}
