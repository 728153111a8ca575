import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { EngineStartError } from './errors.ts'

// What the migrations of both databases have in common: the folder they come from, and what the record in `_prisma_migrations` allows.

/** A row of the record, rolled back ones left out. */
export interface AppliedMigration {
  readonly migration_name: string
  readonly finished_at: unknown
  readonly logs: string | null
}

export interface Migration {
  readonly name: string
  readonly sql: string
  /** As Prisma's tools compute it. */
  readonly checksum: string
}

/**
 * The migrations of a folder that a database lacks, in order. `database` names it in messages.
 *
 * Throws EngineStartError: NEWER where the database has one that the folder lacks, MIGRATION where one failed before.
 */
export function pendingMigrations(folder: string, applied: readonly AppliedMigration[], database: string): readonly Migration[] {
  const known = migrationNames(folder)
  const newer = applied.find((row) => row.finished_at !== null && !known.includes(row.migration_name))
  if (newer !== undefined) {
    throw new EngineStartError(
      'NEWER',
      `The database ${database} was written by a newer version: it has the migration ${newer.migration_name}, which this version does not know. Start that version, or restore a backup from before.`,
    )
  }
  const failed = applied.find((row) => row.finished_at === null)
  if (failed !== undefined) {
    throw new EngineStartError(
      'MIGRATION',
      `The migration ${failed.migration_name} of the database ${database} failed in an earlier start${failed.logs ? `: ${failed.logs}` : ''}. Repair it or restore a backup, then mark it with "prisma migrate resolve".`,
    )
  }
  const done = new Set(applied.map((row) => row.migration_name))
  return known.filter((name) => !done.has(name)).map((name) => readMigration(folder, name))
}

/** Why the database of something else is refused. */
export function notOurs(what: string, tables: readonly string[]): EngineStartError {
  return new EngineStartError(
    'NOT_OURS',
    `${what} is the database of something else: it has tables (${tables[0]}, …) but no record of migrations. Give another DATABASE_URL.`,
  )
}

/** Why a migration that was taken back keeps the engine from starting. */
export function migrationFailed(name: string, database: string, cause: unknown): EngineStartError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new EngineStartError('MIGRATION', `The migration ${name} of the database ${database} failed and was taken back: ${reason}`, {
    cause,
  })
}

function migrationNames(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
    .sort()
}

function readMigration(folder: string, name: string): Migration {
  const sql = readFileSync(join(folder, name, 'migration.sql'), 'utf8')
  return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
}
