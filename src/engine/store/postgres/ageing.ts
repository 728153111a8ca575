import { writeHistogram } from '../../../domain/histogram.ts'
import { HOUR, type Instant } from '../../../domain/instant.ts'
import { LEDGER_KEPT } from '../../../domain/retention.ts'
import { ALL_JOBS, type CountedFigures, FIGURE_COLUMNS, type MinuteRecord, noFigures } from '../minutes.ts'
import { JOB_STREAM_FLOOR, MINUTES_BEGIN } from '../settings.ts'
import type { Store } from '../store.ts'
import { addRecord, minutesKeptFrom, type Summed, startOf, summableUntil } from '../summing.ts'
import { columns, instant, instantText, integer, text, textArray } from './columns.ts'
import type { Database, Tx } from './database.ts'
import { raiseMark } from './marks.ts'
import { tryToSweep } from './sweeping.ts'
import { holdSummedIfFree, readSummed, writeSummed } from './summed.ts'

/** A row of JobMinute. */
export interface MinuteRow extends MinuteRecord, Summed {}

interface Hour extends CountedFigures {
  readonly jobId: string
  readonly hour: Instant
}

const HOUR_KEY = { jobId: text((row: Pick<Hour, 'jobId'>) => row.jobId), hour: instant((row: Pick<Hour, 'hour'>) => row.hour) }
const HOUR_KEYS = columns<Pick<Hour, 'jobId' | 'hour'>>(HOUR_KEY)
const HOURS = columns<Hour>({
  ...HOUR_KEY,
  succeeded: integer((row) => row.succeeded),
  failed: integer((row) => row.failed),
  timedOut: integer((row) => row.timedOut),
  cancelled: integer((row) => row.cancelled),
  skipped: integer((row) => row.skipped),
  lag: text((row) => writeHistogram(row.lag)),
  duration: text((row) => writeHistogram(row.duration)),
})

const ANY_BEFORE = 'SELECT 1 FROM "JobMinute" WHERE minute < $1::timestamptz ORDER BY minute LIMIT 1'
const MINUTES_AFTER = `SELECT minute, "jobId", "instanceId", ${FIGURE_COLUMNS} FROM "JobMinute"
  WHERE (minute, "jobId", "instanceId") > ($1::timestamptz, $2, $3) AND minute < $4::timestamptz ORDER BY minute, "jobId", "instanceId" LIMIT $5`
const REMOVE_MINUTES = `DELETE FROM "JobMinute" WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM "JobMinute" WHERE minute < $1::timestamptz ORDER BY minute, "jobId", "instanceId" LIMIT $2))`
const JOBS_THAT_ARE = 'SELECT id FROM "Job" WHERE id = ANY($1::text[])'
const READ_HOURS = `SELECT h."jobId", h.hour, ${FIGURE_COLUMNS} FROM ${HOUR_KEYS.table('k')}
  JOIN "JobHour" h ON h."jobId" = k."jobId" AND h.hour = k.hour`
const WRITE_HOURS = `INSERT INTO "JobHour" (${HOURS.names}) SELECT ${HOURS.names} FROM ${HOURS.table('v')}
  ON CONFLICT ("jobId", hour) DO UPDATE SET succeeded = excluded.succeeded, failed = excluded.failed, "timedOut" = excluded."timedOut",
    cancelled = excluded.cancelled, skipped = excluded.skipped, lag = excluded.lag, duration = excluded.duration`
const OLDEST_EVENTS = 'SELECT cursor, "at" FROM "JobEvent" ORDER BY cursor LIMIT $1'
const REMOVE_EVENTS = 'DELETE FROM "JobEvent" WHERE cursor <= $1'

/** What grows old whichever job it is of: figures by the minute, and the commands on jobs. */
export function ageing(database: Database): Pick<Store, 'rollUpFigures' | 'removeJobEvents'> {
  return {
    async rollUpFigures(now, limit) {
      const summed = await readSummed(database)
      if (summed.minute >= summableUntil(now) && !(await anyBefore(database, minutesKeptFrom(now, summed)))) return 0
      return database.transaction((tx) => rollUp(tx, now, limit))
    },
    removeJobEvents: (now, limit) => database.transaction((tx) => removeEvents(tx, now, limit)),
  }
}

async function anyBefore(session: Pick<Tx, 'rows'>, minute: Instant): Promise<boolean> {
  return (await session.rows(ANY_BEFORE, [instantText(minute)])).length > 0
}

/** Of several processes one does it. Answers how many rows were summed up, or removed if those are more. */
async function rollUp(tx: Tx, now: Instant, limit: number): Promise<number> {
  const last = await holdSummedIfFree(tx)
  if (last === null) return 0
  const { rows, summed } = await sumUp(tx, last, summableUntil(now), limit)
  const old = minutesKeptFrom(now, summed)
  if (!(await anyBefore(tx, old))) return rows
  await raiseMark(tx, MINUTES_BEGIN, old)
  return Math.max(rows, await tx.write(REMOVE_MINUTES, [instantText(old), limit]))
}

async function sumUp(tx: Tx, last: Summed, until: Instant, limit: number): Promise<{ readonly rows: number; readonly summed: Summed }> {
  if (last.minute >= until) return { rows: 0, summed: last }
  const after = [instantText(last.minute), last.jobId, last.instanceId]
  const rows = await tx.rows<MinuteRow>(MINUTES_AFTER, [...after, instantText(until), limit])
  await addToHours(tx, rows)
  const { minute, jobId, instanceId } = rows.length < limit ? { minute: until, jobId: '', instanceId: '' } : rows.at(-1)!
  const summed = { minute, jobId, instanceId }
  await writeSummed(tx, summed)
  return { rows: rows.length, summed }
}

/** Adds minutes to their hours; those of jobs that are gone are not made. By who holds the hours (see summed.ts). */
export async function addToHours(tx: Tx, minutes: readonly MinuteRow[]): Promise<void> {
  if (minutes.length === 0) return
  const jobIds = [...new Set(minutes.map(({ jobId }) => jobId))]
  const jobs = new Set((await tx.rows<{ id: string }>(JOBS_THAT_ARE, [textArray(jobIds)])).map(({ id }) => id)).add(ALL_JOBS)
  const hours = new Map<string, Hour>()
  const hourOf = (jobId: string, hour: Instant) => {
    const key = `${jobId} ${hour}`
    const known = hours.get(key) ?? { jobId, hour, ...noFigures() }
    hours.set(key, known)
    return known
  }
  for (const row of minutes) if (jobs.has(row.jobId)) addRecord(hourOf(row.jobId, startOf(row.minute, HOUR)), row)
  const stand = await tx.rows<MinuteRecord & Pick<Hour, 'jobId' | 'hour'>>(READ_HOURS, HOUR_KEYS.values([...hours.values()]))
  for (const row of stand) addRecord(hourOf(row.jobId, row.hour), row)
  await tx.write(WRITE_HOURS, HOURS.values([...hours.values()]))
}

async function removeEvents(tx: Tx, now: Instant, limit: number): Promise<number> {
  if (!(await tryToSweep(tx, 'events'))) return 0
  const events = await tx.rows<{ cursor: number; at: Instant }>(OLDEST_EVENTS, [limit])
  const young = events.findIndex(({ at }) => at >= now - LEDGER_KEPT)
  const old = young === -1 ? events : events.slice(0, young)
  const last = old.at(-1)
  if (last === undefined) return 0
  await tx.write(REMOVE_EVENTS, [last.cursor])
  await raiseMark(tx, JOB_STREAM_FLOOR, last.cursor)
  return old.length
}
