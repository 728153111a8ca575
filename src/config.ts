import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { LATER, ROLES, type Role, VARIABLES } from './configVariables.ts'
import { isPostgresUrl, shownDatabaseUrl } from './databaseUrl.ts'
import type { Milliseconds } from './domain/instant.ts'
import type { RetentionRules } from './domain/retention.ts'
import { VERSION } from './version.ts'

export type { Role } from './configVariables.ts'

/** Everything that can be set from outside, read once at start. */
export interface Config {
  /** `file:PATH` or `postgres://…`: may hold a password. */
  readonly databaseUrl: string
  /** `postgres://…`: may hold a password. */
  readonly databaseReadUrl: string | null
  /** Of this process to a Postgres database at most. */
  readonly databaseConnections: number
  readonly host: string
  /** 0: a free one. */
  readonly port: number
  /** Not empty. */
  readonly roles: readonly Role[]
  readonly concurrency: number
  /** Absolute path of the folder of own handlers. */
  readonly handlers: string | null
  /** Networks in CIDR notation. */
  readonly allowTargets: readonly string[]
  /** Absolute paths. */
  readonly allowCommands: readonly string[]
  /** `whsec_…`; null: the one that is kept in the database. */
  readonly signingSecret: string | null
  readonly auth: 'auto' | 'required' | 'none'
  readonly corsOrigins: readonly string[]
  readonly lease: Milliseconds
  readonly maxSockets: number
  /** Operations of one WebSocket at once. */
  readonly maxSubscriptions: number
  /** Which finished runs are removed, and when. */
  readonly retention: RetentionRules
  readonly drainTimeout: Milliseconds
  readonly logLevel: (typeof VARIABLES.LOG_LEVEL)['unset']
  /** Null: pretty on a terminal, else JSON. */
  readonly logFormat: 'pretty' | 'json' | null
}

export type Environment = Readonly<Record<string, string | undefined>>

/** Everything that is wrong with the environment, one line each: the variable, what was given, what is accepted. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly mistakes: readonly string[]

  constructor(mistakes: readonly string[]) {
    super(`The configuration is not accepted:\n${mistakes.map((mistake) => `  ${mistake}`).join('\n')}`)
    this.mistakes = mistakes
  }
}

/** The environment of the process, and what a `.env` file in `folder` adds to it. The process's own variables win. */
export function environment(folder = process.cwd()): Environment {
  return { ...dotEnv(join(folder, '.env')), ...process.env }
}

/**
 * Reads the configuration. An empty variable counts as not set.
 * @throws ConfigError that names every mistake, not only the first.
 */
export function readConfig(env: Environment): Config {
  const mistakes: string[] = [...unknownVariables(env)]

  function value<Name extends keyof typeof VARIABLES>(name: Name): (typeof VARIABLES)[Name]['unset'] {
    const { unset, read, accepts } = VARIABLES[name]
    const text = env[name]?.trim() ?? ''
    if (text === '') return unset
    const given = read(text)
    if (given === undefined) mistakes.push(`${name}: got ${shown(name, text)}; accepted is ${accepts}`)
    return given ?? unset
  }

  const config: Config = {
    databaseUrl: value('DATABASE_URL'),
    databaseReadUrl: value('DATABASE_READ_URL'),
    databaseConnections: value('ORRERY_DATABASE_CONNECTIONS'),
    host: value('HOST'),
    port: value('PORT'),
    roles: value('ORRERY_ROLES'),
    concurrency: value('ORRERY_CONCURRENCY'),
    handlers: value('ORRERY_HANDLERS'),
    allowTargets: value('ORRERY_ALLOW_TARGETS'),
    allowCommands: value('ORRERY_ALLOW_COMMANDS'),
    signingSecret: value('ORRERY_SIGNING_SECRET'),
    auth: value('ORRERY_AUTH'),
    corsOrigins: value('ORRERY_CORS_ORIGINS'),
    lease: value('ORRERY_LEASE'),
    maxSockets: value('ORRERY_MAX_SOCKETS'),
    maxSubscriptions: value('ORRERY_MAX_SUBSCRIPTIONS'),
    retention: Object.freeze({
      succeededFor: value('ORRERY_RETENTION_SUCCEEDED'),
      failedFor: value('ORRERY_RETENTION_FAILED'),
      mostOfJob: value('ORRERY_RETENTION_MAX'),
      alwaysOfJob: value('ORRERY_RETENTION_KEEP'),
    }),
    drainTimeout: value('ORRERY_DRAIN_TIMEOUT'),
    logLevel: value('LOG_LEVEL'),
    logFormat: value('LOG_FORMAT'),
  }
  mistakes.push(...contradictions(config))
  if (mistakes.length > 0) throw new ConfigError(mistakes)
  for (const list of [config.roles, config.allowTargets, config.allowCommands, config.corsOrigins]) Object.freeze(list)
  return Object.freeze(config)
}

/** Libraries check their own workings again and again unless told that this is production (graphql: a quarter of an execution). */
export function preferProduction(): void {
  process.env.NODE_ENV ??= 'production'
}

/** Whether a host is this machine's own: only what runs here reaches it. */
export function isLoopback(host: string): boolean {
  return host.toLowerCase() === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

/** What `--help` prints. */
export function helpText(): string {
  const names = Object.keys(VARIABLES) as (keyof typeof VARIABLES)[]
  const width = Math.max(...names.map((name) => name.length))
  const variables = names.map((name) => {
    const { meaning, accepts, shownDefault } = VARIABLES[name]
    const indent = ' '.repeat(width + 4)
    return `  ${name.padEnd(width)}  ${meaning}\n${indent}accepted: ${accepts}\n${indent}default: ${shownDefault}`
  })
  return [
    `orrery ${VERSION}: a job scheduler with a GraphQL API`,
    '',
    'Usage: npm start                       start the server',
    '       npm start -- --help             print this',
    '       npm start -- --version          print the version',
    '       npm run --silent signing-secret print the secret that webhook requests are signed with',
    '',
    'Everything is set by environment variables; a file .env in the current folder is read too.',
    '',
    ...variables,
    '',
  ].join('\n')
}

/** A value that is not accepted, without what is secret in it. */
function shown(name: keyof typeof VARIABLES, text: string): string {
  if (name === 'ORRERY_SIGNING_SECRET') return 'a text that is none (not shown)'
  return JSON.stringify(name === 'DATABASE_URL' || name === 'DATABASE_READ_URL' ? shownDatabaseUrl(text) : text)
}

function contradictions({ databaseUrl, databaseReadUrl, roles, auth, host }: Config): string[] {
  const found: string[] = []
  if (!isPostgresUrl(databaseUrl)) {
    const reason = 'one process holds an SQLite file'
    if (roles.length < ROLES.length) {
      found.push(
        `ORRERY_ROLES: got ${JSON.stringify(roles.join(','))}; accepted is ${ROLES.join(',')}: ${reason}, so it must do all three; with a postgres:// DATABASE_URL each process does what it shall`,
      )
    }
    if (databaseReadUrl !== null)
      found.push(`DATABASE_READ_URL: got one beside a DATABASE_URL that is a file; accepted is none: ${reason}, and reads there too`)
  }
  const unsafe = `whoever reaches the server could do everything: this version has no keys yet`
  if (auth === 'required')
    found.push(
      'ORRERY_AUTH: got "required"; accepted is auto on a loopback HOST, or none: this version has no keys yet that could be required',
    )
  else if (auth === 'auto' && !isLoopback(host)) {
    found.push(
      `HOST: got ${JSON.stringify(host)}, which is no loopback address, and ${unsafe}; accepted is 127.0.0.1, or any address together with ORRERY_AUTH=none`,
    )
  }
  return found
}

function unknownVariables(env: Environment): string[] {
  const set = Object.keys(env).filter((name) => (env[name] ?? '').trim() !== '')
  return set.flatMap((name) => {
    if ((LATER as readonly string[]).includes(name)) return [`${name}: is not supported by this version yet; unset it`]
    if (!name.startsWith('ORRERY_') || name in VARIABLES) return []
    const nearest = nearestName(name)
    return [`${name}: no such variable${nearest === null ? '' : `; did you mean ${nearest}?`}`]
  })
}

/** The known name with the fewest edits, where they are few. */
function nearestName(name: string): string | null {
  const ranked = Object.keys(VARIABLES)
    .map((known) => ({ known, distance: edits(name, known) }))
    .sort((one, other) => one.distance - other.distance)
  const best = ranked[0]
  return best !== undefined && best.distance <= Math.max(3, name.length / 3) ? best.known : null
}

/** Levenshtein's distance, row by row. */
function edits(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (let i = 1; i <= one.length; i++) {
    const next = [i]
    for (let j = 1; j <= other.length; j++) {
      next[j] = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1))
    }
    row = next
  }
  return row.at(-1) ?? 0
}

function dotEnv(path: string): Environment {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw new ConfigError([`.env: cannot be read: ${(error as Error).message}`])
  }
  return parseEnv(text)
}
