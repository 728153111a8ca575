import { randomUUID } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Logger, runMigrations, type WorkerUtilsOptions } from 'graphile-worker'
import type { Client } from 'pg'
import { EngineStartError } from './errors.ts'
import { type AppliedMigration, type Migration, migrationFailed, notOurs, pendingMigrations } from './migrations.ts'
import { isDatabaseAway } from './store/postgres/availability.ts'

export const POSTGRES_MIGRATIONS = fileURLToPath(new URL('../../prisma/migrations/postgresql', import.meta.url))

/** One process at a time, of all that start on a database. In the key space of two numbers; removals (sweeping.ts) have others there. */
const LOCK = '337, 1'
/** A migration that has to wait longer for others' rows gives way: everybody who comes after it would wait behind it. */
const LOCK_TIMEOUT = '10s'

// The table of Prisma's own tools, column for column, so that they understand the database.
const MIGRATIONS_TABLE = `
CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
    "id"                    VARCHAR(36) PRIMARY KEY NOT NULL,
    "checksum"              VARCHAR(64) NOT NULL,
    "finished_at"           TIMESTAMPTZ,
    "migration_name"        VARCHAR(255) NOT NULL,
    "logs"                  TEXT,
    "rolled_back_at"        TIMESTAMPTZ,
    "started_at"            TIMESTAMPTZ NOT NULL DEFAULT now(),
    "applied_steps_count"   INTEGER NOT NULL DEFAULT 0
)`

interface Options {
  readonly folder?: string
}

/**
 * Brings a database to this version's schema, and graphile-worker's schema in it to that of its version; keeps `_prisma_migrations` as
 * `prisma migrate deploy` would, and answers what it applied. Each migration is one transaction with its row in that table. Any number
 * of processes may do this at once: one does it, the others wait for it and then find nothing to do. The lock is the session's, so a
 * process that dies leaves it to the next.
 *
 * Nobody else uses the connection meanwhile. Rejects with EngineStartError (NEWER, MIGRATION, NOT_OURS where the schema holds somebody
 * else's tables), and with the driver's own error where the database is away.
 */
export async function migratePostgres(client: Client, { folder = POSTGRES_MIGRATIONS }: Options = {}): Promise<readonly string[]> {
  // Outside of a transaction there would be no end to the wait of a session with a timeout for locks.
  await inTransaction(client, `SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SELECT pg_advisory_lock(${LOCK})`)
  try {
    const pending = pendingMigrations(folder, await appliedMigrations(client), nameOf(client))
    for (const migration of pending) await apply(client, migration)
    await migrateQueue(client)
    return pending.map(({ name }) => name)
  } finally {
    // A connection that broke has let go of it.
    await client.query(`SELECT pg_advisory_unlock(${LOCK})`).catch(() => {})
  }
}

/** Without user and password. */
function nameOf({ database, host, port }: Client): string {
  return `${database} on ${host}:${port}`
}

async function appliedMigrations(client: Client): Promise<readonly AppliedMigration[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_class c
      WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
      ORDER BY c.relname`,
  )
  const tables = rows.map(({ name }) => name)
  if (!tables.includes('_prisma_migrations')) {
    if (tables.length > 0) throw notOurs(nameOf(client), tables)
    return []
  }
  const applied = await client.query<AppliedMigration>(
    'SELECT migration_name, finished_at, logs FROM "_prisma_migrations" WHERE rolled_back_at IS NULL ORDER BY started_at',
  )
  return applied.rows
}

async function apply(client: Client, { name, sql, checksum }: Migration): Promise<void> {
  try {
    await inTransaction(client, `SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'`, async () => {
      await client.query(MIGRATIONS_TABLE)
      await client.query(sql)
      await client.query(
        `INSERT INTO "_prisma_migrations" (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
          VALUES ($1, $2, $3, now(), clock_timestamp(), 1)`,
        [randomUUID(), checksum, name],
      )
    })
  } catch (error) {
    throw isDatabaseAway(error) ? error : migrationFailed(name, nameOf(client), error)
  }
}

/** The queue's tables, in a schema of its own, by the library's migrations. Each of them is a transaction as well. */
async function migrateQueue(client: Client): Promise<void> {
  const { exitCode } = process
  try {
    await runMigrations({ pgPool: poolOf(client), logger: new Logger(() => () => {}) })
  } catch (error) {
    if (isDatabaseAway(error)) throw error
    // It decides on the end of the process as well, which is not its business.
    const newer = process.exitCode !== exitCode
    process.exitCode = exitCode
    const reason = error instanceof Error ? error.message : String(error)
    throw new EngineStartError(newer ? 'NEWER' : 'MIGRATION', `The queue in the database ${nameOf(client)}: ${reason}`, { cause: error })
  }
}

/** The one connection as the pool that the library takes. It looks whether somebody listens for errors; the connection has its owner. */
function poolOf(client: Client): NonNullable<WorkerUtilsOptions['pgPool']> {
  const lent = { query: client.query.bind(client), release() {} }
  const pool = new EventEmitter().on('error', () => {}).on('connect', () => {})
  return Object.assign(pool, { connect: async () => lent }) as unknown as NonNullable<WorkerUtilsOptions['pgPool']>
}

async function inTransaction(client: Client, first: string, then: () => Promise<void> = async () => {}): Promise<void> {
  try {
    await client.query(`BEGIN; ${first}`)
    await then()
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  }
}
