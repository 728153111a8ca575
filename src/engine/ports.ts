import type { Instant, Milliseconds } from '../domain/instant.ts'
import type { PrismaClient } from '../generated/sqlite/client.ts'
import type { Bus } from './bus/bus.ts'
import type { Queue } from './queue/queue.ts'
import type { Lists, Store } from './store/store.ts'

/** The durable ground: everything that differs between databases is behind these three ports. */
export interface Engine {
  readonly kind: 'SQLITE' | 'POSTGRES'
  readonly store: Store
  /** Lists for those who may be shown what was true a moment ago: a query. The store's own where there is no database for reads. */
  readonly lists: Lists
  readonly queue: Queue
  readonly bus: Bus
  readonly clock: Clock
  /** Typed reads for the API. Read-only: a write through it is refused by the database. Loaded with its first use. */
  readonly prisma: PrismaClient
  /** Stops the queue, commits what waits, and lets the database go. */
  close(): Promise<void>
}

/** The time that all processes of a database agree on. */
export interface Clock {
  now(): Instant
  /** For leases, which are about time that passes and not about what a clock shows: it does not jump with the machine's clock. */
  leaseNow(): Instant
  /** How far the machine's clock is ahead of the database's; negative: behind it. Null: not measured. */
  skew(): Milliseconds | null
}

/** As much of a log as the engine needs. */
export interface Log {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface EngineOptions {
  /** `file:…` or `postgres://…` */
  readonly databaseUrl: string
  /** Where lists and history are read that need not show the newest write; null: in the same database. Of Postgres only. */
  readonly readUrl?: string | null
  /** Connections that the store of this process has to the database at most, for what it writes. Of Postgres only. */
  readonly connections?: number
  /** Of this process, new at every start: names its rows of figures. */
  readonly instanceId: string
  readonly log: Log
}
