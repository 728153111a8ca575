import { administer, startServerOfRun, urlOf } from './postgresServer.ts'
import { askServerOfRun, type ServerOfRun } from './postgresOfRun.ts'

export { type OwnPostgres, startPostgres } from './postgresServer.ts'

// Databases for tests, on a real server: that of TEST_DATABASE_URL (whose role may create databases), else an embedded one. All files of
// a run share one server; every test has a database of its own, copied from one that is migrated once.

/** A database of its own. */
export interface PostgresDatabase {
  readonly url: string
  /** Closes all connections to it and removes it. */
  drop(): Promise<void>
}

let server: Promise<ServerOfRun> | undefined
let databases = 0

/**
 * A database as this version's migrations leave it, or an empty one. Whoever makes it drops it, after having closed what is connected;
 * what is forgotten goes with the run.
 */
export async function createPostgresDatabase({ empty = false } = {}): Promise<PostgresDatabase> {
  server ??= serverOfFile()
  const { url, template, strategy } = await server
  const name = `${template}_${process.pid}_${++databases}`
  await administer(url, `CREATE DATABASE ${name} TEMPLATE ${empty ? 'template0' : template} ${strategy}`)
  return {
    url: urlOf(url, name),
    async drop() {
      await administer(url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
    },
  }
}

/** The run's server. A file that runs by itself starts one. */
async function serverOfFile(): Promise<ServerOfRun> {
  const shared = await askServerOfRun()
  if (shared !== null) return shared
  const own = await startServerOfRun()
  // When all tests are over and nothing is left to do. A process that ends otherwise leaves it to those who watch over it.
  process.once('beforeExit', () => void own.close())
  return own
}
