import type { PrismaClient } from '../generated/sqlite/client.ts'
import type { Bus } from './bus/bus.ts'
import type { Queue } from './queue/queue.ts'
import type { Store } from './store/store.ts'

/** The durable ground: everything that differs between databases is behind these three ports. */
export interface Engine {
  readonly kind: 'SQLITE' | 'POSTGRES'
  readonly store: Store
  readonly queue: Queue
  readonly bus: Bus
  /** Typed reads for the API. Read-only: a write through it is refused by the database. Loaded with its first use. */
  readonly prisma: PrismaClient
  /** Stops the queue, commits what waits, and lets the database go. */
  close(): Promise<void>
}

/** As much of a log as the engine needs. */
export interface Log {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface EngineOptions {
  /** `file:…` */
  readonly databaseUrl: string
  /** Of this process, new at every start: names its rows of figures. */
  readonly instanceId: string
  readonly log: Log
}
