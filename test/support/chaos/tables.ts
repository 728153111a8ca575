import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { Schedule } from '../../../src/domain/schedule.ts'
import { onPostgres } from '../postgresRows.ts'

/** A run as stored. */
export interface RunRecord {
  readonly id: string
  readonly jobId: string
  readonly trigger: string
  readonly status: string
  readonly occurrence: number | null
  readonly counted: number
  readonly dueAt: number
  readonly finishedAt: number | null
  readonly heldBy: string | null
  readonly concurrencyKey: string | null
  readonly maxConcurrency: number | null
  readonly nextAttemptAt: number | null
  readonly leaseUntil: number | null
  readonly attempt: number
  readonly idempotencyKey: string | null
  readonly coalesced: number
  readonly cursor: number
}

export interface VerdictRecord {
  readonly jobId: string
  readonly verdict: string
  readonly first: number
  readonly last: number
  readonly count: number
  readonly reason: string | null
  readonly runId: string | null
}

export interface RevisionRecord {
  readonly number: number
  readonly schedule: Schedule
  readonly from: number
  readonly until: number | null
}

export interface JobRecord {
  readonly id: string
  readonly name: string
  readonly version: number
  readonly deletedAt: number | null
  readonly targetKind: string
  readonly plannedUntil: number
  readonly activeRuns: number
  readonly scheduledRuns: number
}

/** What the database holds, read by nobody's code but this. */
export interface Tables {
  readonly jobs: readonly JobRecord[]
  readonly runs: readonly RunRecord[]
  readonly verdicts: ReadonlyMap<string, readonly VerdictRecord[]>
  readonly revisions: ReadonlyMap<string, readonly RevisionRecord[]>
  readonly runsOf: ReadonlyMap<string, readonly RunRecord[]>
}

export function readTables(directory: string): Tables {
  const db = new Database(join(directory, 'orrery.db'), { readonly: true })
  try {
    const all = <T>(sql: string) => db.prepare(sql).all() as T[]
    // One state of the database, also while the product goes on.
    db.exec('BEGIN')
    const jobs = all<JobRecord>(
      'SELECT id, name, j.version, deletedAt, targetKind, plannedUntil, activeRuns, scheduledRuns FROM Job j JOIN JobPosition p ON p.jobId = j.id',
    )
    const runs = all<RunRecord>(
      `SELECT id, jobId, "trigger", status, occurrence, counted, dueAt, finishedAt, heldBy, concurrencyKey, maxConcurrency, nextAttemptAt,
         leaseUntil, attempt, idempotencyKey, coalesced, cursor FROM Run`,
    )
    const verdicts = all<VerdictRecord>('SELECT jobId, verdict, "first", "last", count, reason, runId FROM Verdict')
    const revisions = all<RevisionRecord & { jobId: string }>(
      'SELECT jobId, number, schedule, "from", "until" FROM Revision ORDER BY jobId, number',
    )
    return asTables(jobs, runs, verdicts, revisions)
  } finally {
    db.close()
  }
}

/** The same of a Postgres database. */
export function readPostgresTables(url: string): Promise<Tables> {
  return onPostgres(url, async (client) => {
    const all = async <T>(sql: string) => (await client.query(sql)).rows as T[]
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    const jobs = await all<JobRecord>(
      `SELECT id, name, j.version, "deletedAt", "targetKind", "plannedUntil", "activeRuns", "scheduledRuns" FROM "Job" j JOIN "JobPosition" p ON p."jobId" = j.id`,
    )
    const runs = await all<RunRecord>(
      `SELECT id, "jobId", "trigger", status, occurrence, counted::int, "dueAt", "finishedAt", "heldBy", "concurrencyKey", "maxConcurrency", "nextAttemptAt",
         "leaseUntil", attempt, "idempotencyKey", coalesced, cursor FROM "Run"`,
    )
    const verdicts = await all<VerdictRecord>('SELECT "jobId", verdict, "first", "last", count, reason, "runId" FROM "Verdict"')
    const revisions = await all<RevisionRecord & { jobId: string }>(
      'SELECT "jobId", number, schedule, "from", "until" FROM "Revision" ORDER BY "jobId", number',
    )
    return asTables(jobs, runs, verdicts, revisions)
  })
}

function asTables(
  jobs: readonly JobRecord[],
  runs: readonly RunRecord[],
  verdicts: readonly VerdictRecord[],
  revisions: readonly (RevisionRecord & { jobId: string })[],
): Tables {
  const parsed = revisions.map((row) => ({ ...row, schedule: JSON.parse(row.schedule as never) as Schedule }))
  return {
    jobs,
    runs,
    verdicts: Map.groupBy(verdicts, ({ jobId }) => jobId),
    revisions: Map.groupBy(parsed, ({ jobId }) => jobId),
    runsOf: Map.groupBy(runs, ({ jobId }) => jobId),
  }
}
