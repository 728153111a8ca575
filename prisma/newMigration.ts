import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { migrate, SQLITE_MIGRATIONS } from '../src/engine/migrate.ts'
import { type DiffTarget, migrationSql, modelTarget, postgresSchemaEngine, sqliteSchemaEngine } from './schemaEngine.ts'

// npm run db:migration -- NAME
//
// Writes prisma/migrations/{sqlite,postgresql}/TIME_NAME/migration.sql: what leads from the migrations so far to schema.prisma.
// - SQLite: the existing migrations are applied to a temporary file, which is compared with the model.
// - Postgres: no server is needed. The model as of the last migration is kept beside the migrations (model.prisma, stamped for
//   Postgres) and compared with the model of now; the first migration starts from nothing.
// Both folders always get the migration, so that they hold the same names. Read what was written before you commit it.

const here = fileURLToPath(new URL('.', import.meta.url))

export const POSTGRES_MIGRATIONS = join(here, 'migrations/postgresql')
export const POSTGRES_SNAPSHOT = join(POSTGRES_MIGRATIONS, 'model.prisma')

const NO_CHANGE = '-- Nothing to do in this database: the change concerns the other one.\n'

export function readModel(): string {
  return readFileSync(join(here, 'schema.prisma'), 'utf8')
}

/** The model as Postgres has it. */
export async function readPostgresModel(): Promise<string> {
  const generator = (await import(new URL('generate.mjs', import.meta.url).href)) as { stampPostgres: (schema: string) => string }
  return generator.stampPostgres(readModel())
}

/** What SQLite's migrations lack of a model; empty where nothing. */
export async function sqliteDifference(model = readModel()): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'orrery-migration-'))
  try {
    const file = join(folder, 'migrated.db')
    if (existsSync(SQLITE_MIGRATIONS)) migrateFile(file)
    const engine = await sqliteSchemaEngine(model, `file:${file}`)
    return await migrationSql(
      engine,
      { tag: 'schemaDatasource', files: [{ path: 'schema.prisma', content: model }], configDir: folder },
      modelTarget(model),
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function migrateFile(file: string): void {
  const db = new Database(file)
  migrate(db)
  db.close()
}

/** What Postgres's migrations lack of the model; empty where nothing. */
export async function postgresDifference(): Promise<string> {
  const model = await readPostgresModel()
  const engine = await postgresSchemaEngine(model)
  const from: DiffTarget = existsSync(POSTGRES_SNAPSHOT) ? modelTarget(readFileSync(POSTGRES_SNAPSHOT, 'utf8')) : { tag: 'empty' }
  return byteOrder(await migrationSql(engine, from, modelTarget(model)))
}

/** Text is ordered by bytes in both databases, whatever locale the server was made with. */
function byteOrder(sql: string): string {
  return sql
    .replace(/^(\s+"\w+" TEXT)(?=[ ,\n])/gm, '$1 COLLATE "C"')
    .replace(/(ADD COLUMN\s+"\w+" TEXT)(?=[ ,;\n])/g, '$1 COLLATE "C"')
    .replace(/(SET DATA TYPE TEXT)(?=[ ,;\n])/g, '$1 COLLATE "C"')
}

function lockfile(provider: string): string {
  return `# Read by Prisma's tools.\nprovider = "${provider}"\n`
}

function writeMigration(folder: string, provider: string, name: string, sql: string): void {
  mkdirSync(join(folder, name), { recursive: true })
  writeFileSync(join(folder, 'migration_lock.toml'), lockfile(provider))
  writeFileSync(join(folder, name, 'migration.sql'), sql === '' ? NO_CHANGE : sql)
  console.log(`prisma/migrations/${provider}/${name}/migration.sql`)
}

async function main(name: string | undefined): Promise<void> {
  if (name === undefined || !/^[a-z][a-z0-9_]*$/.test(name)) {
    console.error(
      `The name of the migration is ${JSON.stringify(name ?? '')}; accepted: small letters, digits and _, such as add_owner_of_job.`,
    )
    process.exitCode = 1
    return
  }
  const sqlite = await sqliteDifference()
  const postgres = await postgresDifference()
  if (sqlite === '' && postgres === '') {
    console.log('The migrations lead to the model already: nothing was written.')
    return
  }
  const time = new Date().toISOString().replace(/\D/g, '').slice(0, 14)
  writeMigration(SQLITE_MIGRATIONS, 'sqlite', `${time}_${name}`, sqlite)
  writeMigration(POSTGRES_MIGRATIONS, 'postgresql', `${time}_${name}`, postgres)
  writeFileSync(POSTGRES_SNAPSHOT, await readPostgresModel())
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv[2])
