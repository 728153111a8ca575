import type { Database, Statement } from 'better-sqlite3'
import type { Instant } from '../../../domain/instant.ts'
import type { Hint } from '../../bus/bus.ts'
import { StoreUnavailable } from '../../errors.ts'
import { type EndedRun, earlier, type SkippedInstants } from '../effects.ts'
import type { BegunAttempt } from '../store.ts'
import { asUnavailable, isDatabaseAway } from './availability.ts'

/** What a call leaves to be done with the commit that it shares: told, delivered and counted only if that commit stands. */
export interface Effects {
  /** Runs that may start, or whose wait has a new end. */
  runsWait: boolean
  /** The earliest wakeAt written; undefined: none was. */
  wakeAt: Instant | null | undefined
  readonly cancels: string[]
  /** Runs that got log lines, each once a call. */
  readonly logged: string[]
  /** For the worker of this process, at once after the commit. */
  readonly begun: BegunAttempt[]
  readonly ended: EndedRun[]
  readonly skipped: SkippedInstants[]
}

/** One call's part of a transaction. */
export interface Tx {
  /** Takes the next position of the stream of changes. */
  cursor(): number
  readonly effects: Effects
  /** Attempts begun for this process's worker in the transaction so far, by calls before this one. */
  readonly begunBefore: number
}

/** What the writer calls at the turns of a transaction. */
export interface Surroundings {
  /** Last of all before the commit: what is written once for all calls. */
  beforeCommit(effects: Effects, head: number): void
  /** Memory that mirrors rows must forget what was taken back, the whole transaction or one call's part. */
  afterRollback(): void
  /** Before those who wait are answered. */
  afterCommit(): void
  deliver(begun: readonly BegunAttempt[]): void
  publish(hint: Hint): void
}

/**
 * FIRST brings runs to their start; THEN is what callers wait for; LAST records what has ended. The earlier ranks go before the later
 * ones, so that at an instant with thousands of runs the last of them does not start behind the ends of the first.
 */
export type Rank = 'FIRST' | 'THEN' | 'LAST'

interface Call {
  readonly work: (tx: Tx) => unknown
  readonly since: number
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/** A transaction ends after so long, in ms, and the calls left over wait for the next turn of the loop. */
const LONGEST_TRANSACTION = 8
/** Calls of a later rank are passed over for so long at most, in ms. */
const LONGEST_WAIT = { THEN: 20, LAST: 250 } as const

/**
 * The single writer. Calls made in one turn of the loop share one transaction and one flush to the disk (group commit); each has a
 * savepoint of its own, so that an error of one is answered to that caller alone. All work is synchronous: nobody ever sees a
 * transaction half done.
 *
 *   write → waiting ─ setImmediate → BEGIN → (SAVEPOINT, work, RELEASE)* → figures, head → COMMIT → deliver, hints, answers
 *                                      └── the disk fails anywhere ──→ ROLLBACK → every call answers StoreUnavailable
 *
 * The head of the stream is a number in memory: with one writer, counting within the transaction is commit order. It is stored with
 * every commit, so that it never goes back, whatever rows are removed.
 */
export class Writer {
  readonly #db: Database
  readonly #surroundings: Surroundings
  readonly #waiting: Record<Rank, Call[]> = { FIRST: [], THEN: [], LAST: [] }
  readonly #sql: Readonly<Record<'begin' | 'commit' | 'rollback' | 'savepoint' | 'release' | 'goBack', Statement<[]>>>
  #scheduled = false
  #closed = false
  #head: number
  #failure: StoreUnavailable | null = null

  constructor(db: Database, head: number, surroundings: Surroundings) {
    this.#db = db
    this.#head = head
    this.#surroundings = surroundings
    this.#sql = {
      begin: db.prepare('BEGIN IMMEDIATE'),
      commit: db.prepare('COMMIT'),
      rollback: db.prepare('ROLLBACK'),
      savepoint: db.prepare('SAVEPOINT one'),
      release: db.prepare('RELEASE one'),
      goBack: db.prepare('ROLLBACK TO one'),
    }
  }

  /** Position of the newest committed change. */
  get head(): number {
    return this.#head
  }

  /** Whether no call waits for a transaction. */
  get idle(): boolean {
    return this.#next().length === 0
  }

  /** What kept the newest transaction from being stored; null: it was. */
  get failure(): StoreUnavailable | null {
    return this.#failure
  }

  /** Runs `work` in the next transaction; resolves when that is durable. Rejects with what `work` threw, or with StoreUnavailable. */
  write<T>(work: (tx: Tx) => T, rank: Rank = 'THEN'): Promise<T> {
    if (this.#closed) return Promise.reject(new StoreUnavailable('it was closed'))
    return new Promise<T>((resolve, reject) => {
      this.#waiting[rank].push({ work, since: performance.now(), resolve: resolve as (value: unknown) => void, reject })
      this.#schedule()
    })
  }

  /** Commits what waits and takes nothing more. */
  close(): void {
    while (this.#next().length > 0) this.#flush()
    this.#closed = true
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#flush()
      if (this.#next().length > 0) this.#schedule()
    })
  }

  #flush(): void {
    const queue = this.#next()
    if (queue.length === 0) return
    const taken: Call[] = []
    try {
      const committed = this.#transaction(queue, taken)
      this.#failure = null
      this.#surroundings.afterCommit()
      this.#announce(committed)
    } catch (error) {
      // Nothing of this transaction stands. All calls of it hear so; those not yet taken try again in the next.
      if (this.#db.inTransaction) this.#sql.rollback.run()
      this.#surroundings.afterRollback()
      if (taken.length === 0) taken.push(...queue.splice(0))
      const answer = taken.length === 1 && !isDatabaseAway(error) ? error : asUnavailable(error)
      if (isDatabaseAway(error)) this.#failure = asUnavailable(error)
      for (const call of taken) call.reject(answer)
    }
  }

  /** The queue whose turn it is; an empty one where nothing waits. */
  #next(): Call[] {
    const { FIRST, THEN, LAST } = this.#waiting
    if (hasWaited(THEN, LONGEST_WAIT.THEN)) return THEN
    if (hasWaited(LAST, LONGEST_WAIT.LAST)) return LAST
    if (FIRST.length > 0) return FIRST
    return THEN.length > 0 ? THEN : LAST
  }

  /** One transaction with the calls that wait, or as many of them as its time allows. */
  #transaction(queue: Call[], taken: Call[]): Committed {
    const started = performance.now()
    const effects = newEffects()
    const answers: (() => void)[] = []
    let head = this.#head
    const cursor = () => ++head

    this.#sql.begin.run()
    // A savepoint makes SQLite copy every page that is changed after it: a batch that is alone in its transaction goes without.
    const perform = queue.length === 1 ? this.#performAlone : this.#performSafely
    while (queue.length > 0) {
      const call = queue.shift()!
      taken.push(call)
      answers.push(perform.call(this, call, effects, cursor))
      if (performance.now() - started > LONGEST_TRANSACTION) break
    }
    this.#surroundings.beforeCommit(effects, head)
    this.#sql.commit.run()
    const moved = head > this.#head
    this.#head = head
    return { effects, answers, moved }
  }

  /** One call; answers what to tell its caller once the commit stands. What it throws takes back the whole transaction. */
  #performAlone(call: Call, effects: Effects, cursor: () => number): () => void {
    const value = call.work({ cursor, effects, begunBefore: effects.begun.length })
    return () => call.resolve(value)
  }

  /** One call among others: what it throws takes back its own part. */
  #performSafely(call: Call, shared: Effects, cursor: () => number): () => void {
    const effects = newEffects()
    this.#sql.savepoint.run()
    try {
      const value = call.work({ cursor, effects, begunBefore: shared.begun.length })
      this.#sql.release.run()
      merge(shared, effects)
      return () => call.resolve(value)
    } catch (error) {
      // Some errors of the disk end the whole transaction by themselves; then no savepoint is left to go back to.
      if (isDatabaseAway(error) || !this.#db.inTransaction) throw asUnavailable(error)
      this.#sql.goBack.run()
      this.#sql.release.run()
      this.#surroundings.afterRollback()
      return () => call.reject(error)
    }
  }

  /** After the commit: work first, then answers, then hints. None of the listeners throws. */
  #announce({ effects, answers, moved }: Committed): void {
    const { deliver, publish } = this.#surroundings
    if (effects.begun.length > 0) deliver(effects.begun)
    for (const answer of answers) answer()
    if (moved) publish({ kind: 'changes', upTo: this.#head })
    if (effects.wakeAt !== undefined) publish({ kind: 'jobs', wakeAt: effects.wakeAt })
    if (effects.runsWait) publish({ kind: 'runs' })
    if (effects.cancels.length > 0) publish({ kind: 'cancels', runIds: effects.cancels })
    if (effects.logged.length > 0) publish({ kind: 'logs', runIds: effects.logged })
  }
}

interface Committed {
  readonly effects: Effects
  readonly answers: readonly (() => void)[]
  readonly moved: boolean
}

function hasWaited(queue: readonly Call[], limit: number): boolean {
  const oldest = queue[0]
  return oldest !== undefined && performance.now() - oldest.since >= limit
}

function newEffects(): Effects {
  return { runsWait: false, wakeAt: undefined, cancels: [], logged: [], begun: [], ended: [], skipped: [] }
}

function merge(into: Effects, from: Effects): void {
  into.runsWait ||= from.runsWait
  if (from.wakeAt !== undefined) into.wakeAt = earlier(into.wakeAt, from.wakeAt)
  for (const id of from.cancels) into.cancels.push(id)
  for (const id of from.logged) into.logged.push(id)
  for (const attempt of from.begun) into.begun.push(attempt)
  for (const run of from.ended) into.ended.push(run)
  for (const skip of from.skipped) into.skipped.push(skip)
}
