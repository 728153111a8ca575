import type { Database } from 'better-sqlite3'
import type { Instant } from '../../../domain/instant.ts'
import { isHandled } from '../../../domain/target.ts'
import type { FinalStatus, Hold, NewRun, RunStatus, RunTrigger } from '../../../domain/run.ts'
import { begunAttempt } from '../definitions.ts'
import { saysNoHandler } from '../noHandler.ts'
import type { BegunAttempt, Claim } from '../store.ts'
import type { ConcurrencyKeys } from './concurrency.ts'
import type { Definitions } from './definitions.ts'
import type { ReadyRuns, StartableRecord } from './readyRuns.ts'
import type { Releases } from './releases.ts'
import { prepare } from './statement.ts'
import type { Tx } from './writer.ts'

/** A run that has its row; `heldBy` and `begun` as it was stored. Null where another run of the same occurrence was there before. */
export type Stored = { readonly heldBy: Hold | null; readonly begun: boolean } | null

/** By whom a run may be begun as it is stored, and the version of its job's position. */
interface Start {
  readonly claim: Claim
  readonly positionVersion: number
}

/** What ending or asking a run must know of it. */
export interface ActiveRecord {
  readonly id: string
  readonly jobId: string
  readonly trigger: RunTrigger
  readonly status: RunStatus
  readonly heldBy: Hold | null
  readonly dueAt: Instant
  readonly startedAt: Instant | null
  readonly cancelRequestedAt: Instant | null
  readonly concurrencyKey: string | null
  readonly maxConcurrency: number | null
}

const ACTIVE = `SELECT id, "jobId", "trigger", status, "heldBy", "dueAt", "startedAt", "cancelRequestedAt", "concurrencyKey", "maxConcurrency"
  FROM "Run" WHERE "finishedAt" IS NULL`

const NEW_RUN = `id, "jobId", "trigger", occurrence, counted, "scheduledFor", "dueAt", "queuedAt", priority, "concurrencyKey", "maxConcurrency", coalesced,
  payload, "rerunOfId", "triggeredBy", "idempotencyKey", "idempotencyHash", cursor, "changedAt"`

function statements(db: Database) {
  return {
    insertQueued: prepare(
      db,
      `INSERT INTO "Run" (${NEW_RUN}, status, "heldBy") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'QUEUED', ?)
       ON CONFLICT ("jobId", occurrence) DO NOTHING`,
    ),
    insertRunning: prepare(
      db,
      `INSERT INTO "Run" (${NEW_RUN}, status, attempt, "attemptStatus", "attemptStartedAt", "startedAt", "instanceId", "jobVersion", "leaseUntil")
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'RUNNING', 1, 'RUNNING', ?, ?, ?, ?, ?)
       ON CONFLICT ("jobId", occurrence) DO NOTHING`,
    ),
    begin: prepare(
      db,
      `UPDATE "Run" SET status = 'RUNNING', attempt = ?, "attemptStatus" = 'RUNNING', "attemptStartedAt" = ?, "startedAt" = coalesce("startedAt", ?),
         "nextAttemptAt" = NULL, progress = NULL, error = CASE WHEN ${saysNoHandler('error')} THEN NULL ELSE error END, "instanceId" = ?, "jobVersion" = ?, "leaseUntil" = ?, cursor = ?, "changedAt" = ? WHERE id = ?`,
    ),
    cancelWaiting: prepare(
      db,
      `UPDATE "Run" SET status = 'CANCELLED', "cancelRequestedAt" = coalesce("cancelRequestedAt", ?), "finishedAt" = ?, "heldBy" = NULL, "nextAttemptAt" = NULL,
         cursor = ?, "changedAt" = ? WHERE id = ?`,
    ),
    askRunning: prepare(db, `UPDATE "Run" SET "cancelRequestedAt" = ?, cursor = ?, "changedAt" = ? WHERE id = ?`),
    added: prepare(
      db,
      `UPDATE "JobPosition" SET "activeRuns" = "activeRuns" + 1, "lastRunId" = ?, "lastRunStatus" = ?, "lastRunAt" = ? WHERE "jobId" = ?`,
    ),
    ended: prepare(
      db,
      `UPDATE "JobPosition" SET "activeRuns" = "activeRuns" - 1, "lastRunStatus" = CASE WHEN "lastRunId" = ? THEN ? ELSE "lastRunStatus" END WHERE "jobId" = ?`,
    ),
    moved: prepare(db, `UPDATE "JobPosition" SET "lastRunStatus" = ? WHERE "jobId" = ? AND "lastRunId" = ?`),
    active: prepare<[string], ActiveRecord>(db, `${ACTIVE} AND id = ?`),
    activeOfJob: prepare<[string], ActiveRecord>(db, `${ACTIVE} AND "jobId" = ? ORDER BY "dueAt", id`),
  }
}

/** The changes of a run that more than one verb makes. Each takes a position in the stream. */
export class Runs {
  readonly #sql
  readonly #keys: ConcurrencyKeys
  readonly #definitions: Definitions
  readonly #releases: Releases
  readonly #ready: ReadyRuns

  constructor(
    db: Database,
    parts: { readonly keys: ConcurrencyKeys; readonly definitions: Definitions; readonly releases: Releases; readonly ready: ReadyRuns },
  ) {
    this.#sql = statements(db)
    this.#keys = parts.keys
    this.#definitions = parts.definitions
    this.#releases = parts.releases
    this.#ready = parts.ready
  }

  /** Stores a run, begun at once where `start` is given and nothing holds it. The job's position is for the caller to move. */
  insert(tx: Tx, run: NewRun, start: Start | null): Stored {
    const mayGo = run.concurrencyKey === null || this.#keys.add(run.concurrencyKey, run.maxConcurrency, run.heldBy === 'OVERLAP')
    const heldBy: Hold | null = run.heldBy === 'OVERLAP' ? 'OVERLAP' : mayGo ? null : 'CONCURRENCY'
    const begun = heldBy === null && start !== null && this.#isHandled(run.jobId, start)
    const stored = begun ? this.#insertRunning(tx, run, start) : this.#insertQueued(tx, run, heldBy)
    if (!stored) {
      if (run.concurrencyKey !== null) this.#keys.remove(run.concurrencyKey, run.maxConcurrency, heldBy === null)
      return null
    }
    if (heldBy === null && !begun) {
      tx.effects.runsWait = true
      this.#ready.ready(run.id)
    }
    return { heldBy, begun }
  }

  /** As `insert`, for a run that no plan made: moves the position too. */
  add(tx: Tx, run: NewRun): void {
    if (this.insert(tx, run, null) === null) return
    this.#sql.added.run(run.id, 'QUEUED', run.queuedAt, run.jobId)
  }

  /** QUEUED or RETRYING → RUNNING. The caller has seen the row in this transaction. */
  begin(tx: Tx, row: StartableRecord, claim: Claim): BegunAttempt {
    const attempt = row.attempt + 1
    const definition = this.#definitions.of(row.jobId, row.positionVersion)
    const { now, instanceId, leaseUntil } = claim
    this.#sql.begin.run(attempt, now, now, instanceId, definition.version, leaseUntil, tx.cursor(), now, row.id)
    this.#sql.moved.run('RUNNING', row.jobId, row.id)
    return begunAttempt(row, attempt, definition, now)
  }

  /** A run that waits ends CANCELLED at once; a running one is asked, once. Final ones stay as they are. */
  cancel(tx: Tx, runId: string, now: Instant): void {
    const run = this.#sql.active.get(runId)
    if (run === undefined) return
    if (run.status === 'RUNNING') {
      if (run.cancelRequestedAt !== null) return
      this.#sql.askRunning.run(now, tx.cursor(), now, runId)
      tx.effects.cancels.push(runId)
      return
    }
    this.ending(run)
    this.#sql.cancelWaiting.run(now, now, tx.cursor(), now, runId)
    this.ended(tx, run, 'CANCELLED', now)
  }

  cancelAllOf(tx: Tx, jobId: string, now: Instant): void {
    for (const run of this.#sql.activeOfJob.all(jobId)) this.cancel(tx, run.id, now)
  }

  /** Before a run's row becomes final. */
  ending(run: Pick<ActiveRecord, 'concurrencyKey' | 'maxConcurrency' | 'heldBy'>): void {
    if (run.concurrencyKey !== null) this.#keys.remove(run.concurrencyKey, run.maxConcurrency, run.heldBy === null)
  }

  /** After a run's row became final: the position, the figures, and later those that waited for its end. */
  ended(
    tx: Tx,
    run: Pick<ActiveRecord, 'id' | 'jobId' | 'trigger' | 'dueAt' | 'startedAt' | 'concurrencyKey'>,
    status: FinalStatus,
    finishedAt: Instant,
  ): void {
    this.#sql.ended.run(run.id, status, run.jobId)
    this.#releases.note(run)
    tx.effects.ended.push({ jobId: run.jobId, trigger: run.trigger, status, dueAt: run.dueAt, startedAt: run.startedAt, finishedAt })
  }

  #isHandled(jobId: string, { claim, positionVersion }: Start): boolean {
    return claim.handlers === null || isHandled(this.#definitions.of(jobId, positionVersion).target, claim.handlers)
  }

  #insertQueued(tx: Tx, run: NewRun, heldBy: Hold | null): boolean {
    return this.#sql.insertQueued.run(...newRunValues(tx, run, run.queuedAt), heldBy).changes > 0
  }

  #insertRunning(tx: Tx, run: NewRun, { claim, positionVersion }: Start): boolean {
    const { now, instanceId, leaseUntil } = claim
    const definition = this.#definitions.of(run.jobId, positionVersion)
    const { changes } = this.#sql.insertRunning.run(...newRunValues(tx, run, now), now, now, instanceId, definition.version, leaseUntil)
    if (changes === 0) return false
    tx.effects.begun.push(begunAttempt(run, 1, definition, now))
    return true
  }
}

function newRunValues(tx: Tx, run: NewRun, changedAt: Instant): readonly unknown[] {
  return [
    run.id,
    run.jobId,
    run.trigger,
    run.occurrence,
    run.counted ? 1 : 0,
    run.scheduledFor,
    run.dueAt,
    run.queuedAt,
    run.priority,
    run.concurrencyKey,
    run.maxConcurrency,
    run.coalesced,
    run.payload,
    run.rerunOfId,
    run.triggeredBy,
    run.idempotencyKey,
    run.idempotencyHash,
    tx.cursor(),
    changedAt,
  ]
}
