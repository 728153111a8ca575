import type pg from 'pg'
import type { Instant } from '../../../domain/instant.ts'
import type { EndedRun, SkippedInstants } from '../effects.ts'
import type { BegunAttempt } from '../store.ts'
import { asUnavailable, isDatabaseAway, isTransient } from './availability.ts'

/** Statements are sent one after the other, each prepared once a connection. */
export interface Session {
  /** The rows that a statement answers. `sql` is one of a limited number of texts: every text stays prepared. */
  rows<Row>(sql: string, values?: readonly unknown[]): Promise<Row[]>
  /** As `rows`, but planned for these values and forgotten: where the best way depends on them, or the texts are without number. */
  rowsOnce<Row>(sql: string, values?: readonly unknown[]): Promise<Row[]>
  /** How many rows a statement wrote. */
  write(sql: string, values?: readonly unknown[]): Promise<number>
}

/** Reads, each at its own moment or several at one. */
export interface Reader extends Session {
  /** Several statements at one moment: what is read does not change between them. */
  snapshot<T>(work: (session: Session) => Promise<T>): Promise<T>
}

/** A run that may start, for the rings of its transaction. */
export interface ReadyRun {
  readonly id: string
  readonly priority: number
}

/** What a transaction leaves to be done with it: counted and rung before its commit, told and delivered after it. */
export interface Effects {
  /** Runs that may start now: a ring is added for them in the same transaction. */
  readonly ready: ReadyRun[]
  /** Runs whose wait has a new end: the queues must look when it is over. */
  runsWait: boolean
  /** The earliest wakeAt written; undefined: none was. */
  wakeAt: Instant | null | undefined
  readonly cancels: string[]
  /** Runs that got log lines, each once. */
  readonly logged: string[]
  /** For the worker of this process, at once after the commit. */
  readonly begun: BegunAttempt[]
  readonly ended: EndedRun[]
  readonly skipped: SkippedInstants[]
  /** The highest position drawn; 0: none was, the stream has not moved. */
  head: number
}

/** A transaction. Whoever writes within it takes its locks in the one order of locks.ts: positions of jobs, keys, runs. */
export interface Tx extends Session {
  readonly effects: Effects
  /**
   * Draws the next positions of the stream of changes, rising. Only after all row locks of the transaction are taken: then the position of
   * a run only ever rises. Some may stay unused.
   */
  cursors(count: number): Promise<readonly number[]>
  /**
   * A small number that no other transaction of this process has meanwhile: for rows that each of them writes, so that none waits until
   * another one has committed.
   */
  lane(): number
}

/** What a store does at the turns of its transactions. */
export interface Surroundings {
  /** Last of all before the commit: rings and figures. */
  beforeCommit(tx: Tx): Promise<void>
  /** Before the caller is answered. Must not throw. */
  afterCommit(effects: Effects): void
}

/** A transaction that gave way to another is made again so often. */
const ATTEMPTS = 5

/** Reads and transactions on a pool of connections. Everything that fails for want of the database rejects with StoreUnavailable. */
export class Database implements Reader {
  readonly #pool: pg.Pool
  readonly #surroundings: Surroundings
  readonly #lanes = new Set<number>()
  #failure: Error | null = null

  constructor(pool: pg.Pool, surroundings: Surroundings) {
    this.#pool = pool
    this.#surroundings = surroundings
  }

  /** What kept the newest transaction from being stored; null: it was. */
  get failure(): Error | null {
    return this.#failure
  }

  async rows<Row>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    return (await this.#query(this.#pool, sql, values)).rows as Row[]
  }

  async rowsOnce<Row>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    return (await this.#query(this.#pool, { text: sql }, values)).rows as Row[]
  }

  async write(sql: string, values: readonly unknown[] = []): Promise<number> {
    return (await this.#query(this.#pool, sql, values)).rowCount ?? 0
  }

  snapshot<T>(work: (session: Session) => Promise<T>): Promise<T> {
    return this.#with((client) =>
      this.#within(client, 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', () => work(this.#session(client))),
    )
  }

  /**
   * Runs `work` in a transaction and commits it. `work` may run again, from its beginning, where it gave way to another transaction. Where
   * the answer to the COMMIT is lost it rejects with StoreUnavailable although it may have been stored: the guards of the verbs make a
   * repetition harmless.
   */
  async transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        const { value, effects } = await this.#with((client) => this.#transaction(client, work))
        this.#failure = null
        this.#surroundings.afterCommit(effects)
        return value
      } catch (error) {
        if (isTransient(error) && attempt < ATTEMPTS) continue
        const answer = isTransient(error) ? asUnavailable(error) : error
        if (isDatabaseAway(answer)) this.#failure = answer as Error
        throw answer
      }
    }
  }

  async #transaction<T>(client: pg.PoolClient, work: (tx: Tx) => Promise<T>): Promise<{ readonly value: T; readonly effects: Effects }> {
    const effects = newEffects()
    const session = this.#session(client)
    let lane: number | null = null
    const tx: Tx = {
      ...session,
      effects,
      async cursors(count) {
        if (count === 0) return []
        const [row] = await session.rows<{ drawn: number[] }>('SELECT "orrery_cursors"($1) AS drawn', [count])
        effects.head = row!.drawn.at(-1)!
        return row!.drawn
      },
      lane: () => (lane ??= this.#takeLane()),
    }
    try {
      const value = await this.#within(client, 'BEGIN', async () => {
        const answer = await work(tx)
        await this.#surroundings.beforeCommit(tx)
        return answer
      })
      return { value, effects }
    } finally {
      // What follows in the lane still waits for the rows of one whose connection broke, should the server not have noticed.
      if (lane !== null) this.#lanes.delete(lane)
    }
  }

  /** The least that is free: there are as many as transactions at once, and those are few. */
  #takeLane(): number {
    let lane = 0
    while (this.#lanes.has(lane)) lane++
    this.#lanes.add(lane)
    return lane
  }

  async #within<T>(client: pg.PoolClient, begin: string, work: () => Promise<T>): Promise<T> {
    await this.#query(client, begin, [])
    try {
      const value = await work()
      const { command } = await this.#query(client, 'COMMIT', [])
      // What a failed statement has broken off is taken back by its COMMIT, without an error.
      if (command !== 'COMMIT') throw new Error('A statement failed and nobody minded: its transaction was taken back.')
      return value
    } catch (error) {
      // A connection that is broken is closed by `#with`, which takes back everything too.
      if (!isDatabaseAway(error)) await this.#query(client, 'ROLLBACK', [])
      throw error
    }
  }

  #session(client: pg.PoolClient): Session {
    return {
      rows: async <Row>(sql: string, values: readonly unknown[] = []) => (await this.#query(client, sql, values)).rows as Row[],
      rowsOnce: async <Row>(sql: string, values: readonly unknown[] = []) =>
        (await this.#query(client, { text: sql }, values)).rows as Row[],
      write: async (sql, values = []) => (await this.#query(client, sql, values)).rowCount ?? 0,
    }
  }

  async #with<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect().catch((error: unknown) => {
      throw asUnavailable(error)
    })
    try {
      const value = await work(client)
      client.release()
      return value
    } catch (error) {
      // One that met trouble is closed rather than used again: what state it is in nobody knows.
      client.release(isDatabaseAway(error))
      throw error
    }
  }

  async #query(on: pg.Pool | pg.PoolClient, sql: string | pg.QueryConfig, values: readonly unknown[]): Promise<pg.QueryResult> {
    try {
      return await on.query(typeof sql === 'string' ? prepared(sql) : sql, values.map(storable))
    } catch (error) {
      throw isDatabaseAway(error) ? asUnavailable(error) : error
    }
  }
}

/** For reads alone. */
export function readingDatabase(pool: pg.Pool): Reader {
  return new Database(pool, { beforeCommit: async () => {}, afterCommit() {} })
}

function newEffects(): Effects {
  return { ready: [], runsWait: false, wakeAt: undefined, cancels: [], logged: [], begun: [], ended: [], skipped: [], head: 0 }
}

/**
 * Text of Postgres holds no NUL. Callers hear of it before they come here, and workers replace it in what they are given; what comes all
 * the same, such as the name of a job to look for, gets the character that halves of surrogate pairs become too, on their way to any database.
 */
function storable(value: unknown): unknown {
  return typeof value === 'string' && value.includes('\0') ? value.replaceAll('\0', '\ufffd') : value
}

const names = new Map<string, pg.QueryConfig>()

/** A statement under a name that is the same on every connection of the process. */
function prepared(sql: string): pg.QueryConfig {
  let known = names.get(sql)
  if (known === undefined) {
    known = { name: `o${names.size + 1}`, text: sql }
    names.set(sql, known)
  }
  return known
}
