import { EngineStartError } from './errors.ts'
import type { Engine, EngineOptions } from './ports.ts'
import { openSqlite } from './sqlite.ts'

export type { Clock, Engine, EngineOptions } from './ports.ts'

/** Opens the database and brings it to this version's schema. THE ONLY SWITCH between engines. Rejects with EngineStartError. */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  const { databaseUrl } = options
  if (databaseUrl.startsWith('file:')) return openSqlite(options)
  if (/^postgres(ql)?:/.test(databaseUrl)) {
    // What one engine needs is not loaded for the other.
    const { openPostgres } = await import('./postgres.ts')
    return openPostgres(options)
  }
  // Not repeated in the message: a URL may hold a password.
  throw new EngineStartError(
    'URL',
    'DATABASE_URL has a scheme that no engine knows. Accepted: file: and the path of a SQLite file, such as file:./data/orrery.db; postgres:// or postgresql:// and the address of a Postgres database.',
  )
}
