import type { Database } from 'better-sqlite3'
import type { Instant } from '../../../domain/instant.ts'
import { byClaimOrder } from '../claimOrder.ts'
import type { AttemptKey, BegunAttempt, Claim, Waiting } from '../store.ts'
import type { ReadyRuns } from './readyRuns.ts'
import type { Runs } from './runs.ts'
import { prepare } from './statement.ts'
import type { Tx } from './writer.ts'

const PRIORITIES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]

function statements(db: Database) {
  return {
    nextQueued: prepare<[number, Instant], { at: Instant }>(
      db,
      `SELECT "dueAt" AS at FROM "Run" WHERE status = 'QUEUED' AND "heldBy" IS NULL AND priority = ? AND "dueAt" > ? ORDER BY "dueAt" LIMIT 1`,
    ),
    nextRetry: prepare<[Instant], { at: Instant }>(
      db,
      `SELECT "nextAttemptAt" AS at FROM "Run" WHERE status = 'RETRYING' AND "nextAttemptAt" > ? ORDER BY "nextAttemptAt" LIMIT 1`,
    ),
    queuedReady: prepare<[Instant, number], { n: number }>(
      db,
      `SELECT count(*) AS n FROM (SELECT 1 FROM "Run" WHERE status = 'QUEUED' AND "heldBy" IS NULL AND "dueAt" <= ? LIMIT ?)`,
    ),
    retriesReady: prepare<[Instant, number], { n: number }>(
      db,
      `SELECT count(*) AS n FROM (SELECT 1 FROM "Run" WHERE status = 'RETRYING' AND "nextAttemptAt" <= ? LIMIT ?)`,
    ),
    renew: prepare<[Instant, string, number, string], { cancelRequestedAt: Instant | null }>(
      db,
      `UPDATE "Run" SET "leaseUntil" = ? WHERE id = ? AND attempt = ? AND status = 'RUNNING' AND "instanceId" = ? RETURNING "cancelRequestedAt"`,
    ),
    leaseOver: prepare<[Instant, number], AttemptKey>(
      db,
      `SELECT id AS "runId", attempt FROM "Run" WHERE status = 'RUNNING' AND "leaseUntil" < ? ORDER BY "leaseUntil" LIMIT ?`,
    ),
    everyAttempt: prepare<[number], AttemptKey>(
      db,
      `SELECT id AS "runId", attempt FROM "Run" WHERE status = 'RUNNING' ORDER BY "leaseUntil" LIMIT ?`,
    ),
    cancelOverdue: prepare<[Instant, number], AttemptKey>(
      db,
      `SELECT id AS "runId", attempt FROM "Run" WHERE status = 'RUNNING' AND "cancelRequestedAt" < ? ORDER BY "leaseUntil" LIMIT ?`,
    ),
  }
}

/** Attempts from their start to their lease: who may start, who holds what, and what nobody holds any more. */
export class Running {
  readonly #sql
  readonly #runs: Runs
  readonly #ready: ReadyRuns

  constructor(db: Database, { runs, ready }: { readonly runs: Runs; readonly ready: ReadyRuns }) {
    this.#sql = statements(db)
    this.#runs = runs
    this.#ready = ready
  }

  /** The verb `beginReady`. */
  begin(tx: Tx, claim: Claim, limit: number): readonly BegunAttempt[] {
    if (limit <= 0) return []
    const queued = this.#ready.queued(tx, claim, limit)
    const retrying = this.#ready.retrying(claim, limit)
    const ready = retrying.length === 0 ? queued : [...queued, ...retrying].sort(byClaimOrder).slice(0, limit)
    return ready.map((row) => this.#runs.begin(tx, row, claim))
  }

  /** The verb `nextReadyAt`. */
  nextReadyAt(after: Instant): Instant | null {
    // One look into the index for each priority: it is ordered by that first, and may hold many runs that are ready already.
    const instants = PRIORITIES.map((priority) => this.#sql.nextQueued.get(priority, after)?.at)
    instants.push(this.#sql.nextRetry.get(after)?.at)
    const known = instants.filter((at) => at !== undefined)
    return known.length === 0 ? null : Math.min(...known)
  }

  /** The verb `waiting`. */
  waiting(now: Instant, limit: number): Waiting {
    const earliest = this.nextReadyAt(Number.MIN_SAFE_INTEGER)
    if (earliest === null || earliest > now) return { runs: 0, since: null }
    const queued = this.#sql.queuedReady.get(now, limit)!.n
    return { runs: queued + this.#sql.retriesReady.get(now, limit - queued)!.n, since: earliest }
  }

  /** The verb `renewLeases`. A lease is no change of the run that users see: the stream is not told. */
  renew(
    attempts: readonly AttemptKey[],
    instanceId: string,
    leaseUntil: Instant,
  ): readonly { readonly held: boolean; readonly cancel: boolean }[] {
    return attempts.map(({ runId, attempt }) => {
      const run = this.#sql.renew.get(leaseUntil, runId, attempt, instanceId)
      return { held: run !== undefined, cancel: run !== undefined && run.cancelRequestedAt !== null }
    })
  }

  lost({ now, everything, limit }: { readonly now: Instant; readonly everything: boolean; readonly limit: number }): readonly AttemptKey[] {
    return everything ? this.#sql.everyAttempt.all(limit) : this.#sql.leaseOver.all(now, limit)
  }

  overdueCancels(askedBefore: Instant, limit: number): readonly AttemptKey[] {
    return this.#sql.cancelOverdue.all(askedBefore, limit)
  }
}
