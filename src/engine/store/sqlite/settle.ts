import type { Database } from 'better-sqlite3'
import type { Instant } from '../../../domain/instant.ts'
import { type FinalStatus, isFinal, type RunStatus } from '../../../domain/run.ts'
import { failuresAfter, type Settlement, settleAttempt } from '../../../domain/settle.ts'
import type { AttemptReport, SettleResult } from '../store.ts'
import type { Definitions } from './definitions.ts'
import type { JobChanges } from './jobChanges.ts'
import type { Releases } from './releases.ts'
import { writeError } from '../records.ts'
import type { ActiveRecord, Runs } from './runs.ts'
import { prepare } from './statement.ts'
import type { Tx } from './writer.ts'

interface SettlingRecord extends ActiveRecord {
  readonly attempt: number
  readonly attemptStartedAt: Instant
  readonly attemptsUsed: number
  readonly instanceId: string | null
  readonly leaseUntil: Instant
  readonly jobVersion: number
  readonly positionVersion: number
  readonly failuresInRow: number
  readonly completed: number
}

function statements(db: Database) {
  return {
    // The fence: an attempt that is not RUNNING any more has no row here.
    running: prepare<[string, number], SettlingRecord>(
      db,
      `SELECT r.id, r."jobId", r."trigger", r.status, r."heldBy", r."dueAt", r."startedAt", r."cancelRequestedAt", r."concurrencyKey", r."maxConcurrency",
         r.attempt, r."attemptStartedAt", r."attemptsUsed", r."instanceId", r."leaseUntil", r."jobVersion",
         p.version AS "positionVersion", p."failuresInRow", p.completed
       FROM "Run" r JOIN "JobPosition" p ON p."jobId" = r."jobId"
       WHERE r.id = ? AND r.status = 'RUNNING' AND r.attempt = ?`,
    ),
    finish: prepare(
      db,
      `UPDATE "Run" SET status = ?, "attemptStatus" = ?, "attemptsUsed" = ?, output = ?, error = ?, "finishedAt" = ?, "leaseUntil" = NULL,
         cursor = ?, "changedAt" = ? WHERE id = ?`,
    ),
    goOn: prepare(
      db,
      `UPDATE "Run" SET status = 'RETRYING', "attemptStatus" = ?, "attemptsUsed" = ?, output = ?, error = ?, "nextAttemptAt" = ?, "leaseUntil" = NULL,
         cursor = ?, "changedAt" = ? WHERE id = ?`,
    ),
    archive: prepare(
      db,
      `INSERT INTO "Attempt" ("runId", number, status, "startedAt", "finishedAt", error, "instanceId", "jobVersion") VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    ended: prepare(
      db,
      `UPDATE "JobPosition" SET "activeRuns" = "activeRuns" - 1, "failuresInRow" = ?, "lastRunStatus" = CASE WHEN "lastRunId" = ? THEN ? ELSE "lastRunStatus" END
       WHERE "jobId" = ?`,
    ),
    moved: prepare(db, `UPDATE "JobPosition" SET "lastRunStatus" = ? WHERE "jobId" = ? AND "lastRunId" = ?`),
  }
}

/** The verb `settle`: what an attempt's outcome makes of its run, its job, and the runs that waited for it. */
export class Settling {
  readonly #sql
  readonly #parts

  constructor(
    db: Database,
    parts: { readonly runs: Runs; readonly definitions: Definitions; readonly releases: Releases; readonly changes: JobChanges },
  ) {
    this.#sql = statements(db)
    this.#parts = parts
  }

  settle(tx: Tx, reports: readonly AttemptReport[]): readonly SettleResult[] {
    const results = reports.map((report) => this.#settleOne(tx, report))
    const last = reports.at(-1)
    if (last !== undefined) this.#parts.releases.followUp(tx, last.now)
    return results
  }

  #settleOne(tx: Tx, { runId, attempt, outcome, now, random, leaseOver }: AttemptReport): SettleResult {
    const run = this.#sql.running.get(runId, attempt)
    if (run === undefined || (leaseOver !== undefined && run.leaseUntil >= leaseOver)) return { kind: 'stale' }
    const { policies } = this.#parts.definitions.of(run.jobId, run.positionVersion)
    const settlement = settleAttempt({ run, policies, outcome, now, random })
    if (isFinal(settlement.runStatus)) this.#finish(tx, run, settlement, settlement.runStatus, policies.pauseAfterFailures, now)
    else this.#goOn(tx, run, settlement, now)
    return { kind: 'settled', status: settlement.runStatus }
  }

  #finish(tx: Tx, run: SettlingRecord, settlement: Settlement, status: FinalStatus, pauseAfterFailures: number | null, now: Instant): void {
    const { runs, releases, changes } = this.#parts
    runs.ending(run)
    this.#sql.finish.run(
      status,
      settlement.attemptStatus,
      settlement.attemptsUsed,
      settlement.output,
      writeError(settlement.error),
      now,
      tx.cursor(),
      now,
      run.id,
    )
    const failures = failuresAfter(status, run.failuresInRow)
    this.#sql.ended.run(failures, run.id, status, run.jobId)
    releases.note(run)
    tx.effects.ended.push({ jobId: run.jobId, trigger: run.trigger, status, dueAt: run.dueAt, startedAt: run.startedAt, finishedAt: now })
    if (failures > run.failuresInRow && pauseAfterFailures !== null && failures >= pauseAfterFailures && run.completed === 0) {
      changes.pauseAfterFailures(tx, run.jobId, failures, now)
    }
  }

  /** The ended attempt goes to the table of attempts; the run's own columns still show it until the next one begins. */
  #goOn(tx: Tx, run: SettlingRecord, settlement: Settlement, now: Instant): void {
    const error = writeError(settlement.error)
    this.#sql.archive.run(run.id, run.attempt, settlement.attemptStatus, run.attemptStartedAt, now, error, run.instanceId, run.jobVersion)
    this.#sql.goOn.run(
      settlement.attemptStatus,
      settlement.attemptsUsed,
      settlement.output,
      error,
      settlement.nextAttemptAt ?? now,
      tx.cursor(),
      now,
      run.id,
    )
    this.#sql.moved.run('RETRYING' satisfies RunStatus, run.jobId, run.id)
    tx.effects.runsWait = true
  }
}
