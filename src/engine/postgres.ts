import { createRequire } from 'node:module'
import pg from 'pg'
import type * as Generated from '../generated/sqlite/client.ts'
import { localBus } from './bus/localBus.ts'
import { MACHINE_CLOCK } from './machineClock.ts'
import { lazily } from './lazily.ts'
import type { Engine, EngineOptions } from './ports.ts'
import { migratePostgres } from './postgresMigrations.ts'
import { localQueue } from './queue/localQueue.ts'
import { closePool, connectionConfig, openPool } from './store/postgres/pool.ts'
import { postgresStore } from './store/postgres/postgresStore.ts'

/** The distributed engine: one Postgres database, any number of processes. Migrates the database first. Rejects with EngineStartError. */
export async function openPostgres({ databaseUrl, instanceId, log }: EngineOptions): Promise<Engine> {
  const applicationName = `orrery:${instanceId}`
  const applied = await migrated(databaseUrl, applicationName)
  if (applied.length > 0) log.info({ migrations: applied }, 'migrated the database')
  const pool = openPool({ url: databaseUrl, applicationName, log })
  try {
    const bus = localBus(log)
    const clock = MACHINE_CLOCK
    const store = await postgresStore({ pool, instanceId, bus, share: () => ({ rank: 0, of: 1 }), log })
    const queue = localQueue({ store, bus, log, now: clock.now })
    const prisma = lazily(() => openPrisma(databaseUrl))
    const closing = lazily(async () => {
      await queue.stop()
      await bus.close()
      await prisma.made()?.$disconnect()
      await store.close()
      await closePool(pool)
    })
    return {
      kind: 'POSTGRES',
      store,
      queue,
      bus,
      clock,
      get prisma() {
        return prisma.value()
      },
      close: () => closing.value(),
    }
  } catch (error) {
    await closePool(pool)
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
    await client.end().catch(() => {})
  }
}

/** Loaded with its first use, as on SQLite. Its client is the one for Postgres; the types of both agree in what the API reads. */
function openPrisma(url: string): Generated.PrismaClient {
  const require = createRequire(import.meta.url)
  const { PrismaClient } = require('../generated/postgresql/client.ts') as typeof Generated
  const { PrismaPg } = require('@prisma/adapter-pg') as typeof import('@prisma/adapter-pg')
  const adapter = new PrismaPg({ connectionString: url, max: 4, options: '-c default_transaction_read_only=on' })
  return new PrismaClient({ adapter, queryPlanCacheMaxSize: 100 } as never)
}
