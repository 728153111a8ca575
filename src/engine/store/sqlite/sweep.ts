import type { Database } from 'better-sqlite3'
import type { Instant } from '../../../domain/instant.ts'
import { STREAM_FLOOR } from '../settings.ts'
import type { SweepPlace, SweepQuery, SweepResult } from '../store.ts'
import { ALL_JOBS } from '../minutes.ts'
import { ExpiredRunsOfJob } from './expiredRuns.ts'
import type { Logs } from './logs.ts'
import { OldRows } from './oldRows.ts'
import { RunVerdicts } from './runVerdicts.ts'
import { prepare } from './statement.ts'
import type { Marks } from './stream.ts'

/** A look for what may go takes so long, in ms, and what it found is removed in so long: the loop is held up for little more. */
const LOOK_TIME = 2
const REMOVAL_TIME = 3
/** Runs that one look finds at most. The old runs of a job lie scattered over the file: a hundred dirty some hundred pages for one commit. */
const FOUND = 100
/** Rows of one kind that go with one statement. */
const PIECE = 300

/** What a look found, and where it ended. */
export interface Look {
  readonly found: readonly { readonly from: SweepPlace; readonly runs: readonly string[]; readonly oldRows: boolean }[]
  readonly next: SweepPlace | null
  readonly jobs: number
}

function statements(db: Database) {
  return {
    nextJob: prepare<[string], { id: string }>(db, 'SELECT id FROM "Job" WHERE id > ? ORDER BY id LIMIT 1'),
    lives: prepare<[string], { one: 1 }>(db, 'SELECT 1 AS one FROM "Job" WHERE id = ? AND "deletedAt" IS NULL'),
    hasMoreLines: prepare<[string, number], { one: 1 }>(db, 'SELECT 1 AS one FROM "LogLine" WHERE "runId" = ? LIMIT 1 OFFSET ?'),
    removeLines: prepare(db, 'DELETE FROM "LogLine" WHERE rowid IN (SELECT rowid FROM "LogLine" WHERE "runId" = ? LIMIT ?)'),
    // Its attempts and the lines that are left go with it.
    removeRun: prepare<[string], { occurrence: Instant | null; counted: number; cursor: number }>(
      db,
      'DELETE FROM "Run" WHERE id = ? AND "finishedAt" IS NOT NULL RETURNING occurrence, counted, cursor',
    ),
  }
}

/**
 * Removes by age and number, job by job in the order of their ids, in two steps: a look, which is a read, and the removal of what it
 * found, for which nothing that happens between can make it too early.
 */
export class Sweep {
  readonly #sql
  readonly #expired: ExpiredRunsOfJob
  readonly #oldRows: OldRows
  readonly #verdicts: RunVerdicts
  readonly #marks: Marks
  readonly #logs: Logs

  constructor(db: Database, { marks, logs }: { readonly marks: Marks; readonly logs: Logs }) {
    this.#sql = statements(db)
    this.#expired = new ExpiredRunsOfJob(db)
    this.#oldRows = new OldRows(db, marks)
    this.#verdicts = new RunVerdicts(db)
    this.#marks = marks
    this.#logs = logs
  }

  /** What may go of the next jobs, as many as there is time for. */
  look({ rules, from, now }: SweepQuery): Look {
    const deadline = performance.now() + LOOK_TIME
    const found: Look['found'][number][] = []
    let place: SweepPlace | null = from ?? { jobId: ALL_JOBS, runId: null }
    let jobs = 0
    let runs = 0
    while (place !== null && runs < FOUND && performance.now() < deadline) {
      const { ids, upTo, all } = this.#expired.find(place, rules, now, FOUND - runs, deadline)
      const oldRows = place.runId === null && this.#oldRows.any(place.jobId, now)
      if (ids.length > 0 || oldRows) found.push({ from: place, runs: ids, oldRows })
      runs += ids.length
      if (all) jobs++
      place = all ? this.#after(place.jobId) : { jobId: place.jobId, runId: upTo }
    }
    return { found, next: place, jobs }
  }

  /** Removes what a look found, as far as there is time for, in the transaction under way. */
  remove({ found, next, jobs }: Look, now: Instant): SweepResult {
    const deadline = performance.now() + REMOVAL_TIME
    let removed = 0
    for (const { from, runs, oldRows } of found) {
      if (oldRows) removed += this.#oldRows.remove(from.jobId, now, PIECE)
      const part = this.#removeRuns(from, runs, now, deadline)
      removed += part.removed
      if (part.stoppedAt !== null) return { next: part.stoppedAt, jobs: 0, removed }
    }
    return { next, jobs, removed }
  }

  /** Where a run has many log lines, up to 80,000, they go first and in pieces. `stoppedAt`: where to go on, when the time was over. */
  #removeRuns(
    from: SweepPlace,
    runs: readonly string[],
    now: Instant,
    deadline: number,
  ): { removed: number; stoppedAt: SweepPlace | null } {
    // The removal of deleted jobs sees to theirs: those leave no verdict and take nothing from the stream.
    if (runs.length === 0 || this.#sql.lives.get(from.jobId) === undefined) return { removed: 0, stoppedAt: null }
    const instants: Instant[] = []
    let removed = 0
    let floor = 0
    let stoppedAt: SweepPlace | null = null
    let before = from.runId
    for (const id of runs) {
      const isLong = this.#sql.hasMoreLines.get(id, PIECE) !== undefined
      if (isLong) removed += this.#sql.removeLines.run(id, PIECE).changes
      // The first one goes all the same, so that there is always some progress.
      if (isLong || (before !== from.runId && performance.now() > deadline)) {
        stoppedAt = { jobId: from.jobId, runId: before }
        break
      }
      const run = this.#sql.removeRun.get(id)
      this.#logs.gone(id)
      before = id
      if (run === undefined) continue
      removed++
      if (run.occurrence !== null && run.counted === 1) instants.push(run.occurrence)
      floor = Math.max(floor, run.cursor)
    }
    this.#verdicts.leave(from.jobId, instants, now)
    if (floor > 0) this.#marks.raise(STREAM_FLOOR, floor)
    return { removed, stoppedAt }
  }

  #after(jobId: string): SweepPlace | null {
    const next = this.#sql.nextJob.get(jobId)
    return next === undefined ? null : { jobId: next.id, runId: null }
  }
}
