import type { Instant } from '../../../domain/instant.ts'
import type { RunTrigger } from '../../../domain/run.ts'
import { begunAttempt } from '../definitions.ts'
import { saysNoHandler } from '../noHandler.ts'
import type { AttemptKey, BegunAttempt, Claim, Store } from '../store.ts'
import { instantText, numberArray, textArray } from './columns.ts'
import { MARKED, NEXT, noteHead } from './cursors.ts'
import type { Database, Tx } from './database.ts'
import type { Definitions } from './definitions.ts'
import type { DoubtfulClaims } from './doubtfulClaims.ts'
import type { Room } from './room.ts'

/** Of RETRYING runs whose wait is over so many are looked at, earliest first, before priority decides among them. */
const RETRIES_LOOKED_AT = 1_000

/** Where a claim names its handlers ($5), runs are passed by whose job names another one. */
const HANDLED = `JOIN "Job" j ON j.id = r."jobId" AND (j.handler IS NULL OR j.handler = ANY($5::text[]))`

// Runs that may start, in the order in which they do; each is locked, and those that others have locked are passed by. One look into the
// index for each priority: it is ordered by that first, and may hold many runs that are due later.
const queued = (handled: string) => `SELECT ready.* FROM unnest('{9,8,7,6,5,4,3,2,1,0}'::int[]) AS level(priority) CROSS JOIN LATERAL (
      SELECT r.id, r.priority, r."dueAt" FROM "Run" r ${handled}
      WHERE r.status = 'QUEUED' AND r."heldBy" IS NULL AND r.priority = level.priority AND r."dueAt" <= $1::timestamptz
      ORDER BY r."dueAt", r.id LIMIT $2 FOR UPDATE OF r SKIP LOCKED
    ) ready LIMIT $2`
const retrying = (handled: string) => `SELECT r.id, r.priority, r."dueAt" FROM (
      SELECT r.id FROM "Run" r ${handled} WHERE r.status = 'RETRYING' AND r."nextAttemptAt" <= $1::timestamptz
      ORDER BY r."nextAttemptAt" LIMIT greatest($2, ${RETRIES_LOOKED_AT})
    ) due JOIN "Run" r ON r.id = due.id
    WHERE r.status = 'RETRYING' AND r."nextAttemptAt" <= $1::timestamptz
    ORDER BY r.priority DESC, r."dueAt", r.id LIMIT $2 FOR UPDATE OF r SKIP LOCKED`

const beginOf = (handled: string) => `WITH ${MARKED},
  queued AS MATERIALIZED (${queued(handled)}),
  retrying AS MATERIALIZED (${retrying(handled)}),
  chosen AS MATERIALIZED (
    SELECT id, row_number() OVER (ORDER BY priority DESC, "dueAt", id) AS place
    FROM (SELECT * FROM queued UNION ALL SELECT * FROM retrying) ready ORDER BY place LIMIT $2
  )
  UPDATE "Run" r SET status = 'RUNNING', attempt = r.attempt + 1, "attemptStatus" = 'RUNNING', "attemptStartedAt" = $1::timestamptz,
    "startedAt" = coalesce(r."startedAt", $1::timestamptz), "nextAttemptAt" = NULL, progress = NULL,
    error = CASE WHEN ${saysNoHandler('r.error')} THEN NULL ELSE r.error END, "instanceId" = $3, "jobVersion" = j.version,
    "leaseUntil" = $4::timestamptz, cursor = ${NEXT}, "changedAt" = $1::timestamptz
  FROM chosen CROSS JOIN marked, "Job" j, "JobPosition" p
  WHERE r.id = chosen.id AND j.id = r."jobId" AND p."jobId" = r."jobId"
  RETURNING chosen.place, r.id, r.attempt, r."jobId", r."jobVersion", p.version, r."trigger", r."scheduledFor", r."dueAt", r.coalesced, r.payload, r.cursor`
// Where the definition is read behind the claim, the job may have changed in between: the attempt is of what it performs.
const CORRECT_VERSIONS = `UPDATE "Run" r SET "jobVersion" = v."jobVersion" FROM unnest($1::text[], $2::int[]) AS v(id, "jobVersion") WHERE r.id = v.id`
const BEGIN_ANY = beginOf('')
const BEGIN_HANDLED = beginOf(HANDLED)

interface BegunRecord {
  readonly place: number
  readonly id: string
  readonly attempt: number
  readonly jobId: string
  readonly jobVersion: number
  /** Of the job's position. */
  readonly version: number
  readonly trigger: RunTrigger
  readonly scheduledFor: Instant
  readonly dueAt: Instant
  readonly coalesced: number
  readonly payload: string | null
  readonly cursor: number
}

const NEXT_READY = `SELECT min(at) AS at FROM (
    SELECT next.at FROM generate_series(0, 9) AS level(priority) CROSS JOIN LATERAL (
      SELECT "dueAt" AS at FROM "Run" r WHERE r.status = 'QUEUED' AND r."heldBy" IS NULL AND r.priority = level.priority AND r."dueAt" > $1::timestamptz
      ORDER BY r."dueAt" LIMIT 1
    ) next
    UNION ALL
    (SELECT "nextAttemptAt" FROM "Run" WHERE status = 'RETRYING' AND "nextAttemptAt" > $1::timestamptz ORDER BY "nextAttemptAt" LIMIT 1)
  ) all_next`

// Rows are locked in the order of their ids, as everywhere. By the status of the attempt, which is the run's: with that, an index of all that
// run may look shorter.
const RENEW = `WITH mine AS MATERIALIZED (
    SELECT r.id FROM unnest($1::text[], $2::int[]) AS v(id, attempt) JOIN "Run" r ON r.id = v.id
    WHERE r.attempt = v.attempt AND r."attemptStatus" = 'RUNNING' AND r."instanceId" = $3 ORDER BY r.id FOR UPDATE OF r
  )
  UPDATE "Run" r SET "leaseUntil" = $4::timestamptz FROM mine WHERE r.id = mine.id RETURNING r.id, r.attempt, r."cancelRequestedAt" IS NOT NULL AS cancel`

const ATTEMPTS = `SELECT id AS "runId", attempt FROM "Run" WHERE status = 'RUNNING'`
const LEASE_OVER = `${ATTEMPTS} AND "leaseUntil" < $1::timestamptz ORDER BY "leaseUntil" LIMIT $2`
const EVERY_ATTEMPT = `${ATTEMPTS} ORDER BY "leaseUntil" LIMIT $1`
const CANCEL_OVERDUE = `${ATTEMPTS} AND "cancelRequestedAt" < $1::timestamptz ORDER BY "leaseUntil" LIMIT $2`

/** Attempts from their start to their lease: who may start, who holds what, and what nobody holds any more. */
export class Running implements Pick<Store, 'beginReady' | 'nextReadyAt' | 'renewLeases' | 'lostAttempts' | 'overdueCancels'> {
  readonly #db: Database
  readonly #room: Room
  readonly #definitions: Definitions
  readonly #doubtful: DoubtfulClaims

  constructor(
    db: Database,
    { room, definitions, doubtful }: { readonly room: Room; readonly definitions: Definitions; readonly doubtful: DoubtfulClaims },
  ) {
    this.#db = db
    this.#room = room
    this.#definitions = definitions
    this.#doubtful = doubtful
  }

  async beginReady(claim: Claim, limit: number): Promise<readonly BegunAttempt[]> {
    return limit <= 0 ? [] : this.#db.transaction((tx) => this.#begin(tx, claim, limit))
  }

  /** Begins runs that may start, up to `limit` and as many as the worker of this process has room for, and delivers them. Answers how many. */
  async beginForConsumer(now: Instant, limit: number): Promise<number> {
    await this.#doubtful.undo(now)
    return this.#room.take(now, limit, async (starting) => {
      if (starting === null || starting.room <= 0) return 0
      return this.#db.transaction(async (tx) => {
        tx.effects.begun.push(...(await this.#begin(tx, starting.claim, starting.room)))
        return tx.effects.begun.length
      })
    })
  }

  async nextReadyAt(after: Instant): Promise<Instant | null> {
    const [row] = await this.#db.rows<{ at: Instant | null }>(NEXT_READY, [instantText(after)])
    return row!.at
  }

  /** A lease is no change of the run that users see: the stream is not told. */
  async renewLeases(
    attempts: readonly AttemptKey[],
    instanceId: string,
    leaseUntil: Instant,
  ): Promise<readonly { readonly held: boolean; readonly cancel: boolean }[]> {
    if (attempts.length === 0) return []
    const rows = await this.#db.rows<{ id: string; attempt: number; cancel: boolean }>(RENEW, [
      textArray(attempts.map(({ runId }) => runId)),
      numberArray(attempts.map(({ attempt }) => attempt)),
      instanceId,
      instantText(leaseUntil),
    ])
    const held = new Map(rows.map((row) => [row.id, row]))
    return attempts.map(({ runId, attempt }) => {
      const row = held.get(runId)
      return row?.attempt === attempt ? { held: true, cancel: row.cancel } : { held: false, cancel: false }
    })
  }

  lostAttempts({ now, everything, limit }: Parameters<Store['lostAttempts']>[0]): Promise<readonly AttemptKey[]> {
    return everything ? this.#db.rows(EVERY_ATTEMPT, [limit]) : this.#db.rows(LEASE_OVER, [instantText(now), limit])
  }

  overdueCancels(askedBefore: Instant, limit: number): Promise<readonly AttemptKey[]> {
    return this.#db.rows(CANCEL_OVERDUE, [instantText(askedBefore), limit])
  }

  /** Claims runs that may start and begins them: one statement, that waits for nobody. */
  async #begin(tx: Tx, { instanceId, now, leaseUntil, handlers }: Claim, limit: number): Promise<readonly BegunAttempt[]> {
    const values = [instantText(now), limit, instanceId, instantText(leaseUntil)]
    const rows = await (handlers === null
      ? tx.rows<BegunRecord>(BEGIN_ANY, values)
      : tx.rows<BegunRecord>(BEGIN_HANDLED, [...values, textArray([...handlers])]))
    if (rows.length === 0) return []
    noteHead(tx, rows)
    rows.sort((a, b) => a.place - b.place)
    const definitions = await this.#definitions.of(tx, rows)
    const changed = rows.filter(({ jobId, jobVersion }) => definitions.get(jobId)!.version !== jobVersion)
    if (changed.length > 0) {
      const versions = changed.map(({ jobId }) => definitions.get(jobId)!.version)
      await tx.write(CORRECT_VERSIONS, [textArray(changed.map(({ id }) => id)), numberArray(versions)])
    }
    return rows.map((row) => begunAttempt(row, row.attempt, definitions.get(row.jobId)!, now))
  }
}
