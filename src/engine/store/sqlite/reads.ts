import type { Database } from 'better-sqlite3'
import type { Instant } from '../../../domain/instant.ts'
import type { Job, Position } from '../../../domain/job.ts'
import type { ActiveRun } from '../../../domain/run.ts'
import type { AttemptRow, JobRow, RunRow } from '../store.ts'
import {
  ACTIVE_RUN_COLUMNS,
  type ActiveRunRecord,
  type AttemptRecord,
  JOB_COLUMNS,
  JOB_WITH_POSITION_COLUMNS,
  type JobRecord,
  type JobWithPositionRecord,
  POSITION_COLUMNS,
  type PositionRecord,
  RUN_COLUMNS,
  type RunRecord,
  toAttemptRow,
  toJob,
  toJobRow,
  toPosition,
  toRunRow,
} from '../records.ts'
import { prepare } from './statement.ts'

const JOB_ROW = `SELECT ${JOB_WITH_POSITION_COLUMNS} FROM "Job" j JOIN "JobPosition" p ON p."jobId" = j.id`

function statements(db: Database) {
  return {
    jobById: prepare<[string], JobWithPositionRecord>(db, `${JOB_ROW} WHERE j.id = ? AND j."deletedAt" IS NULL`),
    jobByName: prepare<[string], JobWithPositionRecord>(db, `${JOB_ROW} WHERE j."liveName" = ?`),
    jobRow: prepare<[string], JobWithPositionRecord>(db, `${JOB_ROW} WHERE j.id = ?`),
    job: prepare<[string], JobRecord>(db, `SELECT ${JOB_COLUMNS} FROM "Job" j WHERE j.id = ? AND j."deletedAt" IS NULL`),
    run: prepare<[string], RunRecord>(db, `SELECT ${RUN_COLUMNS} FROM "Run" r WHERE r.id = ?`),
    active: prepare<[string], ActiveRunRecord>(
      db,
      `SELECT ${ACTIVE_RUN_COLUMNS} FROM "Run" r WHERE r."jobId" = ? AND r."finishedAt" IS NULL ORDER BY r."dueAt", r.id`,
    ),
    due: prepare<[Instant, number], PositionRecord>(
      db,
      `SELECT ${POSITION_COLUMNS} FROM "JobPosition" p WHERE p."wakeAt" <= ? ORDER BY p."wakeAt" LIMIT ?`,
    ),
    nextWakeAt: prepare<[], { at: Instant }>(
      db,
      `SELECT "wakeAt" AS at FROM "JobPosition" WHERE "wakeAt" IS NOT NULL ORDER BY "wakeAt" LIMIT 1`,
    ),
    attempts: prepare<[string, string], AttemptRecord>(
      db,
      `SELECT "runId", number, status, "startedAt", "finishedAt", error, "instanceId", "jobVersion" FROM "Attempt" WHERE "runId" = ?
       UNION ALL
       SELECT id, attempt, "attemptStatus", "attemptStartedAt", "finishedAt", CASE WHEN status = 'RUNNING' THEN NULL ELSE error END,
         "instanceId", "jobVersion" FROM "Run" r
         WHERE id = ? AND attempt > 0 AND NOT EXISTS (SELECT 1 FROM "Attempt" a WHERE a."runId" = r.id AND a.number = r.attempt)
       ORDER BY number`,
    ),
    setting: prepare<[string], { value: string }>(db, 'SELECT value FROM "Setting" WHERE name = ?'),
  }
}

/** Reads by key and by hot index, each one prepared statement. Synchronous: a batch is as many looks. */
export class Reads {
  readonly #sql

  constructor(db: Database) {
    this.#sql = statements(db)
  }

  job(by: { readonly id: string } | { readonly name: string }): JobRow | null {
    const row = 'id' in by ? this.#sql.jobById.get(by.id) : this.#sql.jobByName.get(by.name)
    return row === undefined ? null : toJobRow(row)
  }

  run(id: string): RunRow | null {
    const row = this.#sql.run.get(id)
    return row === undefined ? null : toRunRow(row)
  }

  /** Deleted jobs too, as long as their rows are there: the events of their runs name them. */
  jobRows(ids: readonly string[]): readonly (JobRow | null)[] {
    return ids.map((id) => {
      const row = this.#sql.jobRow.get(id)
      return row === undefined ? null : toJobRow(row)
    })
  }

  jobsById(ids: readonly string[]): readonly Job[] {
    return ids.flatMap((id) => {
      const row = this.#sql.job.get(id)
      return row === undefined ? [] : [toJob(row)]
    })
  }

  activeRuns(jobIds: readonly string[]): ReadonlyMap<string, readonly ActiveRun[]> {
    return new Map(jobIds.map((id) => [id, this.#sql.active.all(id)]))
  }

  duePositions(now: Instant, limit: number): readonly Position[] {
    return this.#sql.due.all(now, limit).map(toPosition)
  }

  nextWakeAt(): Instant | null {
    return this.#sql.nextWakeAt.get()?.at ?? null
  }

  /** The archived attempts, and the newest one, which stands on the run's row until another follows it. */
  attempts(runIds: readonly string[]): ReadonlyMap<string, readonly AttemptRow[]> {
    return new Map(runIds.map((id) => [id, this.#sql.attempts.all(id, id).map(toAttemptRow)]))
  }

  setting(name: string): string | null {
    return this.#sql.setting.get(name)?.value ?? null
  }

  /** A setting that is a number. */
  number(name: string): number | null {
    const text = this.setting(name)
    return text === null ? null : Number(text)
  }
}
