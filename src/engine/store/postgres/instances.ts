import type { Instant } from '../../../domain/instant.ts'
import { unionOfHandlers } from '../handlerUnion.ts'
import type { InstanceBeat, InstanceRow, NewInstance, Store } from '../store.ts'
import { columns, instant, instantText, integer, text, textArray } from './columns.ts'
import type { Database } from './database.ts'

type InstanceRecord = Omit<InstanceRow, 'roles'> & { readonly roles: string }

const ROW = columns<NewInstance>({
  id: text((i) => i.id),
  roles: text((i) => JSON.stringify(i.roles)),
  host: text((i) => i.host),
  version: text((i) => i.version),
  startedAt: instant((i) => i.startedAt),
  lastSeenAt: instant((i) => i.lastSeenAt),
  running: integer((i) => i.running),
  capacity: integer((i) => i.capacity),
  skew: integer((i) => rounded(i.skew)),
  handlers: text((i) => JSON.stringify(i.handlers)),
})
const BEAT = columns<InstanceBeat>({
  id: text((b) => b.id),
  lastSeenAt: instant((b) => b.lastSeenAt),
  running: integer((b) => b.running),
  skew: integer((b) => rounded(b.skew)),
})

const SHOWN = 'id, roles, host, version, "startedAt", "lastSeenAt", running, capacity, skew'
const REMOVE_OTHERS = 'DELETE FROM "Instance" WHERE id <> $1'
const WRITE = `INSERT INTO "Instance" (${ROW.names}) SELECT ${ROW.names} FROM ${ROW.table('v')}
  ON CONFLICT (id) DO UPDATE SET roles = excluded.roles, host = excluded.host, version = excluded.version, "startedAt" = excluded."startedAt",
    "lastSeenAt" = excluded."lastSeenAt", running = excluded.running, capacity = excluded.capacity, skew = excluded.skew, handlers = excluded.handlers`
const BEATS = `UPDATE "Instance" i SET "lastSeenAt" = v."lastSeenAt", running = v.running, skew = v.skew FROM ${BEAT.table('v')} WHERE i.id = v.id RETURNING i.id`
const REMOVE = 'DELETE FROM "Instance" WHERE id = ANY($1::text[])'
const SEEN_SINCE = `SELECT ${SHOWN} FROM "Instance" WHERE "lastSeenAt" >= $1::timestamptz ORDER BY id`
const SEEN_BEFORE = 'SELECT id FROM "Instance" WHERE "lastSeenAt" < $1::timestamptz ORDER BY id'
const WORKERS = `SELECT id, roles, "startedAt", handlers FROM "Instance" WHERE "lastSeenAt" >= $1::timestamptz`

/** The verbs on processes that are up. */
export function instances(
  database: Database,
): Pick<Store, 'registerInstance' | 'beatInstances' | 'removeInstances' | 'instances' | 'deadInstances' | 'handlers'> {
  return {
    async registerInstance(instance, { alone }) {
      await database.transaction(async (tx) => {
        if (alone) await tx.write(REMOVE_OTHERS, [instance.id])
        await tx.write(WRITE, ROW.values([instance]))
      })
    },
    async beatInstances(beats) {
      if (beats.length === 0) return []
      // In a transaction, though it is one statement: so a process that has nothing else to write finds out whether it can.
      const rows = await database.transaction((tx) => tx.rows<{ id: string }>(BEATS, BEAT.values(beats)))
      const known = new Set(rows.map(({ id }) => id))
      return beats.map(({ id }) => id).filter((id) => known.has(id))
    },
    async removeInstances(ids) {
      if (ids.length > 0) await database.write(REMOVE, [textArray(ids)])
    },
    async instances(seenSince) {
      const rows = await database.rows<InstanceRecord>(SEEN_SINCE, [instantText(seenSince)])
      return rows.map((row) => ({ ...row, roles: readRoles(row.roles) }))
    },
    async deadInstances(seenBefore) {
      return (await database.rows<{ id: string }>(SEEN_BEFORE, [instantText(seenBefore)])).map(({ id }) => id)
    },
    async handlers(seenSince) {
      const rows = await database.rows<WorkerRecord>(WORKERS, [instantText(seenSince)])
      const workers = rows.filter(({ roles }) => readRoles(roles).includes('WORKER'))
      // Ids rise with time too: they decide between workers that started in one millisecond.
      workers.sort((a, b) => b.startedAt - a.startedAt || (a.id < b.id ? 1 : -1))
      return unionOfHandlers(workers.map(({ handlers }) => handlers))
    },
  }
}

interface WorkerRecord {
  readonly id: string
  readonly roles: string
  readonly startedAt: Instant
  readonly handlers: string
}

function rounded(skew: number | null): number | null {
  return skew === null ? null : Math.round(skew)
}

function readRoles(text: string): InstanceRow['roles'] {
  return JSON.parse(text) as InstanceRow['roles']
}
