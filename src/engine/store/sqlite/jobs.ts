import type { Database } from 'better-sqlite3'
import type { Instant } from '../../../domain/instant.ts'
import type { Job, Position } from '../../../domain/job.ts'
import type { Revision } from '../../../domain/schedule.ts'
import { searchTextOf } from '../../../domain/searchText.ts'
import type { CreateResult, NewJob } from '../store.ts'
import type { JobChanges } from './jobChanges.ts'
import { prepare } from './statement.ts'
import { earlier } from '../effects.ts'
import type { Tx } from './writer.ts'

const JOB_WRITE = `name, "liveName", "searchText", description, tags, schedule, revision, target, "targetKind", handler, payload, policies,
  "pauseSince", "pauseUntil", "pauseNote", "pauseBy", version, "updatedAt"`

function statements(db: Database) {
  return {
    insert: prepare(
      db,
      `INSERT INTO "Job" (${JOB_WRITE}, "createdAt", id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    update: prepare(db, `UPDATE "Job" SET (${JOB_WRITE}) = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE id = ?`),
    markDeleted: prepare(db, 'UPDATE "Job" SET "liveName" = NULL, "deletedAt" = ? WHERE id = ?'),
    living: prepare<[string], { id: string }>(db, 'SELECT id FROM "Job" WHERE "liveName" = ?'),
    insertTag: prepare(db, 'INSERT OR IGNORE INTO "JobTag" (tag, "jobId") VALUES (?, ?)'),
    removeTags: prepare(db, 'DELETE FROM "JobTag" WHERE "jobId" = ?'),
    openRevision: prepare(db, 'INSERT INTO "Revision" ("jobId", number, schedule, "from", "until") VALUES (?, ?, ?, ?, ?)'),
    // The last run of maxRuns has closed it already, at its own instant: what came after was never planned.
    closeRevision: prepare(db, 'UPDATE "Revision" SET "until" = ? WHERE "jobId" = ? AND number = ? AND "until" IS NULL'),
    insertPosition: prepare(
      db,
      `INSERT INTO "JobPosition" ("jobId", version, "plannedUntil", "wakeAt", "nextRunAt", "scheduledRuns", "activeRuns", "trailingVerdictId", "failuresInRow",
         completed, "lastRunId", "lastRunStatus", "lastRunAt") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)`,
    ),
    updatePosition: prepare(
      db,
      `UPDATE "JobPosition" SET version = version + ?, "plannedUntil" = ?, "wakeAt" = ?, "nextRunAt" = ?, "scheduledRuns" = ?, "failuresInRow" = ?,
         completed = ? WHERE "jobId" = ?`,
    ),
  }
}

/** The part of a position that commands write. */
export type WritablePosition = Pick<Position, 'plannedUntil' | 'wakeAt' | 'nextRunAt' | 'scheduledRuns' | 'failuresInRow' | 'completed'>

/** Writes jobs: their wide rows, tags, revisions, and what a command leaves of the position. */
export class Jobs {
  readonly #sql
  readonly #changes: JobChanges

  constructor(db: Database, changes: JobChanges) {
    this.#sql = statements(db)
    this.#changes = changes
  }

  /** The verb `createJobs`. */
  create(tx: Tx, jobs: readonly NewJob[]): readonly CreateResult[] {
    return jobs.map(({ job, revision, position }) => {
      const existingId = this.livingNamed(job.name)
      if (existingId !== null) return { ok: false, existingId }
      this.#sql.insert.run(...jobValues(job), job.createdAt, job.id)
      for (const tag of job.tags) this.#sql.insertTag.run(tag, job.id)
      this.openRevision(job.id, revision)
      const {
        jobId,
        version,
        plannedUntil,
        wakeAt,
        nextRunAt,
        scheduledRuns,
        activeRuns,
        trailingVerdictId,
        failuresInRow,
        completed,
        lastRunId,
      } = position
      this.#sql.insertPosition.run(
        jobId,
        version,
        plannedUntil,
        wakeAt,
        nextRunAt,
        scheduledRuns,
        activeRuns,
        trailingVerdictId,
        failuresInRow,
        completed ? 1 : 0,
        lastRunId,
      )
      this.#changes.event(tx, job.id, 'CREATED', job.createdAt, null)
      if (wakeAt !== null) tx.effects.wakeAt = earlier(tx.effects.wakeAt, wakeAt)
      return { ok: true }
    })
  }

  livingNamed(name: string): string | null {
    return this.#sql.living.get(name)?.id ?? null
  }

  update(job: Job, tagsChanged: boolean): void {
    this.#sql.update.run(...jobValues(job), job.id)
    if (!tagsChanged) return
    this.#sql.removeTags.run(job.id)
    for (const tag of job.tags) this.#sql.insertTag.run(tag, job.id)
  }

  markDeleted(jobId: string, now: Instant): void {
    this.#sql.markDeleted.run(now, jobId)
  }

  openRevision(jobId: string, { number, schedule, from, until }: Revision): void {
    this.#sql.openRevision.run(jobId, number, JSON.stringify(schedule), from, until)
  }

  closeRevision(jobId: string, number: number, until: Instant): void {
    this.#sql.closeRevision.run(until, jobId, number)
  }

  /** `definitionChanged`: whoever remembers the job must read it again. */
  updatePosition(tx: Tx, jobId: string, position: WritablePosition, definitionChanged: boolean): void {
    const { plannedUntil, wakeAt, nextRunAt, scheduledRuns, failuresInRow, completed } = position
    this.#sql.updatePosition.run(
      definitionChanged ? 1 : 0,
      plannedUntil,
      wakeAt,
      nextRunAt,
      scheduledRuns,
      failuresInRow,
      completed ? 1 : 0,
      jobId,
    )
    if (wakeAt !== null) tx.effects.wakeAt = earlier(tx.effects.wakeAt, wakeAt)
  }
}

function jobValues(job: Job): readonly unknown[] {
  const { pause, target } = job
  return [
    job.name,
    job.name,
    searchTextOf(job),
    job.description,
    JSON.stringify(job.tags),
    JSON.stringify(job.schedule),
    job.revision,
    JSON.stringify(target),
    target.kind,
    target.kind === 'handler' ? target.handler : null,
    job.payload,
    JSON.stringify(job.policies),
    pause?.since ?? null,
    pause?.until ?? null,
    pause?.note ?? null,
    pause?.by ?? null,
    job.version,
    job.updatedAt,
  ]
}
