import type { Instant } from '../../domain/instant.ts'
import { mayGoAt, type KeptRun, type RetentionRules } from '../../domain/retention.ts'
import type { SweepPlace } from './keeping.ts'

/** Jobs whose old runs are remembered to stay, and how many of them make it worth it. */
const REMEMBERED_JOBS = 10_000
const WORTH_REMEMBERING = 100
/** Behind all ids. */
export const NO_BOUND = '~'

/** A run that is not among the newest of its job that always stay. */
export interface OldRun extends KeptRun {
  readonly id: string
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

export const NOTHING_FOUND: Found = { ids: [], upTo: null, all: true }

/** What walks of one sweep look for. */
export interface WalkQuery {
  readonly rules: RetentionRules
  readonly now: Instant
  /** Runs before this one are beyond the newest `mostOfJob` of their job; empty: none are. */
  readonly most: string
  /** It ends when it found so many. */
  readonly limit: number
}

/** Runs queued after this are too young to go by age, and all behind them are younger. */
export function tooYoung(rules: RetentionRules, now: Instant): Instant {
  return now - shortest(rules)
}

/**
 * Finds the runs of a job that may go: they are walked oldest first up to the first that is too young; those that stay for long are not
 * walked over again before the first of them may go. Walks follow each other.
 */
export class ExpiredRuns {
  readonly #stayers = new Map<string, Stayers>()
  #rules: RetentionRules | null = null
  /** The job whose walk is under way, if that began with its oldest run, and the runs it has found to stay. */
  #walking: string | null = null
  #walked: Stayers | null = null

  /** Behind which run a walk of the job begins: those that are known to stay, if none of them may go yet. */
  beginning({ jobId, runId }: SweepPlace, { rules, now, most }: WalkQuery): string {
    return runId ?? this.#known(jobId, rules, now, most)?.last ?? ''
  }

  /** The walk from a place on. */
  walk(place: SweepPlace, query: WalkQuery): Walk {
    const { jobId, runId } = place
    if (runId === null) {
      this.#walking = jobId
      this.#walked = this.#known(jobId, query.rules, query.now, query.most)
    }
    return new Walk(this.beginning(place, query), query, {
      stays: (id, until) => this.#stays(id, until),
      ends: () => this.#end(jobId),
    })
  }

  #known(jobId: string, rules: RetentionRules, now: Instant, most: string): Stayers | null {
    if (rules !== this.#rules) this.#stayers.clear()
    this.#rules = rules
    const known = this.#stayers.get(jobId)
    return known !== undefined && now < known.until && most <= known.first ? known : null
  }

  #stays(id: string, until: Instant): void {
    this.#walked ??= { first: id, last: id, count: 0, until }
    const walked = this.#walked
    walked.last = id
    walked.count++
    walked.until = Math.min(walked.until, until)
  }

  #end(jobId: string): void {
    const walked = this.#walking === jobId ? this.#walked : null
    this.#walking = null
    this.#walked = null
    this.#stayers.delete(jobId)
    if (walked === null || walked.count < WORTH_REMEMBERING) return
    if (this.#stayers.size >= REMEMBERED_JOBS) this.#stayers.delete(this.#stayers.keys().next().value!)
    this.#stayers.set(jobId, walked)
  }
}

interface Noting {
  readonly stays: (id: string, until: Instant) => void
  readonly ends: () => void
}

/** Takes page after page of the runs behind `after`, until it answers what was found. */
export class Walk {
  readonly #ids: string[] = []
  readonly #query: WalkQuery
  readonly #noting: Noting
  #after: string

  constructor(after: string, query: WalkQuery, noting: Noting) {
    this.#after = after
    this.#query = query
    this.#noting = noting
  }

  get after(): string {
    return this.#after
  }

  /** `last`: there are no more behind this page. Null: there may be more to find. */
  take(page: readonly OldRun[], last: boolean): Found | null {
    const { rules, now, most, limit } = this.#query
    for (const run of page) {
      const beyond = run.id < most
      // It ended after it was queued, and all behind it were queued later.
      if (!beyond && run.queuedAt > tooYoung(rules, now)) return this.#end()
      const at = mayGoAt(run, beyond, rules)
      if (at !== null && at <= now) this.#ids.push(run.id)
      else this.#noting.stays(run.id, at ?? (beyond ? now : now + shortest(rules)))
      this.#after = run.id
      if (this.#ids.length >= limit) return this.stop()
    }
    return last ? this.#end() : null
  }

  /** What was found so far; the walk may go on from there. */
  stop(): Found {
    return { ids: this.#ids, upTo: this.#after, all: false }
  }

  #end(): Found {
    this.#noting.ends()
    return { ids: this.#ids, upTo: this.#after, all: true }
  }
}

function shortest({ succeededFor, failedFor }: RetentionRules): number {
  return Math.min(succeededFor, failedFor)
}
