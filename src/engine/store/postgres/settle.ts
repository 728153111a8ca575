import type { Instant } from '../../../domain/instant.ts'
import { isFinal, type RunStatus, type RunTrigger } from '../../../domain/run.ts'
import { failuresAfter, type Settlement, settleAttempt } from '../../../domain/settle.ts'
import type { Definition } from '../definitions.ts'
import { writeError } from '../records.ts'
import type { AttemptReport, SettleResult, Store } from '../store.ts'
import { Batcher } from './batcher.ts'
import { columns, instant, integer, text, textArray } from './columns.ts'
import { MARKED, NEXT, noteHead } from './cursors.ts'
import type { Database, Tx } from './database.ts'
import type { Definitions } from './definitions.ts'
import { holdJobsOfEnds, type JobAtEnd, standStill, writeEnds } from './ends.ts'
import { type Ended, keysOfHeld, mayStart, releaseAfterEnds } from './holds.ts'
import { type FailingJob, pauseAfterFailures, writeEvents } from './jobChanges.ts'
import { holdKeys } from './locks.ts'
import { countEnd, noteEnd } from './runs.ts'

/** Reports of one transaction, and transactions under way at once. */
const SETTLED_AT_ONCE = 500
const LANES = 2

interface RunningRecord {
  readonly id: string
  readonly jobId: string
  readonly trigger: RunTrigger
  readonly status: RunStatus
  readonly priority: number
  readonly dueAt: Instant
  readonly startedAt: Instant | null
  readonly cancelRequestedAt: Instant | null
  readonly concurrencyKey: string | null
  readonly attempt: number
  readonly attemptStartedAt: Instant
  readonly attemptsUsed: number
  readonly instanceId: string | null
  readonly leaseUntil: Instant | null
  readonly jobVersion: number
}

/** An attempt and what became of it. */
interface Settled {
  readonly run: RunningRecord
  readonly settlement: Settlement
  readonly now: Instant
}

// No lock of their rows: what counts of a running attempt changes only under the position of its job (a lease and progress do not count).
// Asked for by their ids alone: with the status, an index of all that run may look shorter.
const RUNS = `SELECT id, "jobId", "trigger", status, priority, "dueAt", "startedAt", "cancelRequestedAt", "concurrencyKey", attempt, "attemptStartedAt",
    "attemptsUsed", "instanceId", "leaseUntil", "jobVersion"
  FROM "Run" WHERE id = ANY($1::text[])`
/** Where a lease counts, no renewal may come between the look and the write. */
const RUNS_HELD = `${RUNS} ORDER BY id FOR UPDATE`

const OUTCOME = columns<Settled>({
  id: text(({ run }) => run.id),
  status: text(({ settlement }) => settlement.runStatus),
  attemptStatus: text(({ settlement }) => settlement.attemptStatus),
  attemptsUsed: integer(({ settlement }) => settlement.attemptsUsed),
  output: text(({ settlement }) => settlement.output),
  error: text(({ settlement }) => writeError(settlement.error)),
  nextAttemptAt: instant(({ settlement, now }) => (isFinal(settlement.runStatus) ? null : (settlement.nextAttemptAt ?? now))),
  at: instant(({ now }) => now),
})
// The end of an attempt is the end of its run, unless another one follows. The rows are in the order in which everybody locks runs.
const WRITE = `WITH ${MARKED}, written AS (
  UPDATE "Run" r SET status = v.status, "attemptStatus" = v."attemptStatus", "attemptsUsed" = v."attemptsUsed", output = v.output, error = v.error,
    "nextAttemptAt" = v."nextAttemptAt", "finishedAt" = CASE WHEN v."nextAttemptAt" IS NULL THEN v.at END, "leaseUntil" = NULL, cursor = ${NEXT},
    "changedAt" = v.at
  FROM marked, ${OUTCOME.table('v')} WHERE r.id = v.id RETURNING r.cursor)
  SELECT max(cursor) AS cursor FROM written`

const ATTEMPT = columns<Settled>({
  runId: text(({ run }) => run.id),
  number: integer(({ run }) => run.attempt),
  status: text(({ settlement }) => settlement.attemptStatus),
  startedAt: instant(({ run }) => run.attemptStartedAt),
  finishedAt: instant(({ now }) => now),
  error: text(({ settlement }) => writeError(settlement.error)),
  instanceId: text(({ run }) => run.instanceId),
  jobVersion: integer(({ run }) => run.jobVersion),
})
const ARCHIVE = `INSERT INTO "Attempt" (${ATTEMPT.names}) SELECT ${ATTEMPT.names} FROM ${ATTEMPT.table('v')}`

/** The verb `settle`: what the outcomes of attempts make of their runs, their jobs, and the runs that waited for them. */
export class Settling implements Pick<Store, 'settle'> {
  readonly #definitions: Definitions
  readonly #calls: Batcher<readonly AttemptReport[], readonly SettleResult[]>

  constructor(db: Database, definitions: Definitions) {
    this.#definitions = definitions
    this.#calls = new Batcher({
      most: SETTLED_AT_ONCE,
      lanes: LANES,
      fits: (call, before) => before.reduce((sum, { length }) => sum + length, call.length) <= SETTLED_AT_ONCE,
      perform: (calls) =>
        db.transaction<readonly (readonly SettleResult[])[]>(async (tx) => {
          const results = await this.#settle(tx, calls.flat())
          let answered = 0
          return calls.map(({ length }) => {
            answered += length
            return results.slice(answered - length, answered)
          })
        }),
    })
  }

  settle(reports: readonly AttemptReport[]): Promise<readonly SettleResult[]> {
    return reports.length === 0 ? Promise.resolve([]) : this.#calls.add(reports)
  }

  async #settle(tx: Tx, reports: readonly AttemptReport[]): Promise<readonly SettleResult[]> {
    const runIds = [...new Set(reports.map(({ runId }) => runId))]
    const positions = await holdJobsOfEnds(tx, runIds)
    await holdKeys(tx, await keysOf(tx, positions))
    // The fence: an attempt that is not RUNNING any more is not among these.
    const leasesCount = reports.some(({ leaseOver }) => leaseOver !== undefined)
    const runs = await tx.rows<RunningRecord>(leasesCount ? RUNS_HELD : RUNS, [textArray(runIds)])
    const running = new Map(runs.flatMap((run) => (run.status === 'RUNNING' ? [[run.id, run]] : [])))
    const definitions = await this.#definitions.of(
      tx,
      [...running.values()].map(({ jobId }) => positions.get(jobId)!),
    )

    const settled: Settled[] = []
    const results = reports.map(({ runId, attempt, outcome, now, random, leaseOver }): SettleResult => {
      const run = running.get(runId)
      if (run?.attempt !== attempt || (leaseOver !== undefined && run.leaseUntil! >= leaseOver)) return { kind: 'stale' }
      // Of two reports of one attempt the first counts.
      running.delete(runId)
      const settlement = settleAttempt({ run, policies: definitions.get(run.jobId)!.policies, outcome, now, random })
      settled.push({ run, settlement, now })
      return { kind: 'settled', status: settlement.runStatus }
    })
    if (settled.length > 0) await write(tx, settled, positions, definitions)
    return results
  }
}

/** All keys that may get slots: of the runs that end, and of those that wait for others of their job. */
async function keysOf(tx: Tx, jobs: ReadonlyMap<string, JobAtEnd>): Promise<readonly string[]> {
  const all = [...jobs.values()]
  // Where only one run is active, none waits for it.
  const shared = all.filter(({ activeRuns }) => activeRuns > 1).map(({ jobId }) => jobId)
  return [...all.flatMap(({ keys }) => keys ?? []), ...(await keysOfHeld(tx, shared))]
}

async function write(
  tx: Tx,
  settled: readonly Settled[],
  positions: ReadonlyMap<string, JobAtEnd>,
  definitions: ReadonlyMap<string, Definition>,
): Promise<void> {
  const inOrder = [...settled].sort((a, b) => (a.run.id < b.run.id ? -1 : 1))
  noteHead(tx, await tx.rows<{ cursor: number }>(WRITE, OUTCOME.values(inOrder)))

  const ended: Ended<JobAtEnd> = { jobs: new Set(), keys: new Set() }
  const failing = new Map<string, FailingJob>()
  const goingOn: Settled[] = []
  for (const one of settled) {
    const { run, settlement, now } = one
    const status = settlement.runStatus
    if (!isFinal(status)) {
      goingOn.push(one)
      mayStart(tx, { ...run, dueAt: settlement.nextAttemptAt ?? now }, now)
      continue
    }
    const position = positions.get(run.jobId)!
    const failures = failuresAfter(status, position.failuresInRow)
    const limit = definitions.get(run.jobId)!.policies.pauseAfterFailures
    if (failures > position.failuresInRow && limit !== null && failures >= limit && !position.completed && !failing.has(run.jobId)) {
      failing.set(run.jobId, { jobId: run.jobId, failures })
    }
    position.failuresInRow = failures
    countEnd(position, run.id, status)
    noteEnd(ended, position, run.concurrencyKey)
    const { jobId, trigger, dueAt, startedAt } = run
    tx.effects.ended.push({ jobId, trigger, status, dueAt, startedAt, finishedAt: now })
  }
  // An attempt that another one follows goes to the table of attempts; the run's own columns still show it until that begins.
  if (goingOn.length > 0) await tx.write(ARCHIVE, ATTEMPT.values(goingOn))
  const { now } = settled.at(-1)!
  await pause(tx, [...failing.values()], now)
  await releaseAfterEnds(tx, ended, now)
  await writeEnds(tx, [...ended.jobs])
}

async function pause(tx: Tx, failing: readonly FailingJob[], now: Instant): Promise<void> {
  const paused = [...(await pauseAfterFailures(tx, failing, now))]
  if (paused.length === 0) return
  await standStill(tx, paused)
  const events = paused.map((jobId) => ({ jobId, change: 'UPDATED' as const, at: now, before: { state: 'ACTIVE' as const } }))
  await writeEvents(tx, events, await tx.cursors(events.length))
}
