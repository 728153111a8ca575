import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import Database from 'better-sqlite3'
import { POSTGRES_MIGRATIONS, postgresDifference, readModel, sqliteDifference } from '../../prisma/newMigration.ts'
import { sqliteSchemaEngine } from '../../prisma/schemaEngine.ts'
import { EngineStartError } from '../../src/engine/errors.ts'
import { migrate, SQLITE_MIGRATIONS } from '../../src/engine/migrate.ts'
import { temporaryDirectory } from '../support/temporary.ts'

function migrationsIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
    .sort()
}

/** A folder with this version's migrations and one more. */
function folderWith(name: string, sql: string): string {
  const folder = temporaryDirectory()
  cpSync(SQLITE_MIGRATIONS, folder, { recursive: true })
  mkdirSync(join(folder, name))
  writeFileSync(join(folder, name, 'migration.sql'), sql)
  return folder
}

function refusal(code: string, message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof EngineStartError)
    assert.equal(error.code, code)
    assert.match(error.message, message)
    return true
  }
}

const open = () => new Database(join(temporaryDirectory(), 'orrery.db'))
const tablesOf = (db: Database.Database) =>
  db
    .prepare<[], { name: string }>(`SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`)
    .all()
    .map(({ name }) => name)

describe('the migrations', () => {
  it('of SQLite lead to the model, to the last partial index', async () => {
    assert.equal(await sqliteDifference(), '')
    const other = readModel().replace(`raw("\\"status\\" = 'RUNNING'")`, `raw("\\"status\\" = 'RETRYING'")`)
    assert.match(await sqliteDifference(other), /CREATE INDEX "run_leased"/)
  })

  it('of Postgres lead to the model', async () => {
    assert.equal(await postgresDifference(), '')
  })

  it('of both databases have the same names', () => {
    assert.deepEqual(migrationsIn(SQLITE_MIGRATIONS), migrationsIn(POSTGRES_MIGRATIONS))
    assert.ok(migrationsIn(SQLITE_MIGRATIONS).length > 0)
  })

  it('of Postgres order all text by its bytes, and keep instants with their milliseconds and zone', () => {
    const sql = migrationsIn(POSTGRES_MIGRATIONS)
      .map((name) => readFileSync(join(POSTGRES_MIGRATIONS, name, 'migration.sql'), 'utf8'))
      .join('')
    assert.deepEqual(
      sql.split('\n').filter((line) => / TEXT\b(?! COLLATE "C")/.test(line)),
      [],
    )
    assert.ok(sql.includes('"finishedAt" TIMESTAMPTZ(3)'))
    assert.doesNotMatch(sql, /TIMESTAMP\(/)
  })
})

describe('migrating', () => {
  it('makes an empty file a database, and the second time does nothing', () => {
    const db = open()
    assert.deepEqual(migrate(db), migrationsIn(SQLITE_MIGRATIONS))
    assert.ok(tablesOf(db).includes('Run'))
    assert.deepEqual(migrate(db), [])
    assert.equal(db.pragma('foreign_keys', { simple: true }), 1)
  })

  it('keeps the record that the tools of Prisma read', async () => {
    const db = open()
    migrate(db)
    db.close()
    const engine = await sqliteSchemaEngine(readModel(), `file:${db.name}`)
    const migrationDirectories = migrationsIn(SQLITE_MIGRATIONS).map((path) => ({
      path,
      migrationFile: {
        path: 'migration.sql',
        content: { tag: 'ok' as const, value: readFileSync(join(SQLITE_MIGRATIONS, path, 'migration.sql'), 'utf8') },
      },
    }))
    const found = await engine.diagnoseMigrationHistory({
      migrationsList: {
        baseDir: SQLITE_MIGRATIONS,
        lockfile: { path: 'migration_lock.toml', content: 'provider = "sqlite"' },
        shadowDbInitScript: '',
        migrationDirectories,
      },
      optInToShadowDatabase: false,
      filters: { externalTables: [], externalEnums: [] },
    })
    assert.deepEqual(found, { editedMigrationNames: [], failedMigrationNames: [], hasMigrationsTable: true, history: null })
  })

  it('applies what is new, in order', () => {
    const db = open()
    migrate(db)
    const folder = folderWith('20990101000000_more', 'CREATE TABLE "More" ("id" TEXT NOT NULL PRIMARY KEY);')
    assert.deepEqual(migrate(db, folder), ['20990101000000_more'])
    assert.ok(tablesOf(db).includes('More'))
  })

  it('keeps the rows that point to a table which is made anew', () => {
    const db = open()
    migrate(db)
    db.exec(`INSERT INTO "Job" (id, name, "searchText", tags, schedule, revision, target, "targetKind", policies, version, "createdAt", "updatedAt")
      VALUES ('j', 'n', '', '[]', '{}', 1, '{}', 'handler', '{}', 1, 0, 0); INSERT INTO "JobTag" (tag, "jobId") VALUES ('t', 'j')`)
    const remake = `CREATE TABLE "new_Job" AS SELECT * FROM "Job"; DROP TABLE "Job"; CREATE TABLE "Job" ("id" TEXT NOT NULL PRIMARY KEY, "name" TEXT);
      INSERT INTO "Job" SELECT id, name FROM "new_Job"; DROP TABLE "new_Job";`
    migrate(db, folderWith('20990101000000_remake', remake))
    assert.deepEqual(db.prepare('SELECT tag FROM "JobTag"').all(), [{ tag: 't' }])
  })

  it('takes back a migration that fails, says which, and does it again at the next start', () => {
    const db = open()
    migrate(db)
    const broken = folderWith('20990101000000_broken', 'CREATE TABLE "Half" ("id" TEXT); SELECT absent;')
    for (let start = 0; start < 2; start++)
      assert.throws(() => migrate(db, broken), refusal('MIGRATION', /20990101000000_broken .*no such column: absent/))
    assert.ok(!tablesOf(db).includes('Half'))
    assert.deepEqual(migrate(db), [])
  })

  it('takes back a migration that leaves rows pointing nowhere', () => {
    const db = open()
    migrate(db)
    const orphan = folderWith('20990101000000_orphan', `INSERT INTO "JobTag" (tag, "jobId") VALUES ('t', 'nobody');`)
    assert.throws(() => migrate(db, orphan), refusal('MIGRATION', /1 rows that point to rows that are gone/))
    assert.deepEqual(db.prepare('SELECT tag FROM "JobTag"').all(), [])
  })

  it('refuses a database that a newer version has migrated', () => {
    const db = open()
    migrate(db, folderWith('20990101000000_future', 'CREATE TABLE "Future" ("id" TEXT);'))
    assert.throws(() => migrate(db), refusal('NEWER', /newer version: it has the migration 20990101000000_future/))
  })

  it('refuses a database where a migration has failed before', () => {
    const db = open()
    migrate(db)
    db.exec(`INSERT INTO _prisma_migrations (id, checksum, migration_name, logs) VALUES ('x', 'x', '20990101000000_failed', 'out of luck')`)
    assert.throws(() => migrate(db), refusal('MIGRATION', /20990101000000_failed .*failed in an earlier start: out of luck/))
    db.exec(`UPDATE _prisma_migrations SET rolled_back_at = 1 WHERE id = 'x'`)
    assert.deepEqual(migrate(db), [])
  })

  it('refuses the database of something else, and leaves it alone', () => {
    const db = open()
    db.exec('CREATE TABLE books (title TEXT)')
    assert.throws(() => migrate(db), refusal('NOT_OURS', /database of something else: it has tables \(books/))
    assert.deepEqual(tablesOf(db), ['books'])
  })
})
