import type { Store } from '../store.ts'
import { Batcher } from './batcher.ts'
import type { Database } from './database.ts'

/**
 * Where the stream of changes stands. Positions are drawn before the commit, and transactions commit in another order: the head is the
 * highest that was committed, or below all that is still under way (see the migration that makes `orrery_cursors`).
 */
export class Stream implements Pick<Store, 'streamHead' | 'streamGiven'> {
  readonly #heads: Batcher<null, number>
  readonly #given: Batcher<null, number>
  #highest = 0

  constructor(db: Database) {
    this.#heads = this.#shared(db, 'SELECT "orrery_stream_head"() AS at')
    this.#given = this.#shared(db, 'SELECT "orrery_stream_given"() AS at')
  }

  /**
   * A transaction may mark a position below what was answered already; all it draws is above that nevertheless (it draws after the mark
   * could be seen), so that the head never has to go back.
   */
  async streamHead(): Promise<number> {
    const head = await this.#heads.add(null)
    this.#highest = Math.max(this.#highest, head)
    return this.#highest
  }

  streamGiven(): Promise<number> {
    return this.#given.add(null)
  }

  /** Calls that come while a look is under way must not get its answer, for what they look for may be newer; they share the next one. */
  #shared(db: Database, sql: string): Batcher<null, number> {
    return new Batcher({
      most: Number.POSITIVE_INFINITY,
      lanes: 2,
      async perform(calls) {
        const [row] = await db.rows<{ at: number }>(sql)
        return calls.map(() => row!.at)
      },
    })
  }
}
