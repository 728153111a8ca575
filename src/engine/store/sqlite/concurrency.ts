import type { Database } from 'better-sqlite3'
import { prepare } from './statement.ts'

/** The active runs that share one concurrency key. */
interface Shared {
  /** Of them those that nothing holds: each takes a slot. */
  going: number
  /** How many of them ask for which bound; those that ask for none are not counted. */
  readonly bounds: Map<number, number>
  /** All of them. */
  total: number
}

/**
 * Who may go among runs that share a concurrency key: at most the least `maxConcurrency` that any active run of the key asks for,
 * over the whole system. Counted in memory, because counting the rows at every start and end would be quadratic where thousands wait;
 * read from the rows again after a restart or a rollback.
 */
export class ConcurrencyKeys {
  readonly #keys = new Map<string, Shared>()
  readonly #read

  constructor(db: Database) {
    this.#read = prepare<[string], { bound: number | null; total: number; going: number }>(
      db,
      `SELECT "maxConcurrency" AS bound, count(*) AS total, count(*) FILTER (WHERE "heldBy" IS NULL) AS going
       FROM "Run" WHERE "concurrencyKey" = ? AND "finishedAt" IS NULL GROUP BY "maxConcurrency"`,
    )
  }

  /** Adds a run that is about to be stored. Answers whether it may go; one that waits for others of its job takes no slot. */
  add(key: string, bound: number | null, waitsForOverlap: boolean): boolean {
    const shared = this.#of(key)
    this.#keys.set(key, shared)
    shared.total += 1
    if (bound !== null) shared.bounds.set(bound, (shared.bounds.get(bound) ?? 0) + 1)
    if (waitsForOverlap || !hasRoom(shared)) return false
    shared.going += 1
    return true
  }

  /** Removes a run that is about to become final. */
  remove(key: string, bound: number | null, wasGoing: boolean): void {
    const shared = this.#of(key)
    shared.total -= 1
    if (wasGoing) shared.going -= 1
    if (bound !== null) {
      const left = (shared.bounds.get(bound) ?? 0) - 1
      if (left > 0) shared.bounds.set(bound, left)
      else shared.bounds.delete(bound)
    }
    if (shared.total === 0) this.#keys.delete(key)
  }

  /** Takes a slot for a run that waited; the caller has seen that there is one. */
  take(key: string): void {
    this.#of(key).going += 1
  }

  hasRoom(key: string): boolean {
    return hasRoom(this.#of(key))
  }

  /** After a rollback. */
  forget(): void {
    this.#keys.clear()
  }

  /** Must be asked before the row is written that the count is about to change for. */
  #of(key: string): Shared {
    const known = this.#keys.get(key)
    if (known !== undefined) return known
    const shared: Shared = { going: 0, bounds: new Map(), total: 0 }
    for (const { bound, total, going } of this.#read.all(key)) {
      shared.total += total
      shared.going += going
      if (bound !== null) shared.bounds.set(bound, total)
    }
    if (shared.total > 0) this.#keys.set(key, shared)
    return shared
  }
}

function hasRoom({ going, bounds }: Shared): boolean {
  let least = Number.POSITIVE_INFINITY
  for (const bound of bounds.keys()) if (bound < least) least = bound
  return going < least
}
