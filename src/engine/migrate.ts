import { createHash, randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Database } from 'better-sqlite3'
import { EngineStartError } from './errors.ts'

export const SQLITE_MIGRATIONS = fileURLToPath(new URL('../../prisma/migrations/sqlite', import.meta.url))

interface Applied {
  readonly migration_name: string
  readonly finished_at: unknown
  readonly logs: string | null
}

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
  const known = migrationNames(folder)
  const applied = appliedMigrations(db)
  const newer = applied.find((row) => row.finished_at !== null && !known.includes(row.migration_name))
  if (newer !== undefined) {
    throw new EngineStartError(
      'NEWER',
      `The database ${db.name} was written by a newer version: it has the migration ${newer.migration_name}, which this version does not know. Start that version, or restore a backup from before.`,
    )
  }
  const failed = applied.find((row) => row.finished_at === null)
  if (failed !== undefined) {
    throw new EngineStartError(
      'MIGRATION',
      `The migration ${failed.migration_name} of the database ${db.name} failed in an earlier start${failed.logs ? `: ${failed.logs}` : ''}. Repair it or restore a backup, then mark it with "prisma migrate resolve".`,
    )
  }
  const done = new Set(applied.map((row) => row.migration_name))
  const pending = known.filter((name) => !done.has(name))
  if (pending.length > 0) applyAll(db, folder, pending)
  return pending
}

function migrationNames(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
    .sort()
}

function appliedMigrations(db: Database): readonly Applied[] {
  const tables = db
    .prepare<[], { name: string }>(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'`)
    .all()
  if (tables.some(({ name }) => name === '_prisma_migrations')) {
    return db
      .prepare<[], Applied>(
        'SELECT migration_name, finished_at, logs FROM _prisma_migrations WHERE rolled_back_at IS NULL ORDER BY started_at',
      )
      .all()
  }
  if (tables.length > 0) {
    throw new EngineStartError(
      'NOT_OURS',
      `The file ${db.name} is the database of something else: it has tables (${tables[0]!.name}, …) but no record of migrations. Give another DATABASE_URL.`,
    )
  }
  return []
}

function applyAll(db: Database, folder: string, names: readonly string[]): void {
  // A table is altered by making it anew, and dropping the old one would delete the rows that point to it. The pragma has no effect
  // within a transaction.
  const enforced = db.pragma('foreign_keys', { simple: true })
  db.pragma('foreign_keys = OFF')
  try {
    for (const name of names) applyOne(db, name, readFileSync(join(folder, name, 'migration.sql'), 'utf8'))
  } finally {
    db.pragma(`foreign_keys = ${enforced ? 'ON' : 'OFF'}`)
  }
}

function applyOne(db: Database, name: string, sql: string): void {
  const apply = db.transaction(() => {
    const startedAt = Date.now()
    db.exec(MIGRATIONS_TABLE)
    db.exec(sql)
    const broken = db.pragma('foreign_key_check') as readonly unknown[]
    if (broken.length > 0) throw new Error(`it leaves ${broken.length} rows that point to rows that are gone`)
    db.prepare(
      'INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count) VALUES (?, ?, ?, ?, ?, 1)',
    ).run(randomUUID(), createHash('sha256').update(sql).digest('hex'), name, startedAt, Date.now())
  })
  try {
    apply.exclusive()
  } catch (error) {
    throw new EngineStartError(
      'MIGRATION',
      `The migration ${name} of the database ${db.name} failed and was taken back: ${(error as Error).message}`,
      { cause: error },
    )
  }
}
