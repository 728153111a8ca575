import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { shownDatabaseUrl } from '../../src/databaseUrl.ts'
import { DAY } from '../../src/domain/instant.ts'
import { ConfigError, type Environment, environment, helpText, isLoopback, readConfig } from '../../src/config.ts'

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`

/** What is said about an environment that must be refused. */
function mistakesIn(env: Environment): readonly string[] {
  try {
    readConfig(env)
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.mistakes
  }
  assert.fail('was accepted')
}

test('without any variable the documented defaults hold, frozen', () => {
  const config = readConfig({ PATH: '/bin', HOME: '/root' })
  assert.deepEqual(config, {
    databaseUrl: 'file:./data/orrery.db',
    databaseReadUrl: null,
    databaseConnections: 10,
    host: '127.0.0.1',
    port: 4_000,
    roles: ['api', 'scheduler', 'worker'],
    concurrency: 64,
    handlers: null,
    allowTargets: [],
    allowCommands: [],
    signingSecret: null,
    auth: 'auto',
    corsOrigins: [],
    lease: 30_000,
    maxSockets: 10_000,
    maxSubscriptions: 100,
    retention: { succeededFor: 30 * DAY, failedFor: 90 * DAY, mostOfJob: 10_000, alwaysOfJob: 50 },
    drainTimeout: 30_000,
    logLevel: 'info',
    logFormat: null,
  })
  assert.ok(
    Object.isFrozen(config) && Object.isFrozen(config.corsOrigins) && Object.isFrozen(config.roles) && Object.isFrozen(config.retention),
  )
})

test('every variable is read; an empty one counts as not set; lists may have spaces and repeat themselves', () => {
  const config = readConfig({
    DATABASE_URL: 'postgresql://orrery:s%40cret@db.example:5433/orrery?sslmode=require',
    DATABASE_READ_URL: 'postgres:///orrery?host=/var/run/postgresql',
    ORRERY_DATABASE_CONNECTIONS: '25',
    HOST: ' ::1 ',
    PORT: '0',
    ORRERY_ROLES: 'worker, api,worker',
    ORRERY_CONCURRENCY: '8',
    ORRERY_HANDLERS: 'handlers',
    ORRERY_ALLOW_TARGETS: '10.0.0.0/8, 127.0.0.1,fd00::/8,10.0.0.0/8',
    ORRERY_ALLOW_COMMANDS: '/usr/bin/env,/bin/../bin/true',
    ORRERY_SIGNING_SECRET: SECRET,
    ORRERY_AUTH: 'none',
    ORRERY_CORS_ORIGINS: 'https://a.example,http://localhost:5173',
    ORRERY_LEASE: '5s',
    ORRERY_MAX_SOCKETS: '1',
    ORRERY_MAX_SUBSCRIPTIONS: '',
    ORRERY_RETENTION_SUCCEEDED: '12h',
    ORRERY_RETENTION_FAILED: 'P7D',
    ORRERY_RETENTION_MAX: '100',
    ORRERY_RETENTION_KEEP: '0',
    ORRERY_DRAIN_TIMEOUT: 'PT0S',
    LOG_LEVEL: 'debug',
    LOG_FORMAT: 'json',
  })
  assert.deepEqual(
    { ...config },
    {
      databaseUrl: 'postgresql://orrery:s%40cret@db.example:5433/orrery?sslmode=require',
      databaseReadUrl: 'postgres:///orrery?host=/var/run/postgresql',
      databaseConnections: 25,
      host: '::1',
      port: 0,
      roles: ['worker', 'api'],
      concurrency: 8,
      handlers: resolve('handlers'),
      allowTargets: ['10.0.0.0/8', '127.0.0.1', 'fd00::/8'],
      allowCommands: ['/usr/bin/env', '/bin/true'],
      signingSecret: SECRET,
      auth: 'none',
      corsOrigins: ['https://a.example', 'http://localhost:5173'],
      lease: 5_000,
      maxSockets: 1,
      maxSubscriptions: 100,
      retention: { succeededFor: DAY / 2, failedFor: 7 * DAY, mostOfJob: 100, alwaysOfJob: 0 },
      drainTimeout: 0,
      logLevel: 'debug',
      logFormat: 'json',
    },
  )
})

test('every value that is not accepted is refused by name, with what was given and what is accepted', () => {
  const bad: Record<string, readonly string[]> = {
    DATABASE_URL: [
      'orrery.db',
      'file:',
      'file::memory:',
      'mysql://x',
      'postgres://localhost',
      'postgres://h/',
      'postgres:///d',
      'postgres://h/a/b',
    ],
    DATABASE_READ_URL: ['file:./data/orrery.db', 'postgres://h'],
    ORRERY_DATABASE_CONNECTIONS: ['1', 'ten'],
    HOST: ['http://127.0.0.1', '127.0.0.1:4000', 'a b', '-x'],
    PORT: ['-1', '65536', '4000.5', '0x10', 'abc', '1e3'],
    ORRERY_ROLES: ['api,cook', 'API', ','],
    ORRERY_CONCURRENCY: ['0', 'many'],
    ORRERY_ALLOW_TARGETS: ['10.0.0.0/33', 'example.com', '10.0.0', '*'],
    ORRERY_ALLOW_COMMANDS: ['ls', './x', '/bin/ls,x'],
    ORRERY_SIGNING_SECRET: ['secret', 'whsec_', 'whsec_AAAA', `${SECRET}*`],
    ORRERY_AUTH: ['yes', 'NONE'],
    ORRERY_CORS_ORIGINS: ['*', 'null', 'https://a.example/', 'a.example', 'ftp://a.example', 'https://a.example/path'],
    ORRERY_LEASE: ['30', 'PT0S', '2h', '-5s', 'P1M'],
    ORRERY_MAX_SOCKETS: ['0', '-1'],
    ORRERY_MAX_SUBSCRIPTIONS: ['0', '10001'],
    ORRERY_DRAIN_TIMEOUT: ['soon'],
    LOG_LEVEL: ['verbose', 'INFO'],
    LOG_FORMAT: ['xml'],
  }
  for (const [name, values] of Object.entries(bad)) {
    for (const value of values) {
      const [mistake] = mistakesIn({ [name]: value })
      assert.match(mistake ?? '', new RegExp(`^${name}: .*; accepted is \\w+`), `${name}=${value}`)
      if (name !== 'ORRERY_SIGNING_SECRET') assert.ok(mistake?.includes(JSON.stringify(value)), mistake)
      else assert.ok(value.length < 8 || !mistake?.includes(value), mistake)
    }
  }
})

test('all mistakes are named at once', () => {
  const mistakes = mistakesIn({ PORT: 'x', ORRERY_LEASE: 'y', LOG_LEVEL: 'z', ORRERY_LEESE: '1' })
  assert.deepEqual(mistakes.map((mistake) => mistake.split(':')[0]).sort(), ['LOG_LEVEL', 'ORRERY_LEASE', 'ORRERY_LEESE', 'PORT'])
})

test('an unknown ORRERY_ variable is refused with the nearest name; one of a later version as not yet supported', () => {
  assert.deepEqual(mistakesIn({ ORRERY_CORS_ORIGIN: 'x' }), ['ORRERY_CORS_ORIGIN: no such variable; did you mean ORRERY_CORS_ORIGINS?'])
  assert.deepEqual(mistakesIn({ ORRERY_SOMETHING_ELSE_ENTIRELY: 'x' }), ['ORRERY_SOMETHING_ELSE_ENTIRELY: no such variable'])
  for (const name of ['ORRERY_RATE_LIMIT', 'ORRERY_JWKS_URL', 'ORRERY_TRUST_PROXY', 'OTEL_EXPORTER_OTLP_ENDPOINT']) {
    assert.match(mistakesIn({ [name]: 'x' })[0] ?? '', /not supported by this version yet/)
    assert.ok(readConfig({ [name]: '' }))
  }
  assert.ok(readConfig({ SOMETHING: 'x' }))
})

test('what retention accepts is told in days', () => {
  assert.deepEqual(mistakesIn({ ORRERY_RETENTION_SUCCEEDED: '5s', ORRERY_RETENTION_MAX: '0' }), [
    'ORRERY_RETENTION_SUCCEEDED: got "5s"; accepted is a length of time from PT1M to P3650D: P30D, 12h',
    'ORRERY_RETENTION_MAX: got "0"; accepted is a whole number from 1 to 100000000',
  ])
})

test('a file is for one process: split roles and a replica are refused with the reason; with Postgres both are accepted', () => {
  const split = { ORRERY_ROLES: 'api,worker', DATABASE_READ_URL: 'postgres://replica/orrery' }
  const mistakes = mistakesIn(split)
  assert.deepEqual(mistakes.map((mistake) => mistake.split(':')[0]).sort(), ['DATABASE_READ_URL', 'ORRERY_ROLES'])
  for (const mistake of mistakes) assert.match(mistake, /one process holds an SQLite file/)
  for (const role of ['api', 'scheduler', 'worker'] as const) {
    assert.deepEqual(readConfig({ ...split, DATABASE_URL: 'postgres://db/orrery', ORRERY_ROLES: role }).roles, [role])
  }
})

test('no complaint and no log line tells the password of a database', () => {
  const secret = 'hunter2'
  for (const [url, shown] of [
    [`postgres://orrery:${secret}@db/`, 'postgres://orrery:***@db/'],
    [`mysql://orrery:${secret}@db/orrery?password=${secret}&x=1`, 'mysql://orrery:***@db/orrery?password=***&x=1'],
    [`postgres://orrery:12/${secret}@db/orrery`, '(not shown: it may hold a password)'],
    [`postgres://orrery:p@${secret}@db/a/b`, '(not shown: it may hold a password)'],
    [`postgres://orrery:#${secret}@db/orrery`, '(not shown: it may hold a password)'],
    [`orrery:${secret}@db/orrery`, '(not shown: it may hold a password)'],
    ['postgres://orrery@db/a/b', 'postgres://orrery@db/a/b'],
  ] as const) {
    const [mistake] = mistakesIn({ DATABASE_URL: url })
    assert.ok(mistake?.startsWith(`DATABASE_URL: got ${JSON.stringify(shown)}; accepted is`), mistake)
    assert.ok(!mistake?.includes(secret))
  }
  assert.equal(shownDatabaseUrl(`postgresql://u:${secret}@[::1]:5433/o?sslmode=require`), 'postgresql://u:***@[::1]:5433/o?sslmode=require')
  assert.equal(shownDatabaseUrl('file:./data/orrery.db'), 'file:./data/orrery.db')
})

test('without keys the server opens on a loopback address, or where the operator says none; nowhere else', () => {
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost']) assert.ok(readConfig({ HOST: host }))
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'orrery.example', '127.evil.example']) {
    assert.match(mistakesIn({ HOST: host })[0] ?? '', /no loopback address.*ORRERY_AUTH=none/)
    assert.ok(readConfig({ HOST: host, ORRERY_AUTH: 'none' }))
  }
  assert.match(mistakesIn({ ORRERY_AUTH: 'required' })[0] ?? '', /no keys yet/)
  assert.equal(isLoopback('LOCALHOST'), true)
})

test('a .env file in the folder adds to the environment of the process, which wins; its mistakes are found too', () => {
  const folder = mkdtempSync(join(tmpdir(), 'orrery-config-'))
  try {
    writeFileSync(join(folder, '.env'), 'PORT=4321\n# a comment\nPATH=/elsewhere\nORRERY_HANDLERS="my handlers"\n')
    const env = environment(folder)
    assert.equal(env.PATH, process.env.PATH)
    assert.equal(readConfig({ PORT: env.PORT, ORRERY_HANDLERS: env.ORRERY_HANDLERS }).port, 4_321)
    assert.equal(env.ORRERY_HANDLERS, 'my handlers')
    assert.deepEqual(environment(join(folder, 'nothing')), { ...process.env })
    rmSync(join(folder, '.env'))
    assert.throws(() => {
      writeFileSync(join(folder, '.env'), 'ORRERY_LEASE=never')
      readConfig(environment(folder))
    }, /ORRERY_LEASE: got "never"/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('the help names every variable with its default', () => {
  const help = helpText()
  for (const name of ['DATABASE_URL', 'ORRERY_ROLES', 'ORRERY_LEASE', 'LOG_FORMAT']) assert.match(help, new RegExp(`^ {2}${name} `, 'm'))
  assert.match(help, /default: PT30S/)
  assert.match(help, /default: file:\.\/data\/orrery\.db/)
})
