import type { Database } from 'better-sqlite3'
import type { Instant } from '../../../domain/instant.ts'
import type { RunTrigger } from '../../../domain/run.ts'
import { isHandled } from '../../../domain/target.ts'
import type { Claim } from '../store.ts'
import type { Definitions } from './definitions.ts'
import { prepare } from './statement.ts'
import type { Tx } from './writer.ts'

/** Of RETRYING runs whose wait is over so many are looked at, earliest first, before priority decides among them. */
const RETRIES_LOOKED_AT = 1_000
const PRIORITIES = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
/** Rows read at once on a walk past runs without a handler, and rows after which a walk goes on in a transaction of its own. */
const PAGE = 200
const LONGEST_WALK = 2_000
/** Runs that became ready meanwhile; beyond so many all are looked at again. */
const NOTED = 1_000

/** A run's row as the start of an attempt reads it. */
export interface StartableRecord {
  readonly id: string
  readonly jobId: string
  readonly positionVersion: number
  readonly trigger: RunTrigger
  readonly scheduledFor: Instant
  readonly dueAt: Instant
  readonly coalesced: number
  readonly payload: string | null
  readonly attempt: number
  readonly priority: number
}

/** A place in the order by dueAt and id. */
interface Place {
  readonly dueAt: Instant
  readonly id: string
}

const BEFORE_ALL: Place = { dueAt: Number.MIN_SAFE_INTEGER, id: '' }

const READY = `SELECT r.id, r."jobId", r."trigger", r."scheduledFor", r."dueAt", r.coalesced, r.payload, r.attempt, r.priority, p.version AS "positionVersion"
  FROM "Run" r JOIN "JobPosition" p ON p."jobId" = r."jobId"`
const QUEUED = `r.status = 'QUEUED' AND r."heldBy" IS NULL`
const RETRY_OVER = `r.status = 'RETRYING' AND r."nextAttemptAt" <= ?`

function statements(db: Database) {
  return {
    queued: prepare<[Instant, number], StartableRecord>(
      db,
      `${READY} WHERE ${QUEUED} AND r."dueAt" <= ? ORDER BY r.priority DESC, r."dueAt", r.id LIMIT ?`,
    ),
    queuedBehind: prepare<[number, Instant, Instant, string, number], StartableRecord>(
      db,
      `${READY} WHERE ${QUEUED} AND r.priority = ? AND r."dueAt" <= ? AND (r."dueAt", r.id) > (?, ?) ORDER BY r."dueAt", r.id LIMIT ?`,
    ),
    retrying: prepare<[Instant, number], StartableRecord>(db, `${READY} WHERE ${RETRY_OVER} ORDER BY r."nextAttemptAt" LIMIT ?`),
    retryingHandled: prepare<[Instant, string, number], StartableRecord>(
      db,
      `${READY} JOIN "Job" j ON j.id = r."jobId" WHERE ${RETRY_OVER} AND (j.handler IS NULL OR j.handler IN (SELECT value FROM json_each(?)))
       ORDER BY r."nextAttemptAt" LIMIT ?`,
    ),
    placeOf: prepare<[string], Place & { readonly priority: number }>(db, 'SELECT id, "dueAt", priority FROM "Run" WHERE id = ?'),
  }
}

/**
 * Runs that may start, in the order they start in, without those that the worker has no handler for.
 *
 * Where all are handled, that is one read of the index. Runs whose handler is gone stay in that index, at its head, for as long as they
 * wait; so that no look walks over them twice, it is remembered for each priority up to where all that is ready is unhandled. The only
 * writer knows what becomes ready in front of such a place: `ready` and `jobChanged` tell it, and what falls due later is behind it.
 */
export class ReadyRuns {
  readonly #sql
  readonly #definitions: Definitions
  /** Whose handlers the places speak of. */
  #handlers: ReadonlySet<string> | null = null
  /** By priority; none: no run is known to be unhandled. */
  readonly #places = new Map<number, Place>()
  readonly #unhandledJobs = new Set<string>()
  #noted: string[] = []

  constructor(db: Database, definitions: Definitions) {
    this.#sql = statements(db)
    this.#definitions = definitions
  }

  /** QUEUED runs for this claim, the first of them first. */
  queued(tx: Tx, claim: Claim, limit: number): readonly StartableRecord[] {
    return this.#look(tx, claim, limit).rows
  }

  /** Whether any QUEUED run waits that this claim could begin. */
  waits(tx: Tx, claim: Claim): boolean {
    const { rows, complete } = this.#look(tx, claim, 1)
    return rows.length > 0 || !complete
  }

  /** RETRYING runs for this claim whose wait is over, in no order that counts. */
  retrying({ now, handlers }: Claim, limit: number): readonly StartableRecord[] {
    const most = Math.max(limit, RETRIES_LOOKED_AT)
    const rows = this.#sql.retrying.all(now, most)
    if (handlers === null || rows.every((row) => this.#isHandled(row, handlers))) return rows
    return this.#sql.retryingHandled.all(now, JSON.stringify([...handlers]), most)
  }

  /** A run was stored as one that may start, or nothing holds it any more. */
  ready(runId: string): void {
    if (this.#places.size === 0) return
    if (this.#noted.length < NOTED) this.#noted.push(runId)
    else this.forget()
  }

  /** A job may name another handler now. */
  jobChanged(jobId: string): void {
    if (this.#unhandledJobs.has(jobId)) this.forget()
  }

  /** After a rollback too: what was seen within it may never have been. */
  forget(): void {
    this.#places.clear()
    this.#unhandledJobs.clear()
    this.#noted = []
  }

  #look(tx: Tx, claim: Claim, limit: number): { readonly rows: readonly StartableRecord[]; readonly complete: boolean } {
    const { handlers, now } = claim
    if (handlers !== this.#handlers) {
      this.forget()
      this.#handlers = handlers
    }
    if (this.#places.size === 0) {
      const rows = this.#sql.queued.all(now, limit)
      if (handlers === null || rows.every((row) => this.#isHandled(row, handlers))) return { rows, complete: true }
    }
    const found = this.#walk(now, handlers!, limit)
    // The rest of the walk is another transaction's: the hint brings the queue back.
    if (!found.complete) tx.effects.runsWait = true
    return found
  }

  /** Reads from the remembered places on, and moves them. */
  #walk(now: Instant, handlers: ReadonlySet<string>, limit: number): { readonly rows: StartableRecord[]; readonly complete: boolean } {
    this.#goBack()
    const rows: StartableRecord[] = []
    let walked = 0
    for (const priority of PRIORITIES) {
      let unhandledSoFar = true
      let place = this.#places.get(priority) ?? BEFORE_ALL
      for (let page = PAGE; page === PAGE; ) {
        const read = this.#sql.queuedBehind.all(priority, now, place.dueAt, place.id, PAGE)
        for (const row of read) {
          place = row
          if (this.#isHandled(row, handlers)) {
            unhandledSoFar = false
            rows.push(row)
            if (rows.length >= limit) return { rows, complete: true }
          } else {
            this.#unhandledJobs.add(row.jobId)
            if (unhandledSoFar) this.#places.set(priority, { dueAt: row.dueAt, id: row.id })
          }
        }
        page = read.length
        walked += page
        if (walked >= LONGEST_WALK) return { rows, complete: false }
      }
    }
    return { rows, complete: true }
  }

  /** Moves places before what became ready in front of them. */
  #goBack(): void {
    for (const id of this.#noted) {
      const run = this.#sql.placeOf.get(id)
      const place = run && this.#places.get(run.priority)
      if (place && (run.dueAt < place.dueAt || (run.dueAt === place.dueAt && run.id <= place.id)))
        this.#places.set(run.priority, { dueAt: run.dueAt, id: '' })
    }
    this.#noted = []
  }

  #isHandled({ jobId, positionVersion }: StartableRecord, handlers: ReadonlySet<string>): boolean {
    return isHandled(this.#definitions.of(jobId, positionVersion).target, handlers)
  }
}
