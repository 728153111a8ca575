import { isIP } from 'node:net'
import { isAbsolute, normalize, resolve } from 'node:path'
import ipaddr from 'ipaddr.js'
import { readPostgresUrl } from './databaseUrl.ts'
import { formatDuration, parseDuration } from './domain/duration.ts'
import { DAY, HOUR, type Milliseconds, MINUTE, SECOND } from './domain/instant.ts'
import { wrongWebhookSecret } from './domain/webhookSecret.ts'

/** One environment variable: what it means, what it accepts, and how its text is read. `--help` and every complaint are made from this. */
export interface Variable<T> {
  readonly meaning: string
  readonly accepts: string
  /** The value where the variable is not set, and how the help shows it. */
  readonly unset: T
  readonly shownDefault: string
  /** Undefined: not accepted. */
  readonly read: (text: string) => T | undefined
}

export const ROLES = ['api', 'scheduler', 'worker'] as const
export type Role = (typeof ROLES)[number]

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

/** The variables of this version, in the order of the help. */
export const VARIABLES = {
  DATABASE_URL: {
    meaning: 'where everything is kept; migrated at start',
    accepts: 'file:PATH of an SQLite file, for one process; or postgres://USER:PASSWORD@HOST/DATABASE, for any number of them',
    unset: 'file:./data/orrery.db',
    shownDefault: 'file:./data/orrery.db',
    read: (text: string) => (/^file:(?!:memory:)[^?]+$/.test(text) ? text : readPostgresUrl(text)),
  },
  DATABASE_READ_URL: {
    meaning: 'a replica of the Postgres database, where lists and history are read',
    accepts: 'postgres://USER:PASSWORD@HOST/DATABASE',
    unset: null as string | null,
    shownDefault: 'none: all is read where it is written',
    read: (text: string) => readPostgresUrl(text),
  },
  HOST: {
    meaning: 'the address where the server listens',
    accepts: 'an IP address or a host name, without port or scheme',
    unset: '127.0.0.1',
    shownDefault: '127.0.0.1',
    read: (text: string) => (isIP(text) > 0 || /^(?!-)[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$/.test(text) ? text : undefined),
  },
  PORT: { meaning: 'the port where the server listens; 0 takes a free one', ...wholeNumber(4_000, 0, 65_535) },
  ORRERY_ROLES: {
    meaning: 'what this process does; on an SQLite file, all three',
    accepts: `one or more of ${ROLES.join(', ')}, comma separated`,
    unset: ROLES as readonly Role[],
    shownDefault: ROLES.join(','),
    read: (text: string) => listOf(text, (entry) => ROLES.find((role) => role === entry)),
  },
  ORRERY_DATABASE_CONNECTIONS: { meaning: 'connections of this process to Postgres at most, for its store', ...wholeNumber(10, 2, 1_000) },
  ORRERY_CONCURRENCY: { meaning: 'attempts under way at once', ...wholeNumber(64, 1, 10_000) },
  ORRERY_HANDLERS: {
    meaning: 'folder of your own handler modules',
    accepts: 'a path',
    unset: null as string | null,
    shownDefault: 'none',
    read: (text: string) => resolve(text),
  },
  ORRERY_ALLOW_TARGETS: {
    meaning: 'networks that HTTP targets may reach although they are not public',
    accepts: 'networks or addresses, comma separated: 10.0.0.0/8, 127.0.0.1, fd00::/8',
    unset: [] as readonly string[],
    shownDefault: 'none',
    read: (text: string) => listOf(text, network),
  },
  ORRERY_ALLOW_COMMANDS: {
    meaning: 'executables that command targets may run',
    accepts: 'absolute paths, comma separated',
    unset: [] as readonly string[],
    shownDefault: 'none: no command target',
    read: (text: string) => listOf(text, (path) => (isAbsolute(path) ? normalize(path) : undefined)),
  },
  ORRERY_SIGNING_SECRET: {
    meaning: 'signs webhook requests (Standard Webhooks)',
    accepts: 'whsec_ and 24 to 64 bytes in base64',
    unset: null as string | null,
    shownDefault: 'made at first start, kept in the database',
    read: (text: string) => (wrongWebhookSecret(text) === null ? text : undefined),
  },
  ORRERY_AUTH: {
    meaning: 'who may use the API. auto: open on a loopback HOST; none: open to everybody who reaches it',
    accepts: 'auto, required or none',
    unset: 'auto' as 'auto' | 'required' | 'none',
    shownDefault: 'auto',
    read: (text: string) => (['auto', 'required', 'none'] as const).find((mode) => mode === text),
  },
  ORRERY_CORS_ORIGINS: {
    meaning: 'origins whose web pages may call the API from a browser',
    accepts: 'origins, comma separated: https://example.com, http://localhost:5173',
    unset: [] as readonly string[],
    shownDefault: 'none',
    read: (text: string) => listOf(text, origin),
  },
  ORRERY_LEASE: { meaning: "a worker's claim on an attempt, renewed every third of it", ...duration(30 * SECOND, SECOND, HOUR) },
  ORRERY_MAX_SOCKETS: { meaning: 'WebSockets of the server at once; as many shared event streams', ...wholeNumber(10_000, 1, 1_000_000) },
  ORRERY_MAX_SUBSCRIPTIONS: { meaning: 'operations of one WebSocket or shared event stream at once', ...wholeNumber(100, 1, 10_000) },
  ORRERY_RETENTION_SUCCEEDED: { meaning: 'how long runs stay that SUCCEEDED or were CANCELLED', ...days(30) },
  ORRERY_RETENTION_FAILED: { meaning: 'how long runs stay that FAILED or TIMED_OUT', ...days(90) },
  ORRERY_RETENTION_MAX: { meaning: 'finished runs of a job at most; older ones go', ...wholeNumber(10_000, 1, 100_000_000) },
  ORRERY_RETENTION_KEEP: { meaning: 'newest runs of a job that always stay', ...wholeNumber(50, 0, 10_000) },
  ORRERY_DRAIN_TIMEOUT: { meaning: 'how long a stop waits for attempts under way', ...duration(30 * SECOND, 0, HOUR) },
  LOG_LEVEL: {
    meaning: 'the least severe log line that is written',
    accepts: LOG_LEVELS.join(', '),
    unset: 'info' as (typeof LOG_LEVELS)[number],
    shownDefault: 'info',
    read: (text: string) => LOG_LEVELS.find((level) => level === text),
  },
  LOG_FORMAT: {
    meaning: 'how log lines look on standard error',
    accepts: 'pretty or json',
    unset: null as 'pretty' | 'json' | null,
    shownDefault: 'pretty on a terminal, else json',
    read: (text: string) => (['pretty', 'json'] as const).find((format) => format === text),
  },
} satisfies Record<string, Variable<unknown>>

/** Variables that a later version will know. Set now, they would promise what this version does not do. */
export const LATER = [
  'ORRERY_JWKS_URL',
  'ORRERY_JWT_ISSUER',
  'ORRERY_JWT_AUDIENCE',
  'ORRERY_RATE_LIMIT',
  'ORRERY_TRUST_PROXY',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
] as const

function wholeNumber(unset: number, least: number, most: number): Omit<Variable<number>, 'meaning'> {
  return {
    accepts: `a whole number from ${least} to ${most}`,
    unset,
    shownDefault: String(unset),
    read: (text) => (/^\d{1,9}$/.test(text) && Number(text) >= least && Number(text) <= most ? Number(text) : undefined),
  }
}

function duration(unset: Milliseconds, least: Milliseconds, most: Milliseconds): Omit<Variable<Milliseconds>, 'meaning'> {
  return {
    accepts: `a length of time from ${formatDuration(least)} to ${formatDuration(most)}: ${formatDuration(unset)}, 90s, 5m`,
    unset,
    shownDefault: formatDuration(unset),
    read: (text) => {
      const length = parseDuration(text)
      return length !== null && length >= least && length <= most ? length : undefined
    },
  }
}

/** A length of time that one thinks of in days. */
function days(unset: number): Omit<Variable<Milliseconds>, 'meaning'> {
  const { read } = duration(unset * DAY, MINUTE, 3_650 * DAY)
  return { accepts: `a length of time from PT1M to P3650D: P${unset}D, 12h`, unset: unset * DAY, shownDefault: `P${unset}D`, read }
}

/** Comma separated; undefined where one entry is not accepted. Entries that repeat count once. */
function listOf<T>(text: string, read: (entry: string) => T | undefined): readonly T[] | undefined {
  const entries = text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
    .map(read)
  return entries.length === 0 || entries.includes(undefined) ? undefined : [...new Set(entries as T[])]
}

/** A network with its prefix length, or a single address. */
function network(text: string): string | undefined {
  const known = isIP(text) > 0 || ipaddr.IPv4.isValidCIDRFourPartDecimal(text) || ipaddr.IPv6.isValidCIDR(text)
  return known ? text : undefined
}

function origin(text: string): string | undefined {
  const url = URL.parse(text)
  return url !== null && (url.protocol === 'http:' || url.protocol === 'https:') && url.origin === text.toLowerCase()
    ? url.origin
    : undefined
}
