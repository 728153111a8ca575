import { PrismaPg } from '@prisma/adapter-pg'
import type pg from 'pg'
import { PrismaClient } from '../../../generated/postgresql/client.ts'
import { asUnavailable, isDatabaseAway } from './availability.ts'

/**
 * Prisma over a pool that only reads: a write is refused by the database itself. It reads values its own way, whatever the pool does. When
 * the database is away it says so like the store.
 */
export function prismaOver(pool: pg.Pool) {
  const client = new PrismaClient({ adapter: new PrismaPg(pool), queryPlanCacheMaxSize: 100 } as never)
  return client.$extends({
    query: {
      $allOperations: ({ args, query }) =>
        query(args).catch((error: unknown) => {
          throw isAway(error) ? asUnavailable(error) : error
        }),
    },
  })
}

/** What Prisma says when there is no database, no connection or no time left. https://www.prisma.io/docs/orm/reference/error-reference */
const AWAY = /^P(1001|1002|1003|1008|1010|1011|1017|2024|2037)$/

function isAway(error: unknown): boolean {
  if (isDatabaseAway(error)) return true
  const { code, meta } = (error ?? {}) as {
    readonly code?: unknown
    readonly meta?: { readonly driverAdapterError?: { readonly cause?: { readonly code?: string; readonly originalCode?: string } } }
  }
  if (typeof code === 'string' && AWAY.test(code)) return true
  const cause = meta?.driverAdapterError?.cause
  return isDatabaseAway(Object.assign(new Error(), { code: cause?.originalCode ?? cause?.code }))
}
