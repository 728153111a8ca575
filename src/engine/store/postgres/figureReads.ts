import { HOUR, type Instant, MINUTE } from '../../../domain/instant.ts'
import type { Figures, FiguresQuery } from '../figures.ts'
import { ALL_JOBS, FIGURE_COLUMNS, type MinuteRecord } from '../minutes.ts'
import { MINUTES_BEGIN } from '../settings.ts'
import type { Store } from '../store.ts'
import { FigureBuckets, type KeptFigures, startOf } from '../summing.ts'
import { instantArray, instantText } from './columns.ts'
import type { Reader, Session } from './database.ts'
import { readMarks } from './marks.ts'
import { readSummed } from './summed.ts'

interface FiguresAt extends MinuteRecord {
  readonly at: Instant
}

/** Hours looked at together: some 10,000 minutes at the most, and a turn of the loop to add them. */
const STRETCH = 7 * 24 * HOUR

// Each minute is looked up by itself: the minute leads the key, and between two of one job lie those of all others.
const MINUTES = `SELECT w.at, r.* FROM unnest($2::timestamptz[]) AS w(at)
  CROSS JOIN LATERAL (SELECT ${FIGURE_COLUMNS} FROM "JobMinute" WHERE minute = w.at AND "jobId" = $1 OFFSET 0) r`
const HOURS = `SELECT hour AS at, ${FIGURE_COLUMNS} FROM "JobHour" WHERE "jobId" = $1 AND hour >= $2::timestamptz AND hour < $3::timestamptz`

/** The verb `figures`. Hours that fit into a bucket are read as such, once they are summed up: a day is some 150 rows, not 1,440. */
export function figureReads(reader: Reader): Pick<Store, 'figures'> {
  return {
    // At one moment: minutes that go meanwhile are not missing from an hour that was not whole yet.
    figures: (query) => reader.snapshot((session) => read(session, query)),
  }
}

async function read(session: Session, query: FiguresQuery): Promise<readonly Figures[]> {
  const buckets = new FigureBuckets(query)
  const kept = await readKept(session)
  for (let from = startOf(query.from, HOUR); from <= query.to; from += STRETCH) {
    await addStretch(session, { query, buckets, kept, from, until: Math.min(from + STRETCH, query.to + 1) })
  }
  return buckets.all
}

async function readKept(session: Session): Promise<KeptFigures> {
  const summed = await readSummed(session)
  const [minutesBegin] = await readMarks(session, [MINUTES_BEGIN])
  return { summedUpTo: startOf(summed.minute, HOUR), minutesBegin: minutesBegin ?? 0 }
}

interface Stretch {
  readonly query: FiguresQuery
  readonly buckets: FigureBuckets
  readonly kept: KeptFigures
  readonly from: Instant
  /** Exclusive. */
  readonly until: Instant
}

async function addStretch(session: Session, { query, buckets, kept, from, until }: Stretch): Promise<void> {
  const jobId = query.jobId ?? ALL_JOBS
  const minutes: Instant[] = []
  let anyHour = false
  for (let hour = from; hour < until; hour += HOUR) {
    if (buckets.readsHour(hour, kept)) anyHour = true
    else
      for (let minute = Math.max(hour, startOf(query.from, MINUTE)); minute < Math.min(hour + HOUR, until); minute += MINUTE)
        minutes.push(minute)
  }
  if (anyHour) {
    const rows = await session.rows<FiguresAt>(HOURS, [jobId, instantText(from), instantText(until)])
    for (const row of rows) if (buckets.readsHour(row.at, kept)) buckets.add(row.at, row)
  }
  if (minutes.length > 0) {
    const rows = await session.rows<FiguresAt>(MINUTES, [jobId, instantArray(minutes)])
    for (const row of rows) buckets.add(row.at, row)
  }
}
