import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { expectsStatus } from '../../src/domain/expectStatus.ts'
import type { HttpHeader, HttpTarget, Target } from '../../src/domain/job.ts'
import { webhookKey, webhookSecret, wrongWebhookSecret } from '../../src/domain/webhookSecret.ts'
import type { KnownHandlers } from '../../src/worker/handlers/systemHandlers.ts'
import { createTargetRules } from '../../src/worker/targetRules.ts'
import { createAddressGuard } from '../../src/worker/targets/addresses.ts'
import { createAllowedCommands } from '../../src/worker/targets/commandList.ts'
import { type ResolveName, resolveBySystem } from '../../src/worker/targets/httpConnections.ts'

const NAMES: Readonly<Record<string, readonly string[]>> = {
  'example.com': ['93.184.215.14'],
  'inside.example.com': ['10.0.0.1'],
  'both.example.com': ['93.184.215.14', '::1'],
  localhost: ['::1', '127.0.0.1'],
}
const resolve: ResolveName = async (name) => {
  if (name === 'slow.example.com') return new Promise(() => {})
  const addresses = NAMES[name]
  if (!addresses) throw Object.assign(new Error('ENOTFOUND'), { code: 'ENOTFOUND' })
  return addresses
}
const handlers: KnownHandlers = {
  list: async () => ['import', 'log', 'noop'].map((name) => ({ name, description: null, payloadSchema: null })),
  check: async (name) =>
    name === 'import'
      ? [
          { path: ['rows', '0', 'id'], message: 'expected a number' },
          { path: [], message: 'too few' },
        ]
      : null,
}
const rulesOf = (allowTargets: readonly string[] = [], allowCommands: readonly string[] = []) =>
  createTargetRules({ guard: createAddressGuard(allowTargets), resolve, commands: createAllowedCommands(allowCommands), handlers })

async function faults(target: Target, rules = rulesOf()) {
  return (await rules.check({ target, payload: null })).map(({ code, path, message }) => ({ code, path: path.join('.'), message }))
}
const http = (more: Partial<HttpTarget> = {}): HttpTarget => ({
  kind: 'http',
  url: 'https://example.com/hook',
  method: 'POST',
  headers: [],
  expectStatus: ['2xx'],
  secret: null,
  ...more,
})
const header = (name: string, value = 'x'): HttpHeader => ({ name, value, secret: true })

describe('the rules of http targets', () => {
  it('accept a public URL', async () => {
    const target = http({
      headers: [header('Authorization', 'Bearer ü\t1'), header('X-Y_z')],
      expectStatus: ['204', '3xx', '200-299'],
      secret: webhookSecret(new Uint8Array(24)),
    })
    assert.deepEqual(await faults(target), [])
  })

  it('refuse what is no URL of the web, and say why a password has no place in it', async () => {
    for (const url of [
      '',
      'example.com',
      '/hook',
      'http://',
      'http://[',
      'http://a b/',
      'ftp://example.com/',
      'file:///etc/passwd',
      `https://example.com/${'x'.repeat(4096)}`,
    ]) {
      const [fault, ...others] = await faults(http({ url }))
      assert.deepEqual([fault?.code, fault?.path, others.length], ['INVALID', 'target.http.url', 0], url)
    }
    const [fault] = await faults(http({ url: 'https://user:secret@example.com/' }))
    assert.match(fault?.message ?? '', /header authorization with secret: true/)
    assert.doesNotMatch(fault?.message ?? '', /user:secret/)
  })

  it('refuse addresses that are not public, in all their spellings', async () => {
    for (const host of [
      '127.0.0.1',
      '127.1',
      '2130706433',
      '0x7f000001',
      '0177.0.0.1',
      '127.0.0.1.',
      '１２７.0.0.1',
      '169.254.169.254',
      '10.0.0.1',
      '0',
      '[::1]',
      '[::]',
      '[::ffff:10.0.0.1]',
      '[::ffff:a00:1]',
      '[fd00::1]',
      '[64:ff9b::7f00:1]',
    ]) {
      const [fault, ...others] = await faults(http({ url: `http://${host}:8080/x` }))
      assert.deepEqual([fault?.code, fault?.path, others.length], ['NOT_ALLOWED', 'target.http.url', 0], host)
      assert.match(fault?.message ?? '', /ORRERY_ALLOW_TARGETS/)
    }
  })

  it('refuse a name that resolves to such an address, and accept one that does not resolve, or not in time', async () => {
    for (const host of ['inside.example.com', 'both.example.com', 'localhost']) {
      assert.deepEqual(
        (await faults(http({ url: `https://${host}/` }))).map(({ code }) => code),
        ['NOT_ALLOWED'],
        host,
      )
    }
    const bySystem = createTargetRules({
      guard: createAddressGuard([]),
      resolve: resolveBySystem,
      commands: createAllowedCommands([]),
      handlers,
    })
    assert.deepEqual(
      (await faults(http({ url: 'http://localhost:4000/graphql' }), bySystem)).map(({ code }) => code),
      ['NOT_ALLOWED'],
    )
    assert.deepEqual(await faults(http({ url: 'https://later.example.com/' })), [])
    assert.deepEqual(await faults(http({ url: 'https://slow.example.com/' })), [])
  })

  it('accept what the operator allows', async () => {
    const rules = rulesOf(['127.0.0.0/8', '::1', '10.0.0.1'])
    for (const host of ['127.0.0.1', 'localhost', 'inside.example.com'])
      assert.deepEqual(await faults(http({ url: `http://${host}/` }), rules), [], host)
    assert.equal((await faults(http({ url: 'http://10.0.0.2/' }), rules)).length, 1)
  })

  it('refuse headers that the server sets, by their place in the list', async () => {
    for (const name of [
      'Host',
      'content-length',
      'Transfer-Encoding',
      'connection',
      'Webhook-Id',
      'webhook-anything',
      'ORRERY-run-id',
      'Idempotency-Key',
    ]) {
      const [fault] = await faults(http({ headers: [header('x-fine'), header(name)] }))
      assert.deepEqual([fault?.code, fault?.path], ['INVALID', 'target.http.headers.1.name'], name)
    }
  })

  it('refuse headers that cannot be sent, without repeating their values', async () => {
    for (const name of ['', 'a b', 'a:b', 'ä', 'a\r\nb', 'x'.repeat(201)]) {
      assert.deepEqual(
        (await faults(http({ headers: [header(name)] }))).map(({ path }) => path),
        ['target.http.headers.0.name'],
        name,
      )
    }
    for (const value of ['secret\r\nx-evil: 1', 'secret\0', 'secret €', 'secret\x7f']) {
      const [fault] = await faults(http({ headers: [header('x-a', value)] }))
      assert.equal(fault?.path, 'target.http.headers.0.value')
      assert.doesNotMatch(fault?.message ?? '', /secret/)
    }
    assert.deepEqual(
      (await faults(http({ headers: [header('x-a', 'x'.repeat(8193))] }))).map(({ code }) => code),
      ['TOO_LARGE'],
    )
    assert.deepEqual(
      (await faults(http({ headers: Array.from({ length: 51 }, (_, i) => header(`x-${i}`)) }))).map(({ code }) => code),
      ['TOO_MANY'],
    )
  })

  it('refuse statuses and secrets that are none, all at once', async () => {
    const target = http({ url: 'ftp://x', expectStatus: ['2xx', '99', '6xx', '300-200', 'ok', '200-', ''], secret: 'whsec_short' })
    assert.deepEqual(
      (await faults(target)).map(({ path }) => path),
      ['target.http.url', ...[1, 2, 3, 4, 5, 6].map((index) => `target.http.expectStatus.${index}`), 'target.http.secret'],
    )
  })
})

describe('what the rules of http targets read', () => {
  it('a status is expected by itself, by its class and by a range', () => {
    for (const [rules, expected, others] of [
      [['204'], [204], [200, 203, 205]],
      [['2xx'], [200, 299], [199, 300]],
      [
        ['4XX', '500-503'],
        [400, 499, 500, 503],
        [399, 504],
      ],
      [[], [200, 299], [302, 404]],
    ] as const) {
      for (const status of expected) assert.ok(expectsStatus(rules, status), `${rules} ${status}`)
      for (const status of others) assert.ok(!expectsStatus(rules, status), `${rules} ${status}`)
    }
  })

  it('a signing secret is whsec_ and the base64 of 24 to 64 bytes', () => {
    for (const length of [24, 25, 32, 64]) {
      const bytes = Uint8Array.from({ length }, (_, i) => 255 - i)
      const secret = webhookSecret(bytes)
      assert.equal(wrongWebhookSecret(secret), null)
      assert.deepEqual([...webhookKey(secret)], [...bytes])
    }
    const good = Buffer.alloc(25, 7).toString('base64')
    const encoded = (length: number) => `whsec_${Buffer.alloc(length).toString('base64')}`
    for (const bad of [
      '',
      good,
      `whsec_${good.replace(/=+$/, '')}`,
      `whsec_${good}!`,
      `whsec_ ${good}`,
      `WHSEC_${good}`,
      encoded(23),
      encoded(65),
      'whsec_',
    ]) {
      const wrong = wrongWebhookSecret(bad)
      assert.match(wrong ?? '', /24 to 64 bytes/, bad)
      assert.throws(() => webhookKey(bad))
      if (bad.includes(good)) assert.ok(!wrong?.includes(good), 'the message repeats it')
    }
    for (const length of [23, 65]) assert.throws(() => webhookSecret(new Uint8Array(length)), RangeError)
  })
})

describe('the rules of handler targets', () => {
  it('refuse a handler that is not there, and name those that are', async () => {
    const [fault] = await faults({ kind: 'handler', handler: 'nothere' })
    assert.deepEqual([fault?.code, fault?.path], ['INVALID', 'target.handler.handler'])
    assert.match(fault?.message ?? '', /import, log, noop/)
  })

  it('tell what a schema finds wrong by its place in the payload', async () => {
    assert.deepEqual(await faults({ kind: 'handler', handler: 'import' }), [
      { code: 'INVALID', path: 'payload.rows.0.id', message: 'expected a number' },
      { code: 'INVALID', path: 'payload', message: 'too few' },
    ])
  })
})

describe('the rules of command targets', () => {
  it('refuse everything unless the operator lists it', async () => {
    const command = { kind: 'command', executable: '/bin/true', args: [] } as const
    const [fault] = await faults(command)
    assert.deepEqual([fault?.code, fault?.path], ['NOT_ALLOWED', 'target.command.executable'])
    assert.match(fault?.message ?? '', /ORRERY_ALLOW_COMMANDS/)
    assert.deepEqual(await faults(command, rulesOf([], ['/bin/true'])), [])
    assert.equal((await faults({ ...command, executable: '/bin/false' }, rulesOf([], ['/bin/true'])))[0]?.code, 'NOT_ALLOWED')
  })

  it('refuse arguments that no process can be given', async () => {
    const rules = rulesOf([], ['/bin/true'])
    const command = { kind: 'command', executable: '/bin/true' } as const
    assert.deepEqual(
      (await faults({ ...command, args: ['a', 'b\0'] }, rules)).map(({ path }) => path),
      ['target.command.args.1'],
    )
    assert.deepEqual(
      (await faults({ ...command, args: ['x'.repeat(65_537)] }, rules)).map(({ code }) => code),
      ['TOO_LARGE'],
    )
  })
})
