import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { Webhook } from 'standardwebhooks'
import type { HttpTarget } from '../../src/domain/job.ts'
import type { Outcome } from '../../src/domain/run.ts'
import { webhookSecret } from '../../src/domain/webhookSecret.ts'
import { createAddressGuard } from '../../src/worker/targets/addresses.ts'
import type { HttpPerformer } from '../../src/worker/targets/http.ts'
import { createHttpPerformer } from '../../src/worker/targets/http.ts'
import { errorOf, outputOf, testAttempt } from './fixtures/attempt.ts'

const SECRET = webhookSecret(new Uint8Array(32).fill(1))
const OWN_SECRET = webhookSecret(new Uint8Array(32).fill(2))
const NOW = Date.now()

interface Received {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly socket: Socket
}

/** Addresses of names that no DNS knows. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  'here.test': ['127.0.0.1'],
  'inside.test': ['10.0.0.1'],
  'both.test': ['127.0.0.1', '10.0.0.1'],
  'metadata.test': ['::ffff:169.254.169.254'],
}

describe('http targets', () => {
  const received: Received[] = []
  let answer: (request: Received, response: ServerResponse) => void
  let origin: string
  let performer: HttpPerformer
  let resolutions: string[] = []

  const server = createServer(async (request: IncomingMessage, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { method = '', url = '', headers, socket } = request
    const seen = { method, url, headers, body: Buffer.concat(chunks).toString(), socket }
    received.push(seen)
    answer(seen, response)
  })
  const resolve = async (name: string) => {
    resolutions.push(name)
    const addresses = NAMES[name]
    if (!addresses) throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: 'ENOTFOUND' })
    return addresses
  }
  const create = (allow: readonly string[]) =>
    createHttpPerformer({ guard: createAddressGuard(allow), resolve, signingSecret: SECRET, now: () => NOW })
  before(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    performer = create(['127.0.0.0/8'])
  })
  after(async () => {
    await performer.close()
    server.closeAllConnections()
    server.close()
  })

  const targetOf = (more: Partial<HttpTarget> = {}): HttpTarget => {
    const target = { kind: 'http', url: '/', method: 'POST', headers: [], expectStatus: ['2xx'], secret: null, ...more } as const
    return { ...target, url: target.url.startsWith('/') ? origin + target.url : target.url }
  }
  const begin = (more: Partial<HttpTarget> = {}, options: Parameters<typeof testAttempt>[1] = {}, by = performer) => {
    const target = targetOf(more)
    const attempt = testAttempt(target, options)
    received.length = 0
    resolutions = []
    return { ...attempt, outcome: by.perform(target, attempt.context) }
  }
  const perform = (...args: Parameters<typeof begin>): Promise<Outcome> => begin(...args).outcome
  const answering = (status: number, headers: Record<string, string> = {}, body = '') => {
    answer = (_request, response) => response.writeHead(status, headers).end(body)
  }

  describe('the request', () => {
    it('carries the payload as stored, and says which run it is', async () => {
      answering(200)
      await perform({ url: '/hook?a=1#part' }, { payload: { b: 1, a: ['ü'] }, runId: 'run_42', number: 3 })
      const [request] = received
      assert.equal(request?.method, 'POST')
      assert.equal(request?.url, '/hook?a=1')
      assert.equal(request?.body, '{"b":1,"a":["ü"]}')
      const { headers } = request!
      assert.equal(headers['content-type'], 'application/json')
      assert.equal(headers['content-length'], '18')
      assert.equal(headers['orrery-run-id'], 'run_42')
      assert.equal(headers['orrery-attempt'], '3')
      assert.equal(headers['orrery-scheduled-for'], '2026-01-02T03:04:05.000Z')
      assert.equal(headers['idempotency-key'], 'run_42')
      assert.equal(headers['webhook-id'], 'run_42')
      assert.equal(headers['webhook-timestamp'], String(Math.floor(NOW / 1000)))
    })

    it('is signed so that the standardwebhooks package accepts it, and no other secret or body does', async () => {
      answering(200)
      await perform({}, { payload: { text: 'für 7 €' } })
      const { body, headers } = received[0]!
      assert.deepEqual(new Webhook(SECRET).verify(body, headers as Record<string, string>), { text: 'für 7 €' })
      assert.throws(() => new Webhook(OWN_SECRET).verify(body, headers as Record<string, string>))
      assert.throws(() => new Webhook(SECRET).verify(`${body} `, headers as Record<string, string>))
      await perform({ secret: OWN_SECRET }, { payload: [1] })
      assert.deepEqual(new Webhook(OWN_SECRET).verify(received[0]!.body, received[0]!.headers as Record<string, string>), [1])
    })

    it('has no body for GET, HEAD and a run without a payload, and the signature covers the empty text', async () => {
      answering(200)
      for (const method of ['GET', 'HEAD'] as const) {
        await perform({ method, headers: [{ name: 'Content-Type', value: 'text/plain', secret: false }] }, { payload: { a: 1 } })
        const { body, headers } = received[0]!
        assert.equal(body, '')
        assert.equal(headers['content-type'], undefined)
        new Webhook(SECRET).verify(body, headers as Record<string, string>)
      }
      await perform({ method: 'DELETE' })
      assert.equal(received[0]?.body, '')
      assert.equal(received[0]?.headers['content-type'], undefined)
    })

    it('carries the headers of the target', async () => {
      answering(200)
      const headers = [
        { name: 'Authorization', value: 'Bearer x', secret: true },
        { name: 'content-type', value: 'application/vnd.own+json', secret: false },
        { name: 'User-Agent', value: 'mine', secret: false },
      ]
      await perform({ headers }, { payload: 1 })
      assert.equal(received[0]?.headers.authorization, 'Bearer x')
      assert.equal(received[0]?.headers['content-type'], 'application/vnd.own+json')
      assert.equal(received[0]?.headers['user-agent'], 'mine')
    })

    it('reuses connections', async () => {
      answering(200)
      const ports = new Set<number | undefined>()
      for (let i = 0; i < 10; i++) {
        await perform()
        ports.add(received[0]?.socket.remotePort)
      }
      assert.ok(ports.size <= 2, `${ports.size} connections for 10 requests in turn`)
    })
  })

  describe('the answer', () => {
    it('is the output: status, headers of interest, and JSON as it came', async () => {
      answering(
        201,
        { 'content-type': 'application/json', 'x-request-id': 'r1', 'x-other': 'no', location: '/made' },
        '{ "id": 12345678901234567890 }',
      )
      const outcome = await perform()
      assert.ok(outcome.kind === 'SUCCEEDED')
      assert.match(outcome.output ?? '', /12345678901234567890/)
      const output = outputOf(outcome) as { status: number; headers: Record<string, string>; truncated: boolean }
      assert.equal(output.status, 201)
      assert.equal(output.truncated, false)
      const { date, ...headers } = output.headers
      assert.ok(date)
      assert.deepEqual(headers, { 'content-type': 'application/json', 'x-request-id': 'r1', location: '/made' })
    })

    it('that is no JSON is text, in its charset', async () => {
      answer = (_request, response) =>
        response.writeHead(200, { 'content-type': 'text/plain; charset=iso-8859-1' }).end(Buffer.from('für', 'latin1'))
      assert.equal((outputOf(await perform()) as { body: string }).body, 'für')
      answer = (_request, response) => response.writeHead(200, { 'content-type': 'text/plain; charset=x-unknown' }).end('für')
      assert.equal((outputOf(await perform()) as { body: string }).body, 'für')
      answering(204)
      assert.equal((outputOf(await perform()) as { body: string }).body, '')
    })

    it('is cut so that the output fits 64 KiB, however its characters are written', async () => {
      for (const text of [
        'x'.repeat(200_000),
        '\u0001'.repeat(60_000),
        '€'.repeat(30_000),
        '💥'.repeat(40_000),
        `{"a":"${'x'.repeat(65_500)}"}`,
      ]) {
        answering(200, {}, text)
        const outcome = await perform()
        assert.ok(outcome.kind === 'SUCCEEDED' && outcome.output !== null)
        assert.ok(Buffer.byteLength(outcome.output) <= 65_536)
        assert.ok(Buffer.byteLength(outcome.output) > 60_000)
        const { body, truncated } = outputOf(outcome) as { body: string; truncated: boolean }
        assert.ok(truncated)
        assert.ok(text.startsWith(body.replace(/\ufffd$/, '')))
      }
    })

    it('whose body never ends is read no further than needed', async () => {
      let closed: Promise<unknown> = Promise.resolve()
      answer = (_request, response) => {
        closed = once(response, 'close')
        const write = () => {
          while (!response.destroyed && response.write('y'.repeat(10_000)));
          if (!response.destroyed) response.once('drain', write)
        }
        response.writeHead(200)
        write()
      }
      const outcome = await perform()
      assert.equal((outputOf(outcome) as { truncated: boolean }).truncated, true)
      await closed
    })

    it('that does not come, or does not end, ends with the signal, and its socket with it', async () => {
      for (const begins of [false, true]) {
        const asked = Promise.withResolvers<{ closed: Promise<unknown> }>()
        answer = (_request, response) => {
          asked.resolve({ closed: once(response, 'close') })
          if (begins) response.writeHead(200).write('begin')
        }
        const attempt = begin()
        const { closed } = await asked.promise
        attempt.abort()
        assert.deepEqual(await attempt.outcome, { kind: 'CANCELLED' })
        await closed
      }
    })

    it('decides by its status whether another attempt may do better', async () => {
      for (const [status, retryable] of [
        [400, false],
        [401, false],
        [404, false],
        [410, false],
        [408, true],
        [425, true],
        [429, true],
        [500, true],
        [503, true],
        [304, true],
      ] as const) {
        answering(status, {}, 'why')
        const outcome = await perform({ url: '/hook?token=secret' })
        const error = errorOf(outcome)
        assert.deepEqual([error.code, error.retryable], ['HTTP_STATUS', retryable], String(status))
        assert.match(error.message, new RegExp(`POST http://127.0.0.1:\\d+/hook answered ${status}.*expected 2xx`))
        assert.doesNotMatch(error.message, /secret/)
        assert.equal((outputOf(outcome) as { status: number }).status, status)
      }
    })

    it('is a success by the rules of the target alone', async () => {
      answering(404)
      assert.equal((await perform({ expectStatus: ['2xx', '404'] })).kind, 'SUCCEEDED')
      answering(200)
      assert.equal(errorOf(await perform({ expectStatus: ['201-204'] })).retryable, true)
      answering(302, { location: '/elsewhere' })
      assert.equal((await perform({ expectStatus: ['3xx'] })).kind, 'SUCCEEDED')
      assert.equal(received.length, 1)
    })

    it('may say when to come back, in seconds or as a date, within an hour', async () => {
      const waits = async (status: number, value: string) => {
        answering(status, { 'retry-after': value })
        const outcome = await perform()
        return outcome.kind === 'FAILED' ? outcome.retryAfter : undefined
      }
      assert.equal(await waits(429, '7'), 7_000)
      assert.equal(await waits(503, '0'), 0)
      assert.equal(await waits(503, '86400'), 3_600_000)
      const wait = await waits(503, new Date(NOW + 90_000).toUTCString())
      assert.ok(wait && wait > 88_000 && wait <= 90_000, String(wait))
      assert.equal(await waits(429, new Date(NOW - 90_000).toUTCString()), 0)
      assert.equal(await waits(429, 'soon'), null)
      assert.equal(await waits(500, '7'), null)
    })
  })

  describe('redirects', () => {
    const redirecting = (status: number, to: (request: Received) => string) => {
      answer = (request, response) =>
        request.url === '/from' ? response.writeHead(status, { location: to(request) }).end('moved') : response.end('there')
    }

    it('within the origin are followed with the same request, signed anew', async () => {
      for (const status of [301, 302, 307, 308]) {
        redirecting(status, () => '/to?x=1')
        const outcome = await perform({ url: '/from' }, { payload: { a: 1 } })
        assert.equal((outputOf(outcome) as { body: string }).body, 'there')
        assert.deepEqual(
          received.map(({ method, url, body }) => [method, url, body]),
          [
            ['POST', '/from', '{"a":1}'],
            ['POST', '/to?x=1', '{"a":1}'],
          ],
        )
        new Webhook(SECRET).verify(received[1]!.body, received[1]!.headers as Record<string, string>)
      }
    })

    it('of status 303 are followed with a GET without a body', async () => {
      redirecting(303, () => '/to')
      await perform({ url: '/from' }, { payload: { a: 1 } })
      const { method, body, headers } = received[1]!
      assert.deepEqual([method, body, headers['content-type']], ['GET', '', undefined])
      new Webhook(SECRET).verify('', headers as Record<string, string>)
    })

    it('to another origin are not followed', async () => {
      const other = createServer((_request, response) => assert.fail(`asked ${response}`))
      other.listen(0, '127.0.0.1')
      await once(other, 'listening')
      const { port } = other.address() as AddressInfo
      for (const location of [
        `http://127.0.0.1:${port}/to`,
        'http://169.254.169.254/latest',
        'https://example.com/',
        '//example.com/x',
        'file:///etc/passwd',
      ]) {
        redirecting(302, () => location)
        const outcome = await perform({ url: '/from' })
        const error = errorOf(outcome)
        assert.deepEqual([error.code, error.retryable], ['REDIRECT_REFUSED', false], location)
        assert.equal((outputOf(outcome) as { status: number }).status, 302)
      }
      other.close()
    })

    it('are followed five times and no more', async () => {
      answer = (request, response) => {
        const step = Number(request.url.slice(1))
        if (step === 0) response.end('done')
        else response.writeHead(302, { location: `/${step - 1}` }).end()
      }
      assert.equal((await perform({ url: '/5' })).kind, 'SUCCEEDED')
      assert.equal(errorOf(await perform({ url: '/6' })).code, 'TOO_MANY_REDIRECTS')
    })

    it('that lead nowhere are answers', async () => {
      answering(302)
      assert.equal(errorOf(await perform()).code, 'HTTP_STATUS')
      answering(302, { location: 'http://[' })
      assert.equal(errorOf(await perform()).code, 'HTTP_STATUS')
    })
  })

  describe('addresses', () => {
    const port = () => new URL(origin).port

    it('that are not public are refused before a connection is made, however they are written', async () => {
      const strict = create([])
      answer = () => assert.fail('a connection was made')
      for (const host of [
        '127.0.0.1',
        '2130706433',
        '0x7f.1',
        '0177.0.0.1',
        '127.1',
        '127.0.0.1.',
        '[::1]',
        '[::ffff:127.0.0.1]',
        '[::ffff:7f00:1]',
        '0.0.0.0',
      ]) {
        const error = errorOf(await perform({ url: `http://${host}:${port()}/` }, {}, strict))
        assert.deepEqual([error.code, error.retryable], ['ADDRESS_NOT_ALLOWED', false], host)
        assert.match(error.message, /ORRERY_ALLOW_TARGETS/)
      }
      await strict.close()
    })

    it('of a name are checked, and connected to without asking again', async () => {
      answering(200)
      assert.equal((await perform({ url: `http://here.test:${port()}/` })).kind, 'SUCCEEDED')
      assert.deepEqual(resolutions, ['here.test'])
      assert.equal(received[0]?.headers.host, `here.test:${port()}`)
    })

    it('of a name that leads inside are refused, even beside one that is allowed', async () => {
      for (const [name, address] of [
        ['inside.test', /10\.0\.0\.1, a private/],
        ['both.test', /10\.0\.0\.1, a private/],
        ['metadata.test', /169\.254\.169\.254, a link-local/],
      ] as const) {
        const error = errorOf(await perform({ url: `http://${name}:${port()}/` }))
        assert.equal(error.code, 'ADDRESS_NOT_ALLOWED')
        assert.match(error.message, address)
      }
      assert.deepEqual(received, [])
    })

    it('that a name changes to are checked again with the next connection', async () => {
      answer = (_request, response) => response.writeHead(200, { connection: 'close' }).end()
      let answers = ['127.0.0.1']
      const changing = createHttpPerformer({
        guard: createAddressGuard(['127.0.0.1']),
        resolve: async () => answers,
        signingSecret: SECRET,
        now: () => NOW,
      })
      assert.equal((await perform({ url: `http://rebind.test:${port()}/` }, {}, changing)).kind, 'SUCCEEDED')
      answers = ['127.0.0.2']
      assert.equal(errorOf(await perform({ url: `http://rebind.test:${port()}/` }, {}, changing)).code, 'ADDRESS_NOT_ALLOWED')
      await changing.close()
    })
  })

  describe('failures of the network', () => {
    const failing = async (behave: (socket: Socket) => void, scheme = 'http') => {
      const tcp = createTcpServer((socket) => {
        socket.on('error', () => {})
        behave(socket)
      })
      tcp.listen(0, '127.0.0.1')
      await once(tcp, 'listening')
      const outcome = await perform({ url: `${scheme}://127.0.0.1:${(tcp.address() as AddressInfo).port}/` })
      tcp.close()
      return errorOf(outcome)
    }

    it('are told by code, and may be tried again', async () => {
      const free = createTcpServer().listen(0, '127.0.0.1')
      await once(free, 'listening')
      const { port } = free.address() as AddressInfo
      free.close()
      await once(free, 'close')
      const refused = errorOf(await perform({ url: `http://127.0.0.1:${port}/` }))
      assert.deepEqual([refused.code, refused.retryable], ['CONNECTION_REFUSED', true])
      const unknown = errorOf(await perform({ url: 'http://nowhere.test/' }))
      assert.deepEqual([unknown.code, unknown.retryable], ['DNS_FAILED', true])
      assert.equal((await failing((socket) => socket.destroy())).code, 'CONNECTION_LOST')
      assert.equal(
        (await failing((socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc', () => socket.destroy()))).code,
        'CONNECTION_LOST',
      )
      assert.equal((await failing((socket) => socket.write('SSH-2.0-OpenSSH\r\n'))).code, 'INVALID_ANSWER')
      assert.equal((await failing((socket) => socket.write(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`))).code, 'INVALID_ANSWER')
      assert.equal((await failing((socket) => socket.write('no TLS here\r\n'), 'https')).code, 'TLS_FAILED')
    })

    it('after an abort are of no interest', async () => {
      const target = targetOf()
      const attempt = testAttempt(target)
      attempt.abort()
      assert.deepEqual(await performer.perform(target, attempt.context), { kind: 'CANCELLED' })
    })
  })
})
