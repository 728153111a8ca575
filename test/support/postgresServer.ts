import { randomBytes } from 'node:crypto'
import { accessSync, constants, mkdtempSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../deploy/cluster/embeddedPostgres.ts'
import type { ServerOfRun } from './postgresOfRun.ts'

// Postgres servers for tests and benches. Knows nothing of the test runner, whose own process starts one as well.

/**
 * Nothing waits for the disk: what is lost by that is lost only with the power. A server that is killed loses nothing, as the system
 * has what it wrote. Kept small, since it may lie in memory.
 */
const FAST = {
  max_wal_size: '128MB',
  min_wal_size: '32MB',
  fsync: 'off',
  full_page_writes: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
}

/** The server that a run shares, with its template. To be closed at the end of the run. */
export async function startServerOfRun(): Promise<ServerOfRun & { close(): Promise<void> }> {
  const template = `orrery_test_${randomBytes(5).toString('hex')}`
  const given = process.env.TEST_DATABASE_URL || undefined
  const embedded = given === undefined ? await startTemporary(FAST, inMemory()) : null
  const url = given ?? embedded!.url('postgres')
  const close = async (): Promise<void> => {
    if (embedded === null) await dropAll(url, template)
    else await embedded.remove()
  }
  try {
    await makeTemplate(url, template)
  } catch (error) {
    await close()
    throw error
  }
  return { url, template, strategy: embedded === null ? '' : 'STRATEGY file_copy', close }
}

async function makeTemplate(url: string, template: string): Promise<void> {
  // Only the run's own process loads the engine, and only when a test wants Postgres.
  const { migratePostgres } = await import('../../src/engine/postgresMigrations.ts')
  await administer(url, `CREATE DATABASE ${template} TEMPLATE template0`)
  const client = new pg.Client(urlOf(url, template))
  await client.connect()
  await migratePostgres(client)
  await client.end()
  // A database with connections cannot be copied.
  await administer(url, `ALTER DATABASE ${template} ALLOW_CONNECTIONS false`)
}

async function dropAll(url: string, prefix: string): Promise<void> {
  const rows = await administer(url, `SELECT datname FROM pg_database WHERE datname LIKE '${prefix.replaceAll('_', '\\_')}%'`)
  for (const { datname } of rows as { datname: string }[]) await administer(url, `DROP DATABASE IF EXISTS ${datname} WITH (FORCE)`)
}

/** One statement on a connection of its own. */
export async function administer(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

/** The same server, another database. */
export function urlOf(url: string, database: string): string {
  const named = new URL(url)
  named.pathname = `/${database}`
  return named.href
}

// ---------------------------------------------------------------- a server of the test's own

/** A server of a test's own, which it may stop, start again on the same port, kill, freeze and thaw. */
export interface OwnPostgres {
  /** Of the database "orrery", empty at first. */
  readonly url: string
  readonly stop: EmbeddedPostgres['stop']
  readonly start: EmbeddedPostgres['start']
  readonly freeze: EmbeddedPostgres['freeze']
  readonly thaw: EmbeddedPostgres['thaw']
  /** The end of the server's log. */
  log(): string
  /** Ends it and removes its folder, which happens at the latest with the end of this process. */
  remove(): Promise<void>
}

/** Starts a server of the test's own. It is as durable as servers are, unlike that which tests share. */
export async function startPostgres(settings: Readonly<Record<string, string>> = {}): Promise<OwnPostgres> {
  const own = await startTemporary(settings)
  await administer(own.url('postgres'), 'CREATE DATABASE orrery')
  return {
    url: own.url('orrery'),
    stop: (mode) => own.stop(mode),
    start: () => own.start(),
    freeze: () => own.freeze(),
    thaw: () => own.thaw(),
    log: () => own.log,
    remove: () => own.remove(),
  }
}

/** A folder that no disk is behind, where there is one with room: a database is copied there in a tenth of the time on a busy machine. */
function inMemory(): string {
  const memory = '/dev/shm'
  try {
    const { bavail, bsize } = statfsSync(memory)
    accessSync(memory, constants.W_OK)
    if (bavail * bsize > 2 ** 31) return memory
  } catch {
    // Not on this system.
  }
  return tmpdir()
}

function startTemporary(settings: Readonly<Record<string, string>>, parent = tmpdir()): Promise<EmbeddedPostgres> {
  return startEmbeddedPostgres({
    folder: mkdtempSync(join(parent, 'orrery-postgres-')),
    temporary: true,
    password: randomBytes(16).toString('base64url'),
    settings: { max_connections: '300', ...settings },
    // Not by bytes: where the schema or a statement forgets to say how text is ordered, the answer differs from SQLite's.
    icuLocale: 'en',
  })
}
