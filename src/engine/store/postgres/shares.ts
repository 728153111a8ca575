import { type Instant, MINUTE, type Milliseconds, SECOND } from '../../../domain/instant.ts'
import type { Position } from '../../../domain/job.ts'
import type { Store } from '../store.ts'
import type { Database } from './database.ts'
import { instantText } from './columns.ts'
import { POSITION } from './locks.ts'

/** A job of another scheduler's share is planned by this one when it is so late. */
const PATIENCE: Milliseconds = 750
/** Whoever had to plan a job of another's plans others' as soon as they are due for so long: the other one is busy, frozen or dead. */
const TAKEOVER: Milliseconds = 10 * SECOND
/** Where it has to again soon after, it is for longer. */
const LONGEST_TAKEOVER: Milliseconds = MINUTE

/** Which of the jobs are this scheduler's: those whose number leaves `rank`, divided by `of`. */
export interface Share {
  readonly rank: number
  readonly of: number
}

/** The number of a job: the same for every process of the database. */
const NUMBER = 'hashtext("jobId")::bigint + 2147483648'
const OWN = `(${NUMBER}) % $1::int = $2::int`
const OTHERS = `(${NUMBER}) % $1::int <> $2::int`

export const DUE = `SELECT ${POSITION.names} FROM "JobPosition" WHERE "wakeAt" <= $1 ORDER BY "wakeAt" LIMIT $2`
export const DUE_OWN = `SELECT ${POSITION.names} FROM "JobPosition" WHERE ${OWN} AND "wakeAt" <= $3 ORDER BY "wakeAt" LIMIT $4`
// Those that somebody holds are being planned, or about to be changed.
export const DUE_OTHERS = `SELECT ${POSITION.names} FROM "JobPosition" WHERE ${OTHERS} AND "wakeAt" <= $3 ORDER BY "wakeAt" LIMIT $4 FOR UPDATE SKIP LOCKED`
export const NEXT = `SELECT "wakeAt" AS at FROM "JobPosition" WHERE "wakeAt" IS NOT NULL ORDER BY "wakeAt" LIMIT 1`
export const NEXT_OWN = `SELECT "wakeAt" AS at FROM "JobPosition" WHERE ${OWN} AND "wakeAt" IS NOT NULL ORDER BY "wakeAt" LIMIT 1`

/**
 * Every scheduler plans, and the row of a job's position decides whose plan stands. So that two of them do not plan the same jobs at the
 * same instants and throw half of it away, each takes its own share first and others' only when they are late. Who is there is a guess
 * that may be wrong: then jobs are planned twice for a while, or a little late, and nothing else happens.
 *
 *   own share ─ a job of others' is late → others' too, for ten seconds since the last one → own share
 *
 * The own share comes first in either case: where there is more to do than all of them can, jobs of everybody's are late, and none of
 * them shall do the work of another beside its own. Of one that is dead nothing is heard any more, and then its share is somebody's own.
 */
export class Shares implements Pick<Store, 'duePositions' | 'nextWakeAt'> {
  readonly #db: Database
  readonly #share: () => Share
  readonly #elapsed: () => number
  #takesAllUntil = Number.NEGATIVE_INFINITY
  #length = TAKEOVER

  /** `elapsed`: a clock that never jumps, in ms. */
  constructor(db: Database, share: () => Share, elapsed: () => number = () => performance.now()) {
    this.#db = db
    this.#share = share
    this.#elapsed = elapsed
  }

  async duePositions(now: Instant, limit: number): Promise<readonly Position[]> {
    const { rank, of } = this.#share()
    if (of === 1) return this.#db.rows<Position>(DUE, [instantText(now), limit])
    const own = await this.#db.rows<Position>(DUE_OWN, [of, rank, instantText(now), limit])
    if (own.length === limit) return own
    const takesAll = this.#takesAll
    const others = await this.#db.rows<Position>(DUE_OTHERS, [of, rank, instantText(takesAll ? now : now - PATIENCE), limit - own.length])
    if (!takesAll && others.length > 0) this.#takeOver()
    return own.concat(others)
  }

  /** When this scheduler must look: at the first job of its own share, or when the first of all is late. */
  async nextWakeAt(): Promise<Instant | null> {
    const { rank, of } = this.#share()
    const first = await this.#earliest(NEXT)
    if (first === null || of === 1 || this.#takesAll) return first
    const own = await this.#earliest(NEXT_OWN, [of, rank])
    return Math.min(own ?? Number.POSITIVE_INFINITY, first + PATIENCE)
  }

  #takeOver(): void {
    const now = this.#elapsed()
    const again = now - this.#takesAllUntil < TAKEOVER
    this.#length = again ? Math.min(this.#length * 2, LONGEST_TAKEOVER) : TAKEOVER
    this.#takesAllUntil = now + this.#length
  }

  get #takesAll(): boolean {
    return this.#elapsed() < this.#takesAllUntil
  }

  async #earliest(sql: string, values: readonly unknown[] = []): Promise<Instant | null> {
    const [row] = await this.#db.rows<{ at: Instant }>(sql, values)
    return row?.at ?? null
  }
}
