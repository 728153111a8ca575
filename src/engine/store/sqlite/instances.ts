import type { Database } from 'better-sqlite3'
import type { Instant } from '../../../domain/instant.ts'
import { unionOfHandlers } from '../handlerUnion.ts'
import type { HandlerRow, InstanceBeat, InstanceRow, NewInstance } from '../store.ts'
import { prepare } from './statement.ts'

type Record = Omit<InstanceRow, 'roles'> & { readonly roles: string }

const COLUMNS = `id, roles, host, version, "startedAt", "lastSeenAt", running, capacity, skew`

function statements(db: Database) {
  return {
    removeAll: prepare(db, 'DELETE FROM "Instance"'),
    write: prepare(db, `INSERT OR REPLACE INTO "Instance" (${COLUMNS}, handlers) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    beat: prepare(db, 'UPDATE "Instance" SET "lastSeenAt" = ?, running = ?, skew = ? WHERE id = ?'),
    remove: prepare(db, 'DELETE FROM "Instance" WHERE id = ?'),
    seenSince: prepare<[Instant], Record>(db, `SELECT ${COLUMNS} FROM "Instance" WHERE "lastSeenAt" >= ? ORDER BY id`),
    seenBefore: prepare<[Instant], { id: string }>(db, 'SELECT id FROM "Instance" WHERE "lastSeenAt" < ? ORDER BY id'),
    workers: prepare<[Instant], Record & { readonly handlers: string }>(
      db,
      `SELECT ${COLUMNS}, handlers FROM "Instance" WHERE "lastSeenAt" >= ? ORDER BY id`,
    ),
  }
}

/** Processes that are up. With this database it is one, but the rows are those of every engine. */
export class Instances {
  readonly #sql

  constructor(db: Database) {
    this.#sql = statements(db)
  }

  register({ id, roles, host, version, startedAt, lastSeenAt, running, capacity, skew, handlers }: NewInstance, alone: boolean): void {
    if (alone) this.#sql.removeAll.run()
    this.#sql.write.run(id, JSON.stringify(roles), host, version, startedAt, lastSeenAt, running, capacity, skew, JSON.stringify(handlers))
  }

  /** Answers those that have a row. */
  beat(beats: readonly InstanceBeat[]): readonly string[] {
    return beats.flatMap(({ id, lastSeenAt, running, skew }) => (this.#sql.beat.run(lastSeenAt, running, skew, id).changes > 0 ? [id] : []))
  }

  remove(ids: readonly string[]): void {
    for (const id of ids) this.#sql.remove.run(id)
  }

  seenSince(instant: Instant): readonly InstanceRow[] {
    return this.#sql.seenSince.all(instant).map((row) => ({ ...row, roles: readRoles(row.roles) }))
  }

  seenBefore(instant: Instant): readonly string[] {
    return this.#sql.seenBefore.all(instant).map(({ id }) => id)
  }

  /** The verb `handlers`. */
  handlers(seenSince: Instant): readonly HandlerRow[] {
    const workers = this.#sql.workers.all(seenSince).filter(({ roles }) => readRoles(roles).includes('WORKER'))
    // Ids rise with time too: they decide between workers that started in one millisecond.
    workers.sort((a, b) => b.startedAt - a.startedAt || (a.id < b.id ? 1 : -1))
    return unionOfHandlers(workers.map(({ handlers }) => handlers))
  }
}

function readRoles(text: string): InstanceRow['roles'] {
  return JSON.parse(text) as InstanceRow['roles']
}
