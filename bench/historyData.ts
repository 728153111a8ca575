import { randomFillSync } from 'node:crypto'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { idFactory } from '../src/domain/ids.ts'
import { DAY, HOUR, MINUTE } from '../src/domain/instant.ts'

export interface History {
  readonly jobs: number
  /** Of all jobs together, and of the one with the long history. */
  readonly runs: number
  readonly runsOfOne: number
}

const STATUSES = ['SUCCEEDED', 'FAILED', 'CANCELLED'] as const

/**
 * Stores jobs and their finished runs by the store's own tables, in bulk: like the one job that the database holds already. The database
 * must not be open elsewhere. Every tenth run of all failed, one in 100,000 was triggered by hand.
 */
export function writeHistory(directory: string, templateId: string, { jobs, runs, runsOfOne }: History): void {
  const db = new Database(join(directory, 'orrery.db'))
  db.pragma('synchronous = OFF')
  db.pragma('cache_size = -500000')
  const newId = idFactory((bytes) => randomFillSync(bytes))
  const now = Date.now()
  const ids = copyJob(db, templateId, jobs, (i) => newId('job', now - DAY + i))
  const begin = now - 20 * DAY
  let cursor = 1_000_000
  const insert = db.prepare(
    `INSERT INTO "Run" (id, "jobId", "trigger", status, occurrence, "scheduledFor", "dueAt", "queuedAt", "startedAt", "finishedAt", priority, attempt,
       "attemptStatus", "attemptStartedAt", "attemptsUsed", "jobVersion", payload, cursor, "changedAt")
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 1, ?, ?, 1, 1, '{"tenant":7}', ?, ?)`,
  )
  const write = (jobId: string, n: number, at: number) => {
    const status = n % 10 === 0 ? (n % 30 === 0 ? STATUSES[2] : STATUSES[1]) : STATUSES[0]
    const manual = n % 100_000 === 99_999
    insert.run(
      newId('run', at),
      jobId,
      manual ? 'MANUAL' : 'SCHEDULE',
      status,
      manual ? null : at,
      at,
      at,
      at,
      at + 5,
      at + 5 + (n % 1_000),
      status,
      at + 5,
      ++cursor,
      at + 5 + (n % 1_000),
    )
  }
  const step = (18 * DAY) / runs
  db.exec('BEGIN')
  let ofOne = 0
  for (let n = 0; n < runs; n++) {
    const at = Math.floor(begin + n * step)
    const one = n % Math.round(runs / runsOfOne) === 0 && ofOne < runsOfOne
    if (one) ofOne++
    write(one ? ids[0]! : ids[1 + (n % (Math.min(1_000, jobs) - 1))]!, n, at)
  }
  db.exec('COMMIT')
  db.exec(`UPDATE "JobPosition" SET "lastRunId" = (SELECT max(r.id) FROM "Run" r WHERE r."jobId" = "JobPosition"."jobId"),
    "lastRunStatus" = 'SUCCEEDED', "lastRunAt" = ${now}
    WHERE "jobId" IN (SELECT DISTINCT "jobId" FROM "Run")`)
  writeFigures(db, ids[0]!, now)
  db.pragma('wal_checkpoint(TRUNCATE)')
  db.close()
}

/** Copies the job with its position and revision; the copies are named in the order of their ids. Answers the ids, the first of them first. */
function copyJob(db: Database.Database, templateId: string, count: number, idOf: (index: number) => string): readonly string[] {
  const columns = (table: string) =>
    (db.prepare(`SELECT name FROM pragma_table_info('${table}')`).all() as { name: string }[]).map(({ name }) => name)
  const copy = (table: string, key: string, replaced: Readonly<Record<string, string>>) => {
    const names = columns(table)
    const values = names.map((name) => replaced[name] ?? `"${name}"`)
    return db.prepare(
      `INSERT INTO "${table}" (${names.map((name) => `"${name}"`).join(', ')}) SELECT ${values.join(', ')} FROM "${table}" WHERE "${key}" = @from`,
    )
  }
  const copies = [
    copy('Job', 'id', { id: '@id', name: '@name', liveName: '@name', searchText: '@name' }),
    copy('JobPosition', 'jobId', { jobId: '@id' }),
    copy('Revision', 'jobId', { jobId: '@id' }),
    copy('JobTag', 'jobId', { jobId: '@id' }),
  ]
  const ids: string[] = []
  db.exec('BEGIN')
  for (let i = 0; i < count; i++) {
    const id = idOf(i)
    for (const statement of copies) {
      const named = statement.source.includes('@name') ? { name: `job ${String(i).padStart(8, '0')}` } : {}
      statement.run({ id, from: templateId, ...named })
    }
    ids.push(id)
  }
  db.exec('COMMIT')
  return ids
}

/** Eight days of minutes and three months of hours, of one job and of all together. */
function writeFigures(db: Database.Database, jobId: string, now: number): void {
  const lag = JSON.stringify(Array.from({ length: 40 }, (_, i) => [i, 1 + (i % 7)]))
  const minute = db.prepare('INSERT OR REPLACE INTO "JobMinute" VALUES (?, ?, ?, 9, 1, 0, 0, 2, ?, ?)')
  const hourOf = (at: number) => Math.floor(at / HOUR) * HOUR
  const hour = db.prepare('INSERT OR REPLACE INTO "JobHour" VALUES (?, ?, 540, 60, 0, 0, 120, ?, ?)')
  const thisMinute = now - (now % MINUTE)
  db.exec('BEGIN')
  for (const id of [jobId, '']) {
    for (let i = 1; i < 8 * 24 * 60; i++) minute.run(id, thisMinute - i * MINUTE, 'ins_bench', lag, lag)
    for (let i = 1; i < 90 * 24; i++) hour.run(id, hourOf(now) - i * HOUR, lag, lag)
  }
  const set = db.prepare('INSERT INTO "Setting" (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value')
  set.run('figuresSummed', JSON.stringify({ minute: hourOf(now), jobId: '', instanceId: '' }))
  set.run('minutesBegin', String(hourOf(now - 8 * DAY)))
  db.exec('COMMIT')
}
