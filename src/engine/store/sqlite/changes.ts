import type { Database } from 'better-sqlite3'
import { factsBefore, factsOf } from '../../../domain/jobFilter.ts'
import type { ActiveRun } from '../../../domain/run.ts'
import type { ChangeResult, JobSnapshot, JobWrite, RunChangeResult, RunSnapshot, RunWrite, SnapshotOptions } from '../store.ts'
import type { JobChanges } from './jobChanges.ts'
import type { Jobs } from './jobs.ts'
import type { Maintenance } from './maintenance.ts'
import type { Plans } from './plans.ts'
import type { ReadyRuns } from './readyRuns.ts'
import type { Releases } from './releases.ts'
import {
  ACTIVE_RUN_COLUMNS,
  type ActiveRunRecord,
  JOB_WITH_POSITION_COLUMNS,
  type JobWithPositionRecord,
  RUN_COLUMNS,
  type RunRecord,
  toJobRow,
  toRunRow,
} from '../records.ts'
import type { Runs } from './runs.ts'
import { prepare } from './statement.ts'
import type { Verdicts } from './verdicts.ts'
import type { Tx } from './writer.ts'

function statements(db: Database) {
  return {
    job: prepare<[string], JobWithPositionRecord>(
      db,
      `SELECT ${JOB_WITH_POSITION_COLUMNS} FROM "Job" j JOIN "JobPosition" p ON p."jobId" = j.id WHERE j.id = ? AND j."deletedAt" IS NULL`,
    ),
    active: prepare<[string], ActiveRunRecord>(
      db,
      `SELECT ${ACTIVE_RUN_COLUMNS} FROM "Run" r WHERE r."jobId" = ? AND r."finishedAt" IS NULL ORDER BY r."dueAt", r.id`,
    ),
    run: prepare<[string], RunRecord>(db, `SELECT ${RUN_COLUMNS} FROM "Run" r WHERE r.id = ?`),
    keyHolder: prepare<[string, string], NonNullable<JobSnapshot['idempotent']>>(
      db,
      `SELECT id AS "runId", "idempotencyHash" AS hash, "queuedAt" FROM "Run" WHERE "jobId" = ? AND "idempotencyKey" = ?`,
    ),
    freeKey: prepare(db, 'UPDATE "Run" SET "idempotencyKey" = NULL WHERE "jobId" = ? AND "idempotencyKey" = ?'),
    retryNow: prepare(db, `UPDATE "Run" SET "nextAttemptAt" = ?, cursor = ?, "changedAt" = ? WHERE id = ?`),
  }
}

/** The verbs that let a pure function decide on one job or run, and write what it says. */
export class Changes {
  readonly #sql
  readonly #parts

  constructor(
    db: Database,
    parts: {
      readonly jobs: Jobs
      readonly runs: Runs
      readonly plans: Plans
      readonly verdicts: Verdicts
      readonly releases: Releases
      readonly changes: JobChanges
      readonly maintenance: Maintenance
      readonly ready: ReadyRuns
    },
  ) {
    this.#sql = statements(db)
    this.#parts = parts
  }

  changeJob<Refusal>(
    tx: Tx,
    jobId: string,
    decide: (current: JobSnapshot | null) => JobWrite | { readonly refuse: Refusal },
    { idempotencyKey = null, ledgerAt = [] }: SnapshotOptions = {},
  ): ChangeResult<Refusal> {
    const current = this.#job(jobId)
    const write = decide(
      current && {
        job: current.job,
        position: current.position,
        get active() {
          return current.active
        },
        maintenance: this.#parts.maintenance.all(),
        idempotent: idempotencyKey === null ? null : (this.#sql.keyHolder.get(jobId, idempotencyKey) ?? null),
        ledger: ledgerAt.map((at) => this.#parts.verdicts.momentAt(jobId, at)),
      },
    )
    if ('refuse' in write) return { kind: 'refused', refusal: write.refuse }
    if (current === null) throw new Error(`decide wrote to the job ${jobId}, which does not live`)
    if (write.job !== undefined && write.job.name !== current.job.name) {
      const existingId = this.#parts.jobs.livingNamed(write.job.name)
      if (existingId !== null) return { kind: 'name-taken', existingId }
    }
    this.#writeJob(tx, current, write)
    return { kind: 'written', job: write.job ?? current.job }
  }

  changeRun<Refusal>(
    tx: Tx,
    runId: string,
    decide: (current: RunSnapshot | null) => RunWrite | { readonly refuse: Refusal },
  ): RunChangeResult<Refusal> {
    const row = this.#sql.run.get(runId)
    const current = row === undefined ? null : this.#job(row.jobId)
    const write = decide(
      row === undefined || current === null ? null : { job: current.job, position: current.position, run: toRunRow(row) },
    )
    if ('refuse' in write) return { kind: 'refused', refusal: write.refuse }
    switch (write.kind) {
      case 'cancel':
        this.#parts.runs.cancel(tx, runId, write.now)
        this.#parts.releases.followUp(tx, write.now)
        break
      case 'retry-now':
        if (row?.status !== 'RETRYING') break
        this.#sql.retryNow.run(write.now, tx.cursor(), write.now, runId)
        tx.effects.runsWait = true
        break
      case 'nothing':
        break
    }
    return { kind: 'written' }
  }

  #job(jobId: string): Pick<JobSnapshot, 'job' | 'position' | 'active'> | null {
    const row = this.#sql.job.get(jobId)
    if (row === undefined) return null
    const { job, position } = toJobRow(row)
    const read = () => (position.activeRuns === 0 ? [] : this.#sql.active.all(jobId))
    let active: readonly ActiveRun[] | null = null
    return {
      job,
      position,
      // A job under ALLOW_ALL may have a hundred thousand, which nobody looks at.
      get active() {
        active ??= read()
        return active
      },
    }
  }

  /** In the order that the port promises: verdicts under the old settings, the job, its revision and position, runs, cancels. */
  #writeJob(tx: Tx, { job: before, position }: Pick<JobSnapshot, 'job' | 'position' | 'active'>, write: JobWrite): void {
    const { jobs, runs, plans, verdicts, releases, changes, ready } = this.#parts
    const { now } = write
    if (write.plan !== undefined) plans.writeWithin(tx, write.plan, now)
    if (write.job !== undefined) {
      jobs.update(write.job, write.job.tags.join('\n') !== before.tags.join('\n'))
      ready.jobChanged(before.id)
    }
    const pauseEnded = write.job === undefined && write.plan?.position.pauseEnds === true && changes.endPause(tx, before.id, now)
    if (write.newRevision !== undefined) {
      jobs.closeRevision(before.id, before.revision, write.newRevision.closeAt)
      jobs.openRevision(before.id, write.newRevision.open)
    }
    const gone = write.delete === true
    if (write.job !== undefined || write.position !== undefined || gone) {
      const stands = { ...position, ...write.plan?.position, ...write.position, ...(gone ? { wakeAt: null, nextRunAt: null } : {}) }
      jobs.updatePosition(tx, before.id, stands, write.job !== undefined || gone)
    }
    if (write.freeIdempotencyKey !== undefined) this.#sql.freeKey.run(before.id, write.freeIdempotencyKey)
    for (const split of write.splits ?? []) verdicts.split(before.id, split, now)
    for (const run of write.runs ?? []) runs.add(tx, run)
    for (const runId of write.cancels ?? []) runs.cancel(tx, runId, now)
    if (gone) {
      runs.cancelAllOf(tx, before.id, now)
      jobs.markDeleted(before.id, now)
    }
    releases.followUp(tx, now)
    if (write.event !== null) {
      const facts = factsOf(before, position, now)
      const changed = () =>
        factsBefore(facts, factsOf(write.job ?? before, { ...position, ...write.plan?.position, ...write.position }, now))
      changes.event(tx, before.id, write.event, now, gone ? facts : changed())
    } else if (!pauseEnded && write.plan?.position.completed && !position.completed) {
      changes.completed(tx, before.id, now)
    }
  }
}
