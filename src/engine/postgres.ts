import { createRequire } from 'node:module'
import pg from 'pg'
import { type Milliseconds, SECOND } from '../domain/instant.ts'
import type * as Generated from '../generated/sqlite/client.ts'
import { openPostgresBus } from './bus/postgresBus.ts'
import { DatabaseClock } from './databaseClock.ts'
import { lazily } from './lazily.ts'
import type { Engine, EngineOptions } from './ports.ts'
import { migratePostgres } from './postgresMigrations.ts'
import { asStartError } from './postgresRefusals.ts'
import { graphileQueue } from './queue/graphileQueue.ts'
import { Copy } from './store/postgres/copy.ts'
import { readingDatabase } from './store/postgres/database.ts'
import { listReads } from './store/postgres/listReads.ts'
import {
  closePool,
  connectionConfig,
  cutOffAll,
  endClient,
  openPool,
  POOL_SIZE,
  type PoolOptions,
  READ_POOL_SIZE,
} from './store/postgres/pool.ts'
import type * as PostgresClient from './store/postgres/prismaClient.ts'
import { postgresStore } from './store/postgres/postgresStore.ts'
import { sessionName } from './store/postgres/rings.ts'

/** What waits for the database when the engine closes gets so long; then it hears that the database is away. */
const CLOSE_WITHIN: Milliseconds = 5 * SECOND

/**
 * The distributed engine: one Postgres database, any number of processes. Migrates the database first. Rejects with EngineStartError, and
 * with StoreUnavailable where the database is away: then it may be opened later.
 */
export async function openPostgres(options: EngineOptions): Promise<Engine> {
  try {
    return await opened(options)
  } catch (error) {
    throw asStartError(error, options.databaseUrl)
  }
}

async function opened({ databaseUrl: url, readUrl = null, connections: max = POOL_SIZE, instanceId, log }: EngineOptions): Promise<Engine> {
  const applicationName = sessionName(instanceId)
  const applied = await migrated(url, applicationName)
  if (applied.length > 0) log.info({ migrations: applied }, 'migrated the database')
  const clock = new DatabaseClock()
  // What was opened last is closed first.
  const closings: (() => Promise<unknown>)[] = []
  const closing = lazily(async () => {
    for (const close of closings.reverse()) await close()
  })
  const pools: pg.Pool[] = []
  const open = (settings: Pick<PoolOptions, 'url' | 'max' | 'readOnly'>) => {
    const pool = openPool({ applicationName, log, ...settings })
    pools.push(pool)
    closings.push(() => closePool(pool, SECOND))
    return pool
  }
  const cutOff = () => pools.forEach(cutOffAll)
  try {
    const pool = open({ url, max })
    const readPool = open({ url, max: READ_POOL_SIZE, readOnly: true })
    const bus = await openPostgresBus({ url, applicationName, instanceId, clock, onSilence: cutOff, log })
    closings.push(() => bus.close())
    const reads = readingDatabase(readPool)
    const now = () => clock.now()
    const store = await postgresStore({ pool, reads, instanceId, bus, now, log })
    closings.push(() => store.close())
    const lists =
      readUrl === null
        ? store
        : listReads(new Copy({ copy: readingDatabase(open({ url: readUrl, max: READ_POOL_SIZE, readOnly: true })), primary: reads, log }))
    const prisma = lazily(() => openPrisma(readPool))
    closings.push(async () => prisma.made()?.$disconnect())
    const openQueuePool = (max: number) => openPool({ url, applicationName, max, plainTypes: true, log })
    const queue = graphileQueue({ store, bus, instanceId, openPool: openQueuePool, now, log })
    closings.push(() => queue.close())
    return {
      kind: 'POSTGRES',
      store,
      lists,
      queue,
      bus,
      clock,
      get prisma() {
        return prisma.value()
      },
      async close() {
        const cut = setTimeout(cutOff, CLOSE_WITHIN)
        await closing.value()
        clearTimeout(cut)
      },
    }
  } catch (error) {
    await closing.value()
    throw error
  }
}

/** The migrations that were applied, on a connection of their own. */
async function migrated(url: string, applicationName: string): Promise<readonly string[]> {
  const client = new pg.Client(connectionConfig({ url, applicationName }))
  // One that breaks says so to whoever waits for its answer.
  client.on('error', () => {})
  try {
    await client.connect()
    return await migratePostgres(client)
  } finally {
    await endClient(client)
  }
}

/** Loaded with its first use, as on SQLite. The types of both clients agree in what the API reads; those of SQLite say less. */
function openPrisma(pool: pg.Pool): Generated.PrismaClient {
  const require = createRequire(import.meta.url)
  const { prismaOver } = require('./store/postgres/prismaClient.ts') as typeof PostgresClient
  return prismaOver(pool) as unknown as Generated.PrismaClient
}
