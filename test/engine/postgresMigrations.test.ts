import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { EngineStartError } from '../../src/engine/errors.ts'
import { migratePostgres, POSTGRES_MIGRATIONS } from '../../src/engine/postgresMigrations.ts'
import { createPostgresDatabase } from '../support/postgres.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const ALL = readdirSync(POSTGRES_MIGRATIONS, { withFileTypes: true })
  .flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
  .sort()

/** A folder with this version's migrations and one more. */
function folderWith(name: string, sql: string): string {
  const folder = temporaryDirectory()
  cpSync(POSTGRES_MIGRATIONS, folder, { recursive: true })
  mkdirSync(join(folder, name))
  writeFileSync(join(folder, name, 'migration.sql'), sql)
  return folder
}

/** Connections to a database of the test's own. */
async function database(t: TestContext, { empty }: { empty: boolean }): Promise<() => Promise<pg.Client>> {
  const { url, drop } = await createPostgresDatabase({ empty })
  const clients: pg.Client[] = []
  t.after(async () => {
    await Promise.all(clients.map((client) => client.end()))
    await drop()
  })
  return async () => {
    const client = new pg.Client(url)
    client.on('error', () => {})
    await client.connect()
    clients.push(client)
    return client
  }
}

async function tablesOf(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(`SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1`)
  return rows.map(({ name }) => name)
}

async function recorded(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT migration_name AS name FROM "_prisma_migrations" WHERE finished_at IS NOT NULL AND applied_steps_count = 1 ORDER BY started_at, name`,
  )
  return rows.map(({ name }) => name)
}

function refusal(code: string, message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof EngineStartError)
    assert.equal(error.code, code)
    assert.match(error.message, message)
    return true
  }
}

/** The session that waits for an advisory lock with this last number; waits until there is one. */
async function waitingFor(client: pg.Client, number: number): Promise<number> {
  for (;;) {
    const { rows } = await client.query<{ pid: number }>(
      `SELECT pid FROM pg_locks WHERE NOT granted AND locktype = 'advisory' AND objid = $1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      [number],
    )
    if (rows.length > 0) return rows[0]!.pid
    await delay(5)
  }
}

describe('migrating Postgres', { concurrency: 4 }, () => {
  it('makes an empty database one of ours with its queue, and the second time does nothing', async (t) => {
    const client = await (await database(t, { empty: true }))()
    assert.deepEqual(await migratePostgres(client), ALL)
    assert.ok((await tablesOf(client)).includes('Run'))
    assert.deepEqual(await recorded(client), ALL)
    await client.query(`SELECT graphile_worker.add_job('greet')`)
    assert.deepEqual(await migratePostgres(client), [])
    const { rows } = await client.query(`SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()`)
    assert.equal(rows.length, 0, 'the lock is given back')
  })

  it('keeps the record that the tools of Prisma read', async (t) => {
    const client = await (await database(t, { empty: false }))()
    const columns = await client.query(
      `SELECT column_name AS name, data_type AS type, character_maximum_length AS length, is_nullable AS nullable, column_default AS standard
        FROM information_schema.columns WHERE table_schema = 'public' AND table_name = '_prisma_migrations' ORDER BY ordinal_position`,
    )
    const zoned = 'timestamp with time zone'
    assert.deepEqual(columns.rows, [
      { name: 'id', type: 'character varying', length: 36, nullable: 'NO', standard: null },
      { name: 'checksum', type: 'character varying', length: 64, nullable: 'NO', standard: null },
      { name: 'finished_at', type: zoned, length: null, nullable: 'YES', standard: null },
      { name: 'migration_name', type: 'character varying', length: 255, nullable: 'NO', standard: null },
      { name: 'logs', type: 'text', length: null, nullable: 'YES', standard: null },
      { name: 'rolled_back_at', type: zoned, length: null, nullable: 'YES', standard: null },
      { name: 'started_at', type: zoned, length: null, nullable: 'NO', standard: 'now()' },
      { name: 'applied_steps_count', type: 'integer', length: null, nullable: 'NO', standard: '0' },
    ])
    const { rows } = await client.query<{ sum: string }>(`SELECT checksum AS sum FROM "_prisma_migrations" WHERE migration_name = $1`, [
      ALL[0],
    ])
    const content = readFileSync(join(POSTGRES_MIGRATIONS, ALL[0]!, 'migration.sql'))
    const digest = await crypto.subtle.digest('SHA-256', content)
    assert.equal(rows[0]!.sum, Buffer.from(digest).toString('hex'))
  })

  it('applies what is new, in order, once, however many start at once', async (t) => {
    const connect = await database(t, { empty: true })
    const folder = folderWith('20990101000000_more', 'CREATE TABLE "More" ("id" TEXT COLLATE "C" NOT NULL PRIMARY KEY);')
    const clients = await Promise.all([1, 2, 3, 4].map(connect))
    const applied = await Promise.all(clients.map((client) => migratePostgres(client, { folder })))
    assert.deepEqual(applied.map((names) => names.length).sort(), [0, 0, 0, ALL.length + 1])
    assert.deepEqual(await recorded(clients[0]!), [...ALL, '20990101000000_more'])
    assert.ok((await tablesOf(clients[0]!)).includes('More'))
  })

  it('is taken over where the process that does it dies half way, from where its last migration ended', async (t) => {
    const connect = await database(t, { empty: false })
    const [dying, next, watcher] = await Promise.all([connect(), connect(), connect()])
    // The second migration waits for a lock that a third session holds, and dies there; meanwhile another process waits for it.
    await watcher.query('BEGIN; SELECT pg_advisory_xact_lock(7)')
    const first = folderWith('20990101000000_first', 'CREATE TABLE "First" ("id" TEXT);')
    mkdirSync(join(first, '20990101000001_second'))
    writeFileSync(join(first, '20990101000001_second/migration.sql'), 'CREATE TABLE "Second" ("id" TEXT); SELECT pg_advisory_xact_lock(7);')
    const died = assert.rejects(migratePostgres(dying, { folder: first }), { code: '57P01' })
    const pid = await waitingFor(watcher, 7)
    const taken = migratePostgres(next, { folder: first })
    await waitingFor(watcher, 1)
    await watcher.query(`SELECT pg_terminate_backend($1)`, [pid])
    await watcher.query('COMMIT')
    await died
    assert.deepEqual(await taken, ['20990101000001_second'])
    assert.deepEqual(
      (await tablesOf(next)).filter((name) => /First|Second/.test(name)),
      ['First', 'Second'],
    )
  })

  it('waits longer for others than a session may for a lock', async (t) => {
    const connect = await database(t, { empty: false })
    const [holder, client] = await Promise.all([connect(), connect()])
    await holder.query('SELECT pg_advisory_lock(337, 1)')
    await client.query('SET lock_timeout = 50; SET statement_timeout = 50')
    const migrated = migratePostgres(client)
    await waitingFor(holder, 1)
    await holder.query('SELECT pg_sleep(0.2)')
    await holder.query('SELECT pg_advisory_unlock(337, 1)')
    assert.deepEqual(await migrated, [])
    assert.deepEqual((await client.query('SHOW statement_timeout')).rows, [{ statement_timeout: '50ms' }])
  })

  it('takes back a migration that fails, says which, and does it again at the next start', async (t) => {
    const client = await (await database(t, { empty: false }))()
    const broken = folderWith('20990101000000_broken', 'CREATE TABLE "Half" ("id" TEXT); SELECT absent;')
    for (let start = 0; start < 2; start++)
      await assert.rejects(
        migratePostgres(client, { folder: broken }),
        refusal('MIGRATION', /20990101000000_broken .*taken back: column "absent" does not exist/),
      )
    assert.ok(!(await tablesOf(client)).includes('Half'))
    assert.deepEqual(await migratePostgres(client), [])
  })

  it('refuses a database that a newer version has migrated', async (t) => {
    const client = await (await database(t, { empty: false }))()
    await migratePostgres(client, { folder: folderWith('20990101000000_future', 'CREATE TABLE "Future" ("id" TEXT);') })
    await assert.rejects(migratePostgres(client), refusal('NEWER', /newer version: it has the migration 20990101000000_future/))
  })

  it('refuses a database whose queue a newer version has changed beyond recognition', async (t) => {
    const client = await (await database(t, { empty: false }))()
    await client.query('INSERT INTO graphile_worker.migrations (id, breaking) VALUES (999999, true)')
    const { exitCode } = process
    await assert.rejects(migratePostgres(client), refusal('NEWER', /breaking migration 999999/))
    assert.equal(process.exitCode, exitCode)
  })

  it('refuses a database where a migration has failed before', async (t) => {
    const client = await (await database(t, { empty: false }))()
    await client.query(
      `INSERT INTO "_prisma_migrations" (id, checksum, migration_name, logs) VALUES ('x', 'x', '2099_failed', 'out of luck')`,
    )
    await assert.rejects(migratePostgres(client), refusal('MIGRATION', /2099_failed .*failed in an earlier start: out of luck/))
    await client.query(`UPDATE "_prisma_migrations" SET rolled_back_at = now() WHERE id = 'x'`)
    assert.deepEqual(await migratePostgres(client), [])
  })

  it('refuses the database of something else, leaves it alone, and tells no password', async (t) => {
    const client = await (await database(t, { empty: true }))()
    await client.query('CREATE TABLE books (title TEXT)')
    await assert.rejects(migratePostgres(client), (error: Error) => {
      assert.ok(refusal('NOT_OURS', /database of something else: it has tables \(books/)(error))
      assert.ok(!error.message.includes(client.password!))
      return true
    })
    assert.deepEqual(await tablesOf(client), ['books'])
  })

  it('does not mind what an extension has brought into the schema', async (t) => {
    const client = await (await database(t, { empty: true }))()
    await client.query('CREATE EXTENSION pg_buffercache')
    assert.deepEqual(await migratePostgres(client), ALL)
  })
})
