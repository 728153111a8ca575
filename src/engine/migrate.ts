import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import type { Database } from 'better-sqlite3'
import { type AppliedMigration, type Migration, migrationFailed, notOurs, pendingMigrations } from './migrations.ts'

export const SQLITE_MIGRATIONS = fileURLToPath(new URL('../../prisma/migrations/sqlite', import.meta.url))

// The table of Prisma's own tools, column for column, so that they understand the database.
const MIGRATIONS_TABLE = `
CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
    "id"                    TEXT PRIMARY KEY NOT NULL,
    "checksum"              TEXT NOT NULL,
    "finished_at"           DATETIME,
    "migration_name"        TEXT NOT NULL,
    "logs"                  TEXT,
    "rolled_back_at"        DATETIME,
    "started_at"            DATETIME NOT NULL DEFAULT current_timestamp,
    "applied_steps_count"   INTEGER UNSIGNED NOT NULL DEFAULT 0
)`

/**
 * Brings a database to this version's schema and keeps `_prisma_migrations` as `prisma migrate deploy` would; answers what it applied.
 * Each migration is one transaction with its row in that table: a start that dies on the way leaves the database as it was before,
 * which the schema engine of Prisma does not promise. Whoever calls holds the file alone.
 *
 * Throws EngineStartError: NEWER, MIGRATION, or NOT_OURS where the file holds somebody else's tables.
 */
export function migrate(db: Database, folder = SQLITE_MIGRATIONS): readonly string[] {
  const pending = pendingMigrations(folder, appliedMigrations(db), db.name)
  if (pending.length > 0) applyAll(db, pending)
  return pending.map(({ name }) => name)
}

function appliedMigrations(db: Database): readonly AppliedMigration[] {
  const tables = db
    .prepare<[], { name: string }>(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'`)
    .all()
  if (tables.some(({ name }) => name === '_prisma_migrations')) {
    return db
      .prepare<[], AppliedMigration>(
        'SELECT migration_name, finished_at, logs FROM _prisma_migrations WHERE rolled_back_at IS NULL ORDER BY started_at',
      )
      .all()
  }
  if (tables.length > 0)
    throw notOurs(
      `The file ${db.name}`,
      tables.map(({ name }) => name),
    )
  return []
}

function applyAll(db: Database, migrations: readonly Migration[]): void {
  // A table is altered by making it anew, and dropping the old one would delete the rows that point to it. The pragma has no effect
  // within a transaction.
  const enforced = db.pragma('foreign_keys', { simple: true })
  db.pragma('foreign_keys = OFF')
  try {
    for (const migration of migrations) applyOne(db, migration)
  } finally {
    db.pragma(`foreign_keys = ${enforced ? 'ON' : 'OFF'}`)
  }
}

function applyOne(db: Database, { name, sql, checksum }: Migration): void {
  const apply = db.transaction(() => {
    const startedAt = Date.now()
    db.exec(MIGRATIONS_TABLE)
    db.exec(sql)
    const broken = db.pragma('foreign_key_check') as readonly unknown[]
    if (broken.length > 0) throw new Error(`it leaves ${broken.length} rows that point to rows that are gone`)
    db.prepare(
      'INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count) VALUES (?, ?, ?, ?, ?, 1)',
    ).run(randomUUID(), checksum, name, startedAt, Date.now())
  })
  try {
    apply.exclusive()
  } catch (error) {
    throw migrationFailed(name, db.name, error)
  }
}
