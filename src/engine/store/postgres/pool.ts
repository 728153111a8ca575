import type { Socket } from 'node:net'
import pg from 'pg'
import { type Milliseconds, SECOND } from '../../../domain/instant.ts'
import type { Log } from '../../ports.ts'
import { remembering } from './columns.ts'

/** Connections of one process for its writes and for its reads by hand. */
export const POOL_SIZE = 10
/** And for lists and what Prisma reads: however long a search takes, runs begin and end beside it. */
export const READ_POOL_SIZE = 4
/** A statement that takes longer is given up. */
const STATEMENT_TIMEOUT = 30 * SECOND
/** Nobody holds a row for long: who waits longer for one waits for a process that is frozen. */
const LOCK_TIMEOUT = 10 * SECOND
/** A process that is frozen in the middle of a transaction holds up others and the stream for so long, then the server ends its session. */
const IDLE_IN_TRANSACTION_TIMEOUT = 5 * SECOND
const CONNECT_TIMEOUT = 5 * SECOND

/** A goodbye takes a moment; what is under way when a process ends, a few. */
const CLOSE_TIMEOUT = 5 * SECOND

/** The connections of a pool that have not ended. */
const open = new WeakMap<pg.Pool, Set<pg.PoolClient>>()

const { builtins } = pg.types

/** Instants are milliseconds and positions are numbers everywhere else; all other types as the driver has them. */
export const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') => {
    if (oid === builtins.TIMESTAMPTZ) return readInstant
    if (oid === builtins.INT8) return Number
    if (oid === INT8_ARRAY) return readNumbers
    return pg.types.getTypeParser(oid, format as 'text')
  }) as pg.CustomTypesConfig['getTypeParser'],
}
const INT8_ARRAY = 1016

const DASH = 45
const PLUS = 43

/** `2026-11-29 05:13:37.123+00`, as a session in UTC writes it; with more digits or `BC` where the year is far away. */
export const readInstant: (text: string) => number = remembering((text) => {
  if (text.charCodeAt(4) === DASH && text.charCodeAt(text.length - 3) === PLUS) {
    return Date.parse(`${text.slice(0, 10)}T${text.slice(11, -3)}Z`)
  }
  const [, years, rest, before] = /^(\d+)-(\S+ \S+)\+00( BC)?$/.exec(text)!
  const year = before === undefined ? Number(years) : 1 - Number(years)
  const digits = String(Math.abs(year)).padStart(6, '0')
  return Date.parse(`${year < 0 ? '-' : '+'}${digits}-${rest!.replace(' ', 'T')}Z`)
})

function readNumbers(text: string): number[] {
  return text === '{}' ? [] : text.slice(1, -1).split(',').map(Number)
}

export interface PoolOptions {
  readonly url: string
  /** Names the process in `pg_stat_activity`. */
  readonly applicationName: string
  readonly max?: number
  /** Refuses all writes. */
  readonly readOnly?: boolean
  /** For a library that reads values as the driver has them. */
  readonly plainTypes?: boolean
  readonly log: Log
}

/** How every connection of ours is opened. */
export function connectionConfig({ url, applicationName }: Pick<PoolOptions, 'url' | 'applicationName'>): pg.ClientConfig {
  return {
    connectionString: url,
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10 * SECOND,
    types,
  }
}

/**
 * Connections to the database. One that breaks while nobody uses it is logged and replaced with the next use; whoever uses one that breaks
 * gets the error.
 */
export function openPool({ url, applicationName, max = POOL_SIZE, readOnly = false, plainTypes = false, log }: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    ...connectionConfig({ url, applicationName }),
    ...(plainTypes ? { types: pg.types } : {}),
    max,
    idleTimeoutMillis: 60 * SECOND,
    // A server that has gone without a word is noticed by the statement that waits for it.
    query_timeout: STATEMENT_TIMEOUT + LOCK_TIMEOUT,
    onConnect: async (client) => {
      await prepareSession(client, readOnly)
      if (!plainTypes) await client.query(BY_INDEX)
    },
  } as pg.PoolConfig)
  pool.on('error', (error) => log.warn({ err: error }, 'a connection to the database broke; it is replaced when it is needed'))
  const clients = new Set<pg.PoolClient>()
  open.set(pool, clients)
  pool.on('connect', (client) => {
    // Between its use and the pool's care an error would have nobody to hear it, and end the process.
    client.on('error', () => {})
    clients.add(client)
    client.once('end', () => clients.delete(client))
  })
  return pool
}

/**
 * Lets the connections go when what they are used for has ended. A database that does not answer is not waited for: its connections are
 * cut off after `within`, and whoever still uses one gets the error.
 */
export async function closePool(pool: pg.Pool, within: Milliseconds = CLOSE_TIMEOUT): Promise<void> {
  const cut = setTimeout(() => cutOffAll(pool), within)
  await pool.end()
  // By now nobody uses one, but the goodbye of some may be under way still.
  await Promise.all([...(open.get(pool) ?? [])].map((client) => new Promise((resolve) => client.once('end', resolve))))
  clearTimeout(cut)
}

/** Ends a connection of its own; one whose server does not answer is cut off. */
export async function endClient(client: pg.Client, within: Milliseconds = SECOND): Promise<void> {
  const cut = setTimeout(() => cutOff(client), within)
  await client.end().catch(() => {})
  clearTimeout(cut)
}

/** Ends all connections of a pool without a goodbye: whoever uses one gets the error, and whoever comes next a new one. */
export function cutOffAll(pool: pg.Pool): void {
  for (const client of open.get(pool) ?? []) cutOff(client)
}

/** Ends a connection without a goodbye. */
export function cutOff(client: pg.ClientBase): void {
  ;(client as pg.ClientBase & { readonly connection: { readonly stream: Socket } }).connection.stream.destroy()
}

/**
 * Our statements look at the few rows that they name, or at a page of them, by an index. Their plans are made once a connection, and some
 * of them when the tables are still small enough to be read whole; they would stay when hundreds of thousands of rows have come, until
 * the server counts them after a minute. A thousand times slower, that was.
 */
export const BY_INDEX =
  'SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off; SET jit = off'

/**
 * Settings of the session by statement, not by start parameters: poolers between refuse those they do not know. The isolation, too, may be
 * another by default, of the user or the database: what is read under a lock must be as new as the lock.
 */
export async function prepareSession(client: pg.ClientBase, readOnly = false): Promise<void> {
  await client.query(
    `SET TIME ZONE 'UTC'; SET DateStyle = 'ISO'; SET statement_timeout = ${STATEMENT_TIMEOUT}; SET lock_timeout = ${LOCK_TIMEOUT};
     SET idle_in_transaction_session_timeout = ${IDLE_IN_TRANSACTION_TIMEOUT}; SET default_transaction_isolation = 'read committed'; SET default_transaction_read_only = ${readOnly ? 'on' : 'off'}`,
  )
}
