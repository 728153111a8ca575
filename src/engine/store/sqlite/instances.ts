import type { Database } from 'better-sqlite3'
import type { Instant } from '../../../domain/instant.ts'
import type { InstanceBeat, InstanceRow } from '../store.ts'
import { prepare } from './statement.ts'

type Record = Omit<InstanceRow, 'roles'> & { readonly roles: string }

function statements(db: Database) {
  return {
    removeAll: prepare(db, 'DELETE FROM "Instance"'),
    write: prepare(
      db,
      `INSERT OR REPLACE INTO "Instance" (id, roles, host, version, "startedAt", "lastSeenAt", running, capacity) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    beat: prepare(db, 'UPDATE "Instance" SET "lastSeenAt" = ?, running = ? WHERE id = ?'),
    remove: prepare(db, 'DELETE FROM "Instance" WHERE id = ?'),
    seenSince: prepare<[Instant], Record>(
      db,
      `SELECT id, roles, host, version, "startedAt", "lastSeenAt", running, capacity FROM "Instance" WHERE "lastSeenAt" >= ? ORDER BY id`,
    ),
  }
}

/** Processes that are up. With this database it is one, but the rows are those of every engine. */
export class Instances {
  readonly #sql

  constructor(db: Database) {
    this.#sql = statements(db)
  }

  register({ id, roles, host, version, startedAt, lastSeenAt, running, capacity }: InstanceRow, alone: boolean): void {
    if (alone) this.#sql.removeAll.run()
    this.#sql.write.run(id, JSON.stringify(roles), host, version, startedAt, lastSeenAt, running, capacity)
  }

  beat(beats: readonly InstanceBeat[]): void {
    for (const { id, lastSeenAt, running } of beats) this.#sql.beat.run(lastSeenAt, running, id)
  }

  remove(ids: readonly string[]): void {
    for (const id of ids) this.#sql.remove.run(id)
  }

  seenSince(instant: Instant): readonly InstanceRow[] {
    return this.#sql.seenSince.all(instant).map((row) => ({ ...row, roles: JSON.parse(row.roles) as InstanceRow['roles'] }))
  }
}
