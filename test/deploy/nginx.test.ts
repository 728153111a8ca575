import assert from 'node:assert/strict'
import { createServer, get, type IncomingMessage, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { createClient as createSseClient } from 'graphql-sse'
import { createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { post, startTestServer, type TestServer } from '../server/testServer.ts'
import { type Nginx, noNginx, startNginx } from '../support/nginx.ts'

// deploy/nginx.conf in a real NGINX, before real servers, and before some that misbehave on purpose.

const options = { skip: noNginx }

/** To a server that listens on all addresses, as in a container: it cannot know by which names it is called. */
const HOST = '::ffff:127.0.0.1'

async function behindNginx(t: TestContext, deps: readonly Parameters<typeof startTestServer>[1][] = [{}, {}]) {
  const servers: TestServer[] = []
  for (const each of deps) servers.push(await startTestServer({ host: HOST }, each))
  const nginx = await startNginx(servers.map(({ port }) => port))
  t.after(async () => {
    await nginx[Symbol.asyncDispose]()
    for (const server of servers) await server[Symbol.asyncDispose]()
  })
  return { nginx, servers: servers as [TestServer, TestServer] }
}

/** A server of the test's own, behind NGINX before one that answers well; what comes to either is counted. */
async function withBroken(t: TestContext, answer: (req: IncomingMessage) => void) {
  const seen = { broken: 0, well: 0 }
  const servers: HttpServer[] = [
    createServer((req) => {
      seen.broken++
      answer(req)
    }),
    createServer((req, res) => {
      seen.well++
      req.resume().on('end', () => res.end('{"data":null}'))
    }),
  ]
  for (const server of servers) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const nginx = await startNginx(servers.map((server) => (server.address() as AddressInfo).port))
  t.after(async () => {
    await nginx[Symbol.asyncDispose]()
    for (const server of servers) server.close().closeAllConnections()
  })
  return { nginx, seen }
}

/** A GET with a Host of its own, which fetch does not allow. */
function getAs(nginx: Nginx, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    get({ port: nginx.port, host: '127.0.0.1', path: '/ping', headers: { host } }, (res) => resolve(res.resume().statusCode)).on(
      'error',
      reject,
    )
  })
}

test('requests are spread over the servers, and keep their id', options, async (t) => {
  const { nginx } = await behindNginx(t)
  for (let i = 0; i < 20; i++) {
    const { status, body, headers } = await post(nginx.url, { query: '{ hello }' }, { 'x-request-id': `mine-${i}` })
    assert.deepEqual([status, body.data], [200, { hello: 'hello world' }])
    assert.equal(headers.get('x-request-id'), `mine-${i}`)
    assert.equal(headers.get('server'), 'nginx', 'no version')
  }
  const { headers } = await post(nginx.url, { query: '{ hello }' })
  assert.match(headers.get('x-request-id') ?? '', /^[0-9a-f]{32}$/)
  const lines = nginx.accessLog()
  assert.equal(new Set(lines.map(({ upstream }) => upstream)).size, 2)
  assert.equal(lines[0]?.requestId, 'mine-0')
})

test('it answers to its own names only, and passes them on for pages of its own', options, async (t) => {
  const { nginx } = await behindNginx(t)
  for (const name of ['127.0.0.1', 'localhost', '[::1]']) assert.equal(await getAs(nginx, `${name}:${nginx.port}`), 200, name)
  assert.equal(await getAs(nginx, `rebound.example:${nginx.port}`), 421)
  assert.equal((await post(nginx.url, { query: '{ hello }' }, { origin: nginx.url })).status, 200)
  assert.equal((await post(nginx.url, { query: '{ hello }' }, { origin: 'http://elsewhere.example' })).status, 403)
  assert.equal((await fetch(`${nginx.url}/metrics`)).status, 404)
})

test('a mutation that broke off is not sent again; a GET is', options, async (t) => {
  const { nginx, seen } = await withBroken(t, (req) => req.socket.destroy())
  const answers: number[] = []
  // Balancing begins anywhere: one of two POSTs comes to the broken server.
  for (let i = 0; i < 2; i++) answers.push((await post(nginx.url, { query: 'mutation { bump }' })).status)
  assert.deepEqual([answers.sort(), seen], [[200, 502], { broken: 1, well: 1 }])

  for (let i = 0; i < 2; i++) assert.equal((await fetch(`${nginx.url}/graphql?query={hello}`)).status, 200)
  assert.deepEqual(seen, { broken: 2, well: 3 })
})

test('what became of an operation without an answer is said to be unknown', options, async (t) => {
  const { nginx } = await withBroken(t, (req) => req.socket.destroy())
  const answers = [await post(nginx.url, { query: 'mutation { bump }' }), await post(nginx.url, { query: 'mutation { bump }' })]
  const away = answers.find(({ status }) => status === 502)
  assert.equal(away?.body.errors[0].extensions.code, 'UNAVAILABLE')
  assert.match(away?.headers.get('x-request-id') ?? '', /^[0-9a-f]{32}$/)
})

test('with one of two servers gone every operation is answered, mutations too', options, async (t) => {
  const { nginx, servers } = await behindNginx(t)
  await servers[0].server.stop()
  for (let i = 0; i < 20; i++) assert.deepEqual((await post(nginx.url, { query: 'mutation { bump }' })).body.data, { bump: 1 })
  assert.equal((await fetch(`${nginx.url}/health/ready`)).status, 200)
  await servers[1].server.stop()
  assert.equal((await post(nginx.url, { query: 'mutation { bump }' })).body.errors[0].extensions.code, 'UNAVAILABLE')
  assert.equal((await fetch(`${nginx.url}/health/ready`)).status, 502)
  assert.equal((await fetch(`${nginx.url}/health/live`)).status, 200)
})

test('it is ready as long as one server is', options, async (t) => {
  let database = 'ok'
  const { nginx, servers } = await behindNginx(t, [{}, { readiness: async () => ({ database }) }])
  servers[0].server.drain()
  for (let i = 0; i < 4; i++) assert.equal((await fetch(`${nginx.url}/health/ready`)).status, 200)
  database = 'away'
  assert.ok((await fetch(`${nginx.url}/health/ready`)).status >= 500)
  // Servers that are not ready still answer: it is they who say what is wrong.
  assert.equal((await post(nginx.url, { query: '{ hello }' })).status, 200)
})

/** The next event of `runs` that tells of a run, rather than of the reader's place. */
async function nextRun(events: AsyncIterator<{ data?: { runs: { run: string | null } } | null | undefined }>): Promise<string> {
  for (;;) {
    const { value, done } = await events.next()
    if (done === true) throw new Error('the events have ended')
    if (value.data?.runs.run) return value.data.runs.run
  }
}

/** Commits a run of another name at each server, so that the one that is told names its server. */
function commitAtEach(servers: readonly TestServer[]): void {
  for (const [i, { store }] of servers.entries()) store.commit([{ id: `at-${i}` }])
}

test('a subscription over WebSocket goes on at the other server when its own ends', options, async (t) => {
  const { nginx, servers } = await behindNginx(t)
  const client = createClient({
    url: `ws://127.0.0.1:${nginx.port}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 50,
    retryWait: async () => {},
  })
  const events = client.iterate<{ runs: { run: string | null } }>({ query: 'subscription { runs { run } }' })
  // What comes first tells that the reader is there.
  await events.next()
  commitAtEach(servers)
  const first = await nextRun(events)
  await servers[first === 'at-0' ? 0 : 1].server.stop()
  await events.next()
  commitAtEach(servers)
  assert.equal(await nextRun(events), first === 'at-0' ? 'at-1' : 'at-0')
  await events.return?.()
  await client.dispose()
})

test('a WebSocket goes to a server that takes it: one that starts or is full refuses', options, async (t) => {
  const { nginx } = await behindNginx(t, [{ starting: true }, {}])
  for (let i = 0; i < 6; i++) {
    const client = createClient({ url: `ws://127.0.0.1:${nginx.port}/graphql`, webSocketImpl: WebSocket, retryAttempts: 0 })
    const events = client.iterate<{ ticks: number }>({ query: 'subscription { ticks(to: 2) }' })
    assert.deepEqual((await events.next()).value?.data, { ticks: 1 })
    await client.dispose()
  }
})

test('server-sent events come one by one, not compressed, to clients that could read both', options, async (t) => {
  const { nginx, servers } = await behindNginx(t)
  const response = await fetch(`${nginx.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', 'accept-encoding': 'gzip' },
    body: JSON.stringify({ query: 'subscription { runs { run } }' }),
  })
  assert.notEqual(response.headers.get('content-encoding'), 'gzip')
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  const until = async (pattern: RegExp): Promise<void> => {
    while (!pattern.test(text)) text += (await reader.read()).value ?? assert.fail(`the stream has ended: ${text}`)
  }
  await until(/"run":null/)
  // Each is waited for before the next is made: what collects events would wait for ever.
  for (const id of ['one', 'two', 'three']) {
    for (const { store } of servers) store.commit([{ id }])
    await until(new RegExp(`"run":"${id}"`))
  }
  await reader.cancel()
})

test('graphql-sse in its single connection mode finds the server that has its stream', options, async (t) => {
  const { nginx, servers } = await behindNginx(t)
  for (let i = 0; i < 4; i++) {
    const client = createSseClient({ url: `${nginx.url}/graphql`, singleConnection: true, retryAttempts: 0 })
    const events = client.iterate<{ runs: { run: string | null } }>({ query: 'subscription { runs { run } }' })
    await events.next()
    commitAtEach(servers)
    assert.match(await nextRun(events), /^at-/)
    await events.return?.()
    client.dispose()
  }
})

test('a body that is too large is refused in words of GraphQL, by the server, and far beyond by NGINX', options, async (t) => {
  const { nginx } = await behindNginx(t)
  for (const size of [300_000, 1_100_000]) {
    const { status, body } = await post(nginx.url, { query: `# ${'x'.repeat(size)}` })
    assert.deepEqual([status, body.errors[0].extensions.code], [413, 'TOO_LARGE'], String(size))
  }
  const { body } = await post(nginx.url, { query: `{ hello } # ${'x'.repeat(3_000)}` })
  assert.deepEqual(body.data, { hello: 'hello world' })
})

test('large answers are compressed', options, async (t) => {
  const { nginx } = await behindNginx(t)
  const { headers, body } = await post(nginx.url, { query: '{ text(length: 100000) }' })
  assert.deepEqual([headers.get('content-encoding'), body.data.text.length], ['gzip', 100_000])
})
