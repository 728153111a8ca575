import { type Milliseconds, SECOND } from '../../../domain/instant.ts'
import type { Database } from './database.ts'

/** A process that sweeps does so for this long without saying it again; one that died is replaced after it. */
const TERM: Milliseconds = 30 * SECOND

const NOW = 'extract(epoch FROM clock_timestamp()) * 1000'
/** `INSTANCE UNTIL` */
const TAKE = `INSERT INTO "Setting" AS s (name, value) VALUES ('sweeper', $1 || ' ' || (${NOW} + ${TERM})::bigint)
  ON CONFLICT (name) DO UPDATE SET value = excluded.value
  WHERE split_part(s.value, ' ', 1) = $1 OR split_part(s.value, ' ', 2)::bigint < ${NOW}`
const RELEASE = `DELETE FROM "Setting" WHERE name = 'sweeper' AND split_part(value, ' ', 1) = $1`

/**
 * Which process sweeps over the jobs: a sweep is many transactions long, and two at once would look at everything twice. Nothing but work
 * depends on it.
 */
export class Sweeper {
  readonly #database: Database
  readonly #instanceId: string
  /** By performance.now(). */
  #oursUntil = 0

  constructor(database: Database, instanceId: string) {
    this.#database = database
    this.#instanceId = instanceId
  }

  /** Whether this process sweeps: the first that asks does, and goes on to while it asks. */
  async isOurs(): Promise<boolean> {
    const asked = performance.now()
    if (asked < this.#oursUntil - TERM / 2) return true
    const taken = (await this.#database.write(TAKE, [this.#instanceId])) > 0
    this.#oursUntil = taken ? asked + TERM : 0
    return taken
  }

  /** Where the database is away it ends by itself. */
  async release(): Promise<void> {
    if (this.#oursUntil === 0) return
    this.#oursUntil = 0
    await this.#database.write(RELEASE, [this.#instanceId]).catch(() => {})
  }
}
