import pg from 'pg'
import { type Milliseconds, SECOND } from '../../domain/instant.ts'
import type { Log } from '../ports.ts'
import { connectionConfig, cutOff, endClient, prepareSession } from '../store/postgres/pool.ts'

const FIRST_BACKOFF: Milliseconds = 50
const LONGEST_BACKOFF: Milliseconds = 2 * SECOND
/** A server that does not answer so small a question is away, or the way to it is cut. */
const PATIENCE: Milliseconds = 3 * SECOND

export interface LineOptions {
  readonly url: string
  readonly applicationName: string
  /** Once a connection: what makes it hear. */
  readonly listen: (client: pg.ClientBase) => Promise<void>
  readonly hear: (text: string) => void
  /**
   * Said of every connection but the first: what was told meanwhile was not heard. `silent`: the one before did not break, it did not
   * answer any more.
   */
  readonly back: (silent: boolean) => void
  /** Done every second while the line is up. One that fails ends the connection. */
  readonly beat: (client: pg.ClientBase) => Promise<void>
  readonly every: Milliseconds
  readonly log: Log
}

/**
 * A connection of its own that hears notifications, for as long as the process lives:
 *
 *   open ─→ UP ─ breaks, or a beat fails ─→ DOWN ─ backoff with jitter ─→ connects ─→ UP, "back"
 *                                            ↑────────── fails ──────────────┘
 */
export class Line {
  readonly #options: LineOptions
  #client: pg.Client | null = null
  #connecting: pg.Client | null = null
  #closed = false
  #backoff = FIRST_BACKOFF
  #retry: NodeJS.Timeout | undefined
  #beats: NodeJS.Timeout | undefined
  #beating = false
  #silent = false

  constructor(options: LineOptions) {
    this.#options = options
  }

  /** Resolves when it hears. Rejects where the first connection fails. */
  async open(): Promise<void> {
    await this.#connect()
    this.#beats = setInterval(() => void this.beat(), this.#options.every)
  }

  /** The connection; null while the line is down. */
  get client(): pg.ClientBase | null {
    return this.#client
  }

  /** A beat out of turn. Never rejects. */
  async beat(): Promise<void> {
    const client = this.#client
    if (client === null || this.#beating) return
    this.#beating = true
    try {
      await this.#options.beat(client)
    } catch (error) {
      this.lost(client, error)
    } finally {
      this.#beating = false
    }
  }

  /** A connection has broken, or does not answer. */
  lost(client: pg.ClientBase, error: unknown): void {
    if (client !== this.#client) return
    this.#client = null
    cutOff(client)
    if (this.#closed) return
    this.#silent = error instanceof Error && error.message === 'Query read timeout'
    this.#options.log.warn({ err: error }, 'the connection that hears of what other processes do broke; connecting again')
    this.#later()
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#retry)
    clearInterval(this.#beats)
    const client = this.#client
    this.#client = null
    if (this.#connecting !== null) cutOff(this.#connecting)
    if (client !== null) await endClient(client)
  }

  async #connect(): Promise<void> {
    const client = new pg.Client({ ...connectionConfig(this.#options), query_timeout: PATIENCE })
    this.#connecting = client
    client.on('error', (error) => this.lost(client, error))
    client.on('end', () => this.lost(client, new Error('the server ended the connection')))
    client.on('notification', ({ payload }) => this.#options.hear(payload ?? ''))
    try {
      await client.connect()
      await prepareSession(client)
      // What it tells others is no record: nobody need wait for the disk.
      await client.query('SET synchronous_commit = off')
      await this.#options.listen(client)
      if (this.#closed) throw new Error('it was closed meanwhile')
      this.#client = client
    } catch (error) {
      cutOff(client)
      throw error
    } finally {
      this.#connecting = null
    }
  }

  #later(): void {
    const delay = this.#backoff * (0.5 + Math.random() / 2)
    this.#backoff = Math.min(this.#backoff * 2, LONGEST_BACKOFF)
    this.#retry = setTimeout(() => void this.#again(), delay)
  }

  async #again(): Promise<void> {
    try {
      await this.#connect()
    } catch {
      // Said when it broke; what is said again at every attempt helps nobody.
      if (!this.#closed) this.#later()
      return
    }
    this.#backoff = FIRST_BACKOFF
    this.#options.log.info({}, 'hearing again of what other processes do')
    this.#options.back(this.#silent)
  }
}
