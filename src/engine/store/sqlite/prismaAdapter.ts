import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3'
import type { SqlDriverAdapter } from '@prisma/driver-adapter-utils'
import type { Database } from 'better-sqlite3'

const CACHE_KIB = 8_000

/** Prisma's way to the file: it reads, and a write is refused by SQLite itself. Instants are numbers, as the writer stores them. */
export function readOnlyAdapter(file: string): PrismaBetterSqlite3 {
  return new ReadOnly({ url: file, readonly: true, fileMustExist: true }, { timestampFormat: 'unixepoch-ms' })
}

class ReadOnly extends PrismaBetterSqlite3 {
  override async connect(): Promise<SqlDriverAdapter> {
    const adapter = await super.connect()
    const { client } = adapter as unknown as { readonly client: Database }
    client.pragma('query_only = ON')
    client.pragma(`cache_size = -${CACHE_KIB}`)
    client.pragma('temp_store = MEMORY')
    return adapter
  }
}
