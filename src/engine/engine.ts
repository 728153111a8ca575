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
  /** Typed reads for the API. Read-only: a write through it is refused by the database. */
  readonly prisma: PrismaClient
  close(): Promise<void>
}
