import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { describe, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { encodeCursor } from '../../src/stream/cursor.ts'
import { startTestServer, type TestServer } from './testServer.ts'

setFlagsFromString('--expose_gc')
const collectGarbage = runInNewContext('gc') as () => void

const RUNS = 4_000
const ROUNDS = 25
/** Unread, the changes of one reader would come to 400 MB as messages. */
const PAYLOAD = 'x'.repeat(4_000)
const BOUND = 40 * 1_048_576
const QUERY = 'subscription { runs { cursor run status payload } }'

/** A connection that asks for the stream and then reads nothing. */
async function stalledWebSocket(port: number): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/graphql`, 'graphql-transport-ws')
  await new Promise((resolve) => socket.once('open', resolve))
  socket.send('{"type":"connection_init"}')
  await new Promise((resolve) => socket.once('message', resolve))
  socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: QUERY } }))
  await new Promise((resolve) => socket.once('message', resolve))
  socket.pause()
  return socket
}

async function stalledEventStream(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  const body = JSON.stringify({ query: QUERY })
  socket.write(
    `POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  )
  await new Promise((resolve) => socket.once('data', resolve))
  socket.pause()
  return socket
}

/** As above, in single connection mode: the stream is one request, the operation another. */
async function stalledSharedStream(port: number): Promise<Socket> {
  const url = `http://127.0.0.1:${port}/graphql`
  const token = await (await fetch(url, { method: 'PUT' })).text()
  const socket = connect(port, '127.0.0.1')
  socket.write(`GET /graphql?token=${token} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAccept: text/event-stream\r\n\r\n`)
  const headers = { 'content-type': 'application/json', 'x-graphql-event-stream-token': token }
  const body = JSON.stringify({ query: QUERY, extensions: { operationId: '1' } })
  await new Promise((resolve) => socket.once('data', resolve))
  await fetch(url, { method: 'POST', headers, body })
  socket.pause()
  return socket
}

/** 100,000 changes: every run goes through its states, the last one is final. */
async function change(server: TestServer): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const status = round === ROUNDS - 1 ? 'SUCCEEDED' : 'RUNNING'
    for (let first = 0; first < RUNS; first += 200) {
      server.store.commit(Array.from({ length: 200 }, (_, index) => ({ id: `run_${first + index}`, status, payload: PAYLOAD })))
      await new Promise(setImmediate)
    }
  }
}

describe('readers that stop reading while 100,000 changes happen', () => {
  test('cost bounded memory, disturb nobody, and get every final state when they read on', async () => {
    await using server = await startTestServer()
    const client = createClient({ url: `ws://127.0.0.1:${server.port}/graphql`, webSocketImpl: WebSocket })
    const events = client.iterate<{ runs: { run: string; status: string } }>({ query: 'subscription { runs { run status } }' })
    await events.next()
    const sockets = await Promise.all(Array.from({ length: 10 }, () => stalledWebSocket(server.port)))
    const streams = await Promise.all(
      Array.from({ length: 6 }, (_, i) => (i % 2 === 0 ? stalledEventStream(server.port) : stalledSharedStream(server.port))),
    )

    collectGarbage()
    const before = process.memoryUsage()
    const changing = change(server)
    const finished = new Set<string>()
    let greatest = 0
    let seen = 0
    while (finished.size < RUNS) {
      const { value } = await events.next()
      if (value?.data?.runs.status === 'SUCCEEDED') finished.add(value.data.runs.run)
      if (++seen % 2_000 !== 0) continue
      collectGarbage()
      const now = process.memoryUsage()
      greatest = Math.max(greatest, now.heapUsed + now.external - before.heapUsed - before.external)
    }
    await changing
    assert.ok(seen > RUNS)
    collectGarbage()
    const after = process.memoryUsage()
    greatest = Math.max(greatest, after.heapUsed + after.external - before.heapUsed - before.external)
    assert.ok(greatest < BOUND, `${Math.round(greatest / 1_048_576)} MB more than before`)

    const [socket] = sockets
    const late = new Set<string>()
    await new Promise<void>((resolve) => {
      socket?.on('message', (data) => {
        const { run, status } = JSON.parse(String(data)).payload.data.runs
        if (status === 'SUCCEEDED') {
          assert.equal(late.has(run), false)
          late.add(run)
        }
        if (late.size === RUNS) resolve()
      })
      socket?.resume()
    })
    await events.return?.()
    await client.dispose()
    for (const each of sockets) each.terminate()
    for (const each of streams) each.destroy()
    while (server.stream.readers > 0) await new Promise(setImmediate)
    assert.equal(server.store.listeners.size, 0)
  })
})

test('a client that asks much and reads nothing waits for itself: its questions are not read', async () => {
  await using server = await startTestServer()
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/graphql`, 'graphql-transport-ws')
  await new Promise((resolve) => socket.once('open', resolve))
  socket.send('{"type":"connection_init"}')
  await new Promise((resolve) => socket.once('message', resolve))
  socket.pause()
  collectGarbage()
  const before = process.memoryUsage()
  // Each answer has 1 MB; one at a time is within every limit on operations.
  for (let index = 0; index < 500; index++) {
    socket.send(JSON.stringify({ id: String(index), type: 'subscribe', payload: { query: '{ text(length: 1000000) }' } }))
    await new Promise(setImmediate)
  }
  collectGarbage()
  const now = process.memoryUsage()
  const more = now.heapUsed + now.external + now.arrayBuffers - before.heapUsed - before.external - before.arrayBuffers
  assert.ok(more < 40 * 1_048_576, `${Math.round(more / 1_048_576)} MB`)
  assert.equal((await fetch(`${server.url}/ping`)).status, 200)
  socket.terminate()
})

test('a reader far behind does not hold the loop: timers come to their turn while it catches up', async () => {
  await using server = await startTestServer()
  await change(server)
  const client = createClient({ url: `ws://127.0.0.1:${server.port}/graphql`, webSocketImpl: WebSocket })
  const events = client.iterate<{ runs: { run: string | null } }>({
    query: `subscription { runs(after: "${encodeCursor('db_test', 0)}") { run } }`,
  })
  let turns = 0
  const timer = setInterval(() => turns++, 1)
  const runs = new Set<string>()
  for await (const { data } of events) {
    if (data?.runs.run == null) break
    runs.add(data.runs.run)
  }
  clearInterval(timer)
  assert.equal(runs.size, RUNS)
  assert.ok(turns >= RUNS / 100, `${turns} turns`)
  await client.dispose()
})
