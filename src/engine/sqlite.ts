import { createRequire } from 'node:module'
import type { Database } from 'better-sqlite3'
import type * as Generated from '../generated/sqlite/client.ts'
import { localBus } from './bus/localBus.ts'
import { lazily } from './lazily.ts'
import { MACHINE_CLOCK } from './machineClock.ts'
import { migrate } from './migrate.ts'
import type { Engine, EngineOptions } from './ports.ts'
import { localQueue } from './queue/localQueue.ts'
import { claimFile, databaseFile, openWriter } from './store/sqlite/connection.ts'
import type * as ReadOnlyAdapter from './store/sqlite/prismaAdapter.ts'
import { sqliteStore } from './store/sqlite/sqliteStore.ts'

/** The embedded engine: one SQLite file, one process. Migrates the file first. Throws EngineStartError. */
export function openSqlite({ databaseUrl, instanceId, log }: EngineOptions): Engine {
  const { file, release } = claimFile(databaseFile(databaseUrl))
  let db: Database | undefined
  try {
    db = openWriter(file)
    const applied = migrate(db)
    if (applied.length > 0) log.info({ file, migrations: applied }, 'migrated the database')
    const bus = localBus(log)
    const store = sqliteStore({ db, instanceId, bus, log })
    const queue = localQueue({ store, bus, log, now: MACHINE_CLOCK.now })
    const prisma = lazily(() => openPrisma(file))
    const closing = lazily(async () => {
      await queue.stop()
      await bus.close()
      await prisma.made()?.$disconnect()
      await store.close()
      release()
    })
    return {
      kind: 'SQLITE',
      store,
      lists: store,
      queue,
      bus,
      clock: MACHINE_CLOCK,
      get prisma() {
        return prisma.value()
      },
      close: () => closing.value(),
    }
  } catch (error) {
    db?.close()
    release()
    throw error
  }
}

/** Prisma's client takes a quarter of a second and some 60 MB to load, and nothing of firing needs it: it comes with its first use. */
function openPrisma(file: string): Generated.PrismaClient {
  const require = createRequire(import.meta.url)
  const { PrismaClient } = require('../generated/sqlite/client.ts') as typeof Generated
  const { readOnlyAdapter } = require('./store/sqlite/prismaAdapter.ts') as typeof ReadOnlyAdapter
  // Every shape of a GraphQL query is a plan of its own; by default a thousand are kept, which takes hundreds of megabytes.
  return new PrismaClient({ adapter: readOnlyAdapter(file), queryPlanCacheMaxSize: 100 } as never)
}
