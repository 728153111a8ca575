import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { type Backoff, Pause } from './backoff.ts'
import { type EmbeddedPostgres, startEmbeddedPostgres } from './embeddedPostgres.ts'

const DATABASE = 'orrery'

interface DatabaseOptions {
  /** Holds the server's folder and its password. */
  readonly folder: string
  readonly connections: number
  readonly backoff: Backoff
  readonly say: (text: string) => void
}

/** An embedded server whose data are kept, and which is started again whenever it ends by itself. */
export class ClusterDatabase {
  readonly url: string
  readonly #server: EmbeddedPostgres
  readonly #stopping = new AbortController()
  readonly #supervision: Promise<void>

  /** Starts the server, and makes the database where it is not there yet. */
  static async start(options: DatabaseOptions): Promise<ClusterDatabase> {
    const { folder, connections } = options
    mkdirSync(folder, { recursive: true })
    const server = await startEmbeddedPostgres({
      folder: join(folder, 'postgres'),
      temporary: false,
      password: keptPassword(join(folder, 'password')),
      settings: { max_connections: String(connections), max_wal_size: '4GB', log_lock_waits: 'on' },
    })
    try {
      await makeDatabase(server)
      return new ClusterDatabase(server, options)
    } catch (error) {
      await server.stop('fast')
      throw error
    }
  }

  private constructor(server: EmbeddedPostgres, options: DatabaseOptions) {
    this.#server = server
    this.url = server.url(DATABASE)
    this.#supervision = this.#supervise(options)
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#server.stop('fast')
    await this.#supervision
    // A start may have been under way.
    await this.#server.stop('fast')
  }

  /** As `stop`, without a last checkpoint: the next start reads the log. */
  async kill(): Promise<void> {
    this.#stopping.abort()
    await this.#server.stop('immediate')
  }

  async #supervise({ backoff, say }: DatabaseOptions): Promise<void> {
    const { signal } = this.#stopping
    const pause = new Pause(backoff)
    for (let reason = ''; ; ) {
      await this.#server.ended
      if (signal.aborted) return
      reason ||= lastLines(this.#server.log)
      if (!(await pause.wait((seconds) => say(`Postgres ended; it is started again in ${seconds} s. It said: ${reason}`), signal))) return
      reason = await this.#server.start().then(
        () => '',
        (error: Error) => lastLines(error.message),
      )
      if (reason === '') say('Postgres runs again')
    }
  }
}

/** Made with the first start. Whoever may read it may read the data as well. */
function keptPassword(file: string): string {
  if (!existsSync(file)) writeFileSync(file, randomBytes(18).toString('base64url'), { mode: 0o600 })
  return readFileSync(file, 'utf8').trim()
}

async function makeDatabase(server: EmbeddedPostgres): Promise<void> {
  const client = new pg.Client(server.url('postgres'))
  await client.connect()
  try {
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE])
    if (rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`)
  } finally {
    await client.end()
  }
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-3).join(' | ')
}
