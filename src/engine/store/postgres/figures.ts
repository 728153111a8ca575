import { readHistogram, writeHistogram } from '../../../domain/histogram.ts'
import type { Instant } from '../../../domain/instant.ts'
import { ALL_JOBS, type CountedFigures, countEnded, countSkipped, minuteOf, noFigures } from '../minutes.ts'
import { type Summed, summedPerhapsUntil } from '../summing.ts'
import { addToHours } from './ageing.ts'
import { type Columns, columns, instant, integer, text } from './columns.ts'
import type { Tx } from './database.ts'
import { holdSummed } from './summed.ts'

/** What a transaction adds to a row of JobMinute. */
interface Addition extends CountedFigures {
  readonly jobId: string
  readonly minute: Instant
  readonly instanceId: string
}

/** A row whose histograms have grown long. */
interface LongRow {
  readonly jobId: string
  readonly minute: Instant
  readonly instanceId: string
  readonly lag: string
  readonly duration: string
}

const KEY = {
  minute: instant((row: LongRow | Addition) => row.minute),
  jobId: text((row: LongRow | Addition) => row.jobId),
  instanceId: text((row: LongRow | Addition) => row.instanceId),
}
const ADDITION: Columns<Addition> = columns<Addition>({
  ...KEY,
  succeeded: integer((row) => row.succeeded),
  failed: integer((row) => row.failed),
  timedOut: integer((row) => row.timedOut),
  cancelled: integer((row) => row.cancelled),
  skipped: integer((row) => row.skipped),
  lag: text((row) => writeHistogram(row.lag)),
  duration: text((row) => writeHistogram(row.duration)),
})
const LONG_ROW = columns<LongRow>({ ...KEY, lag: text((row) => row.lag), duration: text((row) => row.duration) })

/** A histogram is put together again when its text has grown beyond this. One that holds every length from a millisecond to a day is as long. */
const LONG = 1_200

const both = (name: string) =>
  `${name} = CASE WHEN m.${name} = '[]' THEN excluded.${name} WHEN excluded.${name} = '[]' THEN m.${name}
     ELSE left(m.${name}, -1) || ',' || substr(excluded.${name}, 2) END`

/** Answers the rows that have grown long. In the order of the key, like everybody who writes several of them. */
const ADD = `WITH written AS (
    INSERT INTO "JobMinute" AS m (${ADDITION.names}) SELECT ${ADDITION.names} FROM ${ADDITION.table('v')} ORDER BY minute, "jobId", "instanceId"
    ON CONFLICT (minute, "jobId", "instanceId") DO UPDATE SET succeeded = m.succeeded + excluded.succeeded, failed = m.failed + excluded.failed,
      "timedOut" = m."timedOut" + excluded."timedOut", cancelled = m.cancelled + excluded.cancelled, skipped = m.skipped + excluded.skipped,
      ${both('lag')}, ${both('duration')}
    RETURNING minute, "jobId", "instanceId", lag, duration)
  SELECT * FROM written WHERE length(lag) > ${LONG} OR length(duration) > ${LONG}`
const SHORTEN = `UPDATE "JobMinute" m SET lag = v.lag, duration = v.duration FROM ${LONG_ROW.table('v')}
  WHERE m.minute = v.minute AND m."jobId" = v."jobId" AND m."instanceId" = v."instanceId"`

/**
 * The figures of each job and minute, written with the settlement that they count. Each process has rows of its own. Those of a job are
 * written by whoever holds its position; the row of all jobs, which every transaction writes, there is once a lane: so none waits for
 * another. Nothing is read: counts are added, and histograms are put behind each other, in the one statement that writes.
 */
export class Figures {
  readonly #instanceId: string
  readonly #now: () => Instant

  /** `now`: the clock that all processes agree on, by which some other one sums up hours. */
  constructor(instanceId: string, now: () => Instant = Date.now) {
    this.#instanceId = instanceId
    this.#now = now
  }

  /** Last step of a transaction: what it ended and skipped. */
  async write(tx: Tx): Promise<void> {
    const { ended, skipped } = tx.effects
    if (ended.length === 0 && skipped.length === 0) return
    const additions = this.#additions(tx)
    const long = await tx.rows<LongRow>(ADD, ADDITION.values(additions))
    if (long.length > 0) await tx.write(SHORTEN, LONG_ROW.values(long.map(putTogether)))
    const late = additions.filter(({ minute }) => minute < summedPerhapsUntil(this.#now()))
    if (late.length > 0) await addLate(tx, late)
  }

  #additions(tx: Tx): readonly Addition[] {
    const additions = new Map<string, Addition>()
    const of = (jobId: string, at: Instant): Addition => {
      const minute = minuteOf(at)
      const key = `${jobId} ${minute}`
      let addition = additions.get(key)
      if (addition === undefined) {
        addition = { jobId, minute, instanceId: jobId === ALL_JOBS ? this.#ofLane(tx.lane()) : this.#instanceId, ...noFigures() }
        additions.set(key, addition)
      }
      return addition
    }
    for (const run of tx.effects.ended) for (const jobId of [run.jobId, ALL_JOBS]) countEnded(of(jobId, run.finishedAt), jobId, run)
    for (const skip of tx.effects.skipped) for (const jobId of [skip.jobId, ALL_JOBS]) countSkipped(of(jobId, skip.at), skip)
    return [...additions.values()]
  }

  #ofLane(lane: number): string {
    return lane === 0 ? this.#instanceId : `${this.#instanceId}/${lane}`
  }
}

/** What was told long after its minute, because the database was away meanwhile: the hour may have been summed up without it. */
async function addLate(tx: Tx, late: readonly Addition[]): Promise<void> {
  const summed = await holdSummed(tx)
  const missed = late.filter((row) => !isBehind(row, summed))
  await addToHours(
    tx,
    missed.map((row) => ({ ...row, lag: writeHistogram(row.lag), duration: writeHistogram(row.duration) })),
  )
}

/** In the order of the key of JobMinute. */
function isBehind(row: Summed, last: Summed): boolean {
  if (row.minute !== last.minute) return row.minute > last.minute
  return row.jobId === last.jobId ? row.instanceId > last.instanceId : row.jobId > last.jobId
}

function putTogether(row: LongRow): LongRow {
  return { ...row, lag: writeHistogram(readHistogram(row.lag)), duration: writeHistogram(readHistogram(row.duration)) }
}
