import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, createServer, get } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { test } from 'node:test'
import { createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { createLog } from '../../src/log.ts'
import { createOperations } from '../../src/server/operations.ts'
import { EVERYBODY } from '../../src/server/viewer.ts'
import { createSocketServer } from '../../src/server/websocket.ts'
import { openTicks, post, startTestServer, testSchema } from './testServer.ts'

/** Well above the grace that the test servers give, and well below any timeout of a connection. */
const BOUND = 3_000

async function within<T>(bound: number, work: Promise<T>): Promise<T> {
  const started = performance.now()
  const value = await work
  assert.ok(performance.now() - started < bound, `took ${Math.round(performance.now() - started)} ms`)
  return value
}

test('a stop with open streams of every kind, read or not, ends within its bound; clients are told to come back', async () => {
  const server = await startTestServer()
  const { port } = server
  const codes: number[] = []
  const client = createClient({
    url: `ws://127.0.0.1:${port}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    on: { closed: (event) => codes.push((event as { code: number }).code) },
  })
  const events = client.iterate({ query: 'subscription { runs { run } }' })
  await events.next()
  const stalled = new WebSocket(`ws://127.0.0.1:${port}/graphql`, 'graphql-transport-ws')
  await once(stalled, 'open')
  stalled.pause()
  const stream = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: '{"query":"subscription { runs { run } }"}',
  })
  const token = await (await fetch(`${server.url}/graphql`, { method: 'PUT' })).text()
  const shared = await fetch(`${server.url}/graphql?token=${token}`)
  await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-graphql-event-stream-token': token },
    body: '{"query":"subscription { runs { run } }","extensions":{"operationId":"1"}}',
  })
  const idle = connect(port, '127.0.0.1')
  await once(idle, 'connect')
  const half = connect(port, '127.0.0.1')
  half.write('POST /graphql HTTP/1.1\r\nHost: ')
  idle.on('error', () => {})
  half.on('error', () => {})
  const underWay = post(server.url, { query: '{ slow }' })
  await new Promise((resolve) => setTimeout(resolve, 50))

  const ends = Promise.all(
    [stream, shared].map((each) =>
      each.text().then(
        (text) => text,
        () => 'cut',
      ),
    ),
  )
  await within(BOUND, server.server.stop())
  // Not completed: a client would take that for the end of the subscription and not come back.
  for (const end of await ends) assert.equal(end.includes('complete'), false)
  assert.deepEqual((await underWay).body, { data: { slow: 'done' }, extensions: { cost: 0 } })
  await assert.rejects(events.next())
  assert.deepEqual(codes, [1001])
  assert.equal(server.stream.readers, 0)
  assert.equal(server.store.listeners.size, 0)
  await assert.rejects(post(server.url, { query: '{ hello }' }))
  assert.deepEqual(server.logged, [])
  stalled.terminate()
})

test('a stop without connections is immediate, and a server that never started stops too', async () => {
  const server = await startTestServer()
  await post(server.url, { query: '{ hello }' })
  await within(400, server.server.stop())
  await within(400, server.server.stop())
})

test('a request that was on its way on a kept connection when the stop began is answered, and closes it', async () => {
  const server = await startTestServer({}, { grace: 5_000 })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const ping = (): Promise<string | undefined> =>
    new Promise((resolve, reject) => {
      get(`${server.url}/ping`, { agent }, (res) => res.resume().once('end', () => resolve(res.headers.connection))).once('error', reject)
    })
  assert.equal(await ping(), 'keep-alive')
  const stopped = server.server.stop()
  assert.equal(await ping(), 'close')
  await stopped
  await assert.rejects(ping())
})

test('an operation that outlives the grace is cut off', async () => {
  const server = await startTestServer({}, { grace: 20 })
  const underWay = post(server.url, { query: '{ slow }' }).then(
    () => 'answered',
    () => 'cut',
  )
  await new Promise((resolve) => setTimeout(resolve, 50))
  await within(280, server.server.stop())
  assert.equal(await underWay, 'cut')
})

test('sockets that give no sign of life are ended; those that answer pings stay', async () => {
  const log = createLog({ logLevel: 'silent', logFormat: 'json' })
  const operations = createOperations({ schema: testSchema, contextFor: () => ({}), log })
  const sockets = createSocketServer({ operations, viewer: EVERYBODY, maxOperations: 10, log })
  const http = createServer().on('upgrade', (req, socket, head) => sockets.accept(req, socket, head))
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const url = `ws://127.0.0.1:${(http.address() as AddressInfo).port}`
  const alive = new WebSocket(url, 'graphql-transport-ws')
  const dead = new WebSocket(url, 'graphql-transport-ws', { autoPong: false })
  await Promise.all([once(alive, 'open'), once(dead, 'open')])
  dead.send('{"type":"connection_init"}')
  alive.send('{"type":"connection_init"}')
  await once(dead, 'message')
  dead.send('{"id":"1","type":"subscribe","payload":{"query":"subscription { ticks(to: 0) }"}}')
  while (openTicks.count === 0) await new Promise(setImmediate)
  const gone = once(dead, 'close')
  for (let round = 0; sockets.size === 2; round++) {
    assert.ok(round < 10)
    const ponged = once(alive, 'ping')
    for (let sweep = 0; sweep < 20; sweep++) sockets.sweep()
    await ponged
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  assert.equal((await gone)[0], 1006)
  assert.equal(alive.readyState, WebSocket.OPEN)
  assert.equal(openTicks.count, 0)
  alive.close()
  await sockets.close(100)
  http.close()
})
