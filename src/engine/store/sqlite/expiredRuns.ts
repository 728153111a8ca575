import type { Database } from 'better-sqlite3'
import type { Instant } from '../../../domain/instant.ts'
import { mayGoAt, type RetentionRules } from '../../../domain/retention.ts'
import type { RunStatus } from '../../../domain/run.ts'
import type { SweepPlace } from '../store.ts'
import { prepare } from './statement.ts'

/** Runs read at once. */
const PAGE = 100
/** Jobs whose old runs are remembered to stay, and how many of them make it worth it. */
const REMEMBERED_JOBS = 10_000
const WORTH_REMEMBERING = PAGE
/** Behind all ids. */
const NO_BOUND = '~'

interface RunRecord {
  readonly id: string
  readonly status: RunStatus
  readonly queuedAt: Instant
  readonly finishedAt: Instant | null
  readonly holdsKey: number
}

/** Old runs that were walked over because they stay: failed ones between the places of others. */
interface Stayers {
  readonly first: string
  last: string
  count: number
  /** None of them may go before this. */
  until: Instant
}

export interface Found {
  /** Runs that may go, oldest first. */
  readonly ids: readonly string[]
  /** The runs up to this one were looked at; null: none was. */
  readonly upTo: string | null
  /** No others of the job may go. */
  readonly all: boolean
}

function statements(db: Database) {
  return {
    newest: prepare<[string, number], { id: string }>(db, 'SELECT id FROM "Run" WHERE "jobId" = ? ORDER BY id DESC LIMIT 1 OFFSET ?'),
    runs: prepare<[string, string, string, number], RunRecord>(
      db,
      `SELECT id, status, "queuedAt", "finishedAt", "idempotencyKey" IS NOT NULL AS "holdsKey" FROM "Run"
       WHERE "jobId" = ? AND id > ? AND id < ? ORDER BY id LIMIT ?`,
    ),
  }
}

/**
 * Finds the runs of a job that may go. Where none may it costs a look into an index, for the oldest of the newest runs, which always stay.
 * Others are walked oldest first up to the first that is too young; those that stay for long are not walked over again before the first
 * of them may go.
 */
export class ExpiredRuns {
  readonly #sql
  readonly #stayers = new Map<string, Stayers>()
  #rules: RetentionRules | null = null
  /** The job whose walk is under way, if that began with its oldest run, and the runs it has found to stay. */
  #walking: string | null = null
  #walked: Stayers | null = null

  constructor(db: Database) {
    this.#sql = statements(db)
  }

  /** Looks at the runs behind the place, until it found `limit` of them or the time is over. */
  find(place: SweepPlace, rules: RetentionRules, now: Instant, limit: number, deadline: number): Found {
    if (rules !== this.#rules) this.#stayers.clear()
    this.#rules = rules
    const { jobId } = place
    const kept = rules.alwaysOfJob === 0 ? NO_BOUND : this.#sql.newest.get(jobId, rules.alwaysOfJob - 1)?.id
    if (kept === undefined) return { ids: [], upTo: null, all: true }
    // Ids before this one are beyond the newest `mostOfJob`.
    const most = this.#sql.newest.get(jobId, rules.mostOfJob - 1)?.id ?? ''
    const tooYoung = now - Math.min(rules.succeededFor, rules.failedFor)
    const ids: string[] = []
    for (let after = place.runId ?? this.#begin(jobId, most, now); ; ) {
      const page = this.#sql.runs.all(jobId, after, kept, PAGE)
      for (const run of page) {
        const beyond = run.id < most
        // It ended after it was queued, and all behind it were queued later.
        if (!beyond && run.queuedAt > tooYoung) return this.#end(jobId, ids, after)
        const at = mayGoAt({ ...run, holdsKey: run.holdsKey === 1 }, beyond, rules)
        if (at !== null && at <= now) ids.push(run.id)
        else this.#stays(run.id, at ?? (beyond ? now : now + Math.min(rules.succeededFor, rules.failedFor)))
        after = run.id
        if (ids.length >= limit) return { ids, upTo: after, all: false }
      }
      if (page.length < PAGE) return this.#end(jobId, ids, after)
      if (performance.now() > deadline) return { ids, upTo: after, all: false }
    }
  }

  /** Where the walk of a job begins: behind the runs that are known to stay, if none of them may go yet. */
  #begin(jobId: string, most: string, now: Instant): string {
    const known = this.#stayers.get(jobId)
    const good = known !== undefined && now < known.until && most <= known.first
    this.#walking = jobId
    this.#walked = good ? known : null
    return good ? known.last : ''
  }

  #stays(id: string, until: Instant): void {
    this.#walked ??= { first: id, last: id, count: 0, until }
    const walked = this.#walked
    walked.last = id
    walked.count++
    walked.until = Math.min(walked.until, until)
  }

  #end(jobId: string, ids: readonly string[], upTo: string): Found {
    const walked = this.#walking === jobId ? this.#walked : null
    this.#walking = null
    this.#walked = null
    this.#stayers.delete(jobId)
    if (walked !== null && walked.count >= WORTH_REMEMBERING) {
      if (this.#stayers.size >= REMEMBERED_JOBS) this.#stayers.delete(this.#stayers.keys().next().value!)
      this.#stayers.set(jobId, walked)
    }
    return { ids, upTo, all: true }
  }
}
