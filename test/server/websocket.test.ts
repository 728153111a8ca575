import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Client, createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { encodeCursor } from '../../src/stream/cursor.ts'
import { openTicks, startTestServer, type TestServer } from './testServer.ts'

// biome-ignore lint/suspicious/noExplicitAny: whatever the server sends; the tests look at it.
type Message = any

/** A WebSocket spoken to message by message. */
class Raw {
  readonly socket: WebSocket
  readonly closed: Promise<number>
  #messages: Message[] = []
  #waiting: ((message: Message) => void) | null = null

  constructor(port: number, protocol: string | string[] = 'graphql-transport-ws') {
    this.socket = new WebSocket(`ws://127.0.0.1:${port}/graphql`, protocol)
    this.socket.on('message', (data) => {
      const message = JSON.parse(String(data))
      if (this.#waiting) this.#waiting(message)
      else this.#messages.push(message)
      this.#waiting = null
    })
    this.socket.on('error', () => {})
    this.closed = new Promise((resolve) => this.socket.on('close', resolve))
  }

  send(message: object | string): void {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message))
  }

  next(): Promise<Message> {
    const message = this.#messages.shift()
    return message === undefined ? new Promise((resolve) => (this.#waiting = resolve)) : Promise.resolve(message)
  }

  async acknowledged(payload?: object): Promise<this> {
    await new Promise((resolve) => this.socket.once('open', resolve))
    this.send({ type: 'connection_init', payload })
    assert.equal((await this.next()).type, 'connection_ack')
    return this
  }

  subscribe(id: string, query: string, variables?: object): void {
    this.send({ id, type: 'subscribe', payload: { query, variables } })
  }

  /** The error of this operation, which must be the next message. */
  async error(id: string): Promise<Message> {
    const message = await this.next()
    assert.deepEqual([message.type, message.id], ['error', id], JSON.stringify(message))
    return message.payload[0]
  }
}

describe('GraphQL over WebSocket', () => {
  let server: TestServer
  let client: Client
  const raw = (protocol?: string[]): Raw => new Raw(server.port, protocol)
  before(async () => {
    server = await startTestServer({ maxSubscriptions: 5 })
    client = createClient({
      url: `ws://127.0.0.1:${server.port}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { authorization: 'Bearer something' },
    })
  })
  after(async () => {
    await client.dispose()
    await server[Symbol.asyncDispose]()
  })

  test('an id stands for one operation, also while one that was completed is still worked on', async () => {
    const open = openTicks.count
    const socket = await raw().acknowledged()
    socket.subscribe('a', '{ slow }')
    socket.send({ id: 'a', type: 'complete' })
    socket.subscribe('a', 'subscription { ticks(to: 0) }')
    const { message, extensions } = await socket.error('a')
    assert.match(message, /"a" is still under way/)
    assert.equal(extensions.code, 'BAD_USER_INPUT')
    socket.subscribe('b', '{ slow }')
    assert.deepEqual(await socket.next(), { id: 'b', type: 'next', payload: { data: { slow: 'done' }, extensions: { cost: 0 } } })
    assert.deepEqual(await socket.next(), { id: 'b', type: 'complete' })
    socket.subscribe('a', 'subscription { ticks(to: 0) }')
    socket.subscribe('b', '{ hello }')
    assert.deepEqual([(await socket.next()).id, openTicks.count], ['b', open + 1])
    socket.socket.close()
    await socket.closed
    while (openTicks.count > open) await new Promise(setImmediate)
  })

  async function all(query: string): Promise<unknown[]> {
    const results: unknown[] = []
    for await (const result of client.iterate({ query })) results.push(result)
    return results
  }

  test("graphql-ws's own client queries, changes and subscribes", async () => {
    assert.deepEqual(await all('{ hello viewer }'), [{ data: { hello: 'hello world', viewer: 'anonymous' }, extensions: { cost: 0 } }])
    assert.deepEqual(await all('mutation { bump }'), [{ data: { bump: 1 }, extensions: { cost: 10 } }])
    assert.deepEqual(
      await all('subscription { ticks(to: 3) }'),
      [1, 2, 3].map((ticks) => ({ data: { ticks }, extensions: { cost: 0 } })),
    )
  })

  test('runs are streamed live, and resumed from a cursor', async () => {
    const events = client.iterate<{ runs: { cursor: string; run: string; status: string } }>({
      query: 'subscription { runs { cursor run status } }',
    })
    const first = await events.next()
    assert.equal(first.value?.data?.runs.run, null)
    server.store.commit([{ id: 'one' }])
    const event = (await events.next()).value?.data?.runs
    assert.deepEqual([event?.run, event?.status], ['one', 'QUEUED'])
    await events.return?.()
    server.store.commit([{ id: 'two' }, { id: 'one', status: 'SUCCEEDED' }])
    const resumed = client.iterate<{ runs: { run: string; status: string } }>({
      query: 'subscription ($after: String) { runs(after: $after) { run status } }',
      variables: { after: event?.cursor },
    })
    const seen = [await resumed.next(), await resumed.next()].map(({ value }) => value?.data?.runs)
    assert.deepEqual(seen, [
      { run: 'two', status: 'QUEUED' },
      { run: 'one', status: 'SUCCEEDED' },
    ])
    await resumed.return?.()
  })

  test('whatever is wrong with an operation is an error of that operation, with its code; the socket and its other subscriptions go on', async () => {
    const socket = await raw().acknowledged()
    socket.subscribe('live', 'subscription { runs { run } }')
    await socket.next()
    const cases = [
      { query: '{ hello', code: 'GRAPHQL_PARSE_FAILED' },
      { query: '{ nothing }', code: 'GRAPHQL_VALIDATION_FAILED' },
      { query: 'subscription { nothing }', code: 'GRAPHQL_VALIDATION_FAILED' },
      { query: 'query ($of: Int!) { twice(of: $of) }', code: 'BAD_USER_INPUT' },
      { query: 'query A { hello } query B { hello }', code: 'GRAPHQL_VALIDATION_FAILED' },
      { query: `{ ${'hello '.repeat(6_000)} }`, code: 'TOO_LARGE' },
      { query: 'subscription { refused }', code: 'INTERNAL' },
      { query: 'subscription { breaks }', code: 'INTERNAL' },
      { query: 'subscription { runs(after: "nonsense") { run } }', code: 'CURSOR_INVALID' },
      { query: `subscription { runs(after: "${encodeCursor('db_test', 1_000_000)}") { run } }`, code: 'CURSOR_INVALID' },
    ]
    for (const [index, { query, code }] of cases.entries()) {
      socket.subscribe(String(index), query)
      if (query.includes('breaks')) assert.deepEqual((await socket.next()).payload, { data: { breaks: 1 }, extensions: { cost: 0 } })
      const error = await socket.error(String(index))
      assert.equal(error.extensions.code, code, query)
      assert.equal(JSON.stringify(error).includes('secret detail'), false)
    }
    server.store.commit([{ id: 'still' }])
    assert.equal((await socket.next()).payload.data.runs.run, 'still')
    socket.socket.close()
    await socket.closed
  })

  test('errors of fields are masked, and nothing meant for the HTTP layer is sent', async () => {
    const socket = await raw().acknowledged()
    socket.subscribe('1', '{ bug refusal hello }')
    const { payload } = await socket.next()
    assert.deepEqual(payload.data, { bug: null, refusal: null, hello: 'hello world' })
    assert.equal(payload.errors[0].extensions.code, 'INTERNAL')
    assert.match(payload.errors[0].extensions.requestId, /^[0-9a-f-]{36}\/1$/)
    assert.deepEqual(payload.errors[1].extensions, { code: 'NOT_FOUND' })
    assert.equal((await socket.next()).type, 'complete')
    socket.socket.close()
  })

  test('one operation too many is refused by itself; ended ones make room, also those cut off before their answer', async () => {
    const socket = await raw().acknowledged()
    for (let index = 0; index < 5; index++) socket.subscribe(String(index), 'subscription { ticks(to: 0) }')
    socket.subscribe('more', 'subscription { ticks(to: 1) }')
    const error = await socket.error('more')
    assert.equal(error.extensions.code, 'TOO_MANY_SUBSCRIPTIONS')
    socket.send({ id: '0', type: 'complete' })
    socket.subscribe('again', '{ hello }')
    assert.equal((await socket.next()).payload.data.hello, 'hello world')
    assert.equal((await socket.next()).type, 'complete')
    // A client that says it is no longer interested does not get more work done at once than others.
    for (let index = 0; index < 20; index++) {
      socket.subscribe(`slow${index}`, '{ slow }')
      socket.send({ id: `slow${index}`, type: 'complete' })
    }
    socket.subscribe('crowded', '{ hello }')
    assert.equal((await socket.next()).payload[0].extensions.code, 'TOO_MANY_SUBSCRIPTIONS')
    socket.socket.close()
    await socket.closed
    while (openTicks.count > 0) await new Promise(setImmediate)
  })

  test('a message that is too large is an error of its operation; one that is far too large closes', async () => {
    const socket = await raw().acknowledged()
    socket.subscribe('big', '{ hello }', { filling: 'x'.repeat(300_000) })
    assert.equal((await socket.error('big')).extensions.code, 'TOO_LARGE')
    socket.subscribe('ok', '{ hello }')
    assert.equal((await socket.next()).payload.data.hello, 'hello world')
    socket.send('x'.repeat(5_000_000))
    assert.equal(await socket.closed, 1009)
  })

  test('what breaks the protocol closes that socket as the protocol says, and nothing else', async () => {
    const nonsense = raw()
    await new Promise((resolve) => nonsense.socket.once('open', resolve))
    nonsense.send('{"type":')
    assert.equal(await nonsense.closed, 4400)
    const early = raw()
    await new Promise((resolve) => early.socket.once('open', resolve))
    early.subscribe('1', '{ hello }')
    assert.equal(await early.closed, 4401)
    const twice = await raw().acknowledged()
    twice.subscribe('1', 'subscription { ticks(to: 0) }')
    twice.subscribe('1', 'subscription { ticks(to: 0) }')
    assert.equal(await twice.closed, 4409)
    assert.equal(await raw([]).closed, 4406)
    const unexpected = await raw().acknowledged()
    unexpected.send({ id: '1', type: 'next', payload: { data: {} } })
    assert.equal(await unexpected.closed, 4400)
    while (openTicks.count > 0) await new Promise(setImmediate)
    assert.deepEqual(await all('{ hello }'), [{ data: { hello: 'hello world' }, extensions: { cost: 0 } }])
  })

  test('strange credentials do no harm', async () => {
    for (const payload of [{ authorization: 7 }, { authorization: ['x'] }, { Authorization: 'Bearer' }, {}]) {
      const socket = await raw().acknowledged(payload)
      socket.socket.close()
      await socket.closed
    }
  })

  test('a thousand sockets that come, subscribe and drop, in whatever state, leave nothing', async () => {
    for (let round = 0; round < 20; round++) {
      await Promise.all(
        Array.from({ length: 50 }, async (_, index) => {
          const socket = await raw().acknowledged()
          socket.subscribe('1', 'subscription { runs { run } }')
          socket.subscribe('2', 'subscription { ticks(to: 0) }')
          if (index % 3 === 0) await socket.next()
          if (index % 3 === 1) socket.send({ id: '1', type: 'complete' })
          if (index % 2 === 0) socket.socket.terminate()
          else socket.socket.close()
          await socket.closed
        }),
      )
      if (round % 5 === 0) server.store.commit([{ id: `run_${round}` }])
    }
    while (server.stream.readers > 0 || openTicks.count > 0) await new Promise(setImmediate)
    assert.equal(server.store.listeners.size, 0)
  })

  test('nothing of all this was an error of the server', () => {
    assert.deepEqual(
      server.logged.filter((line) => !line.includes('secret detail')),
      [],
    )
  })
})

test('no more sockets than allowed are taken, and one that goes makes room', async () => {
  await using server = await startTestServer({ maxSockets: 2 })
  const [one, two] = await Promise.all([new Raw(server.port).acknowledged(), new Raw(server.port).acknowledged()])
  const refused = await new Promise((resolve) =>
    new WebSocket(`ws://127.0.0.1:${server.port}/graphql`, 'graphql-transport-ws')
      .on('unexpected-response', (_req, res) => resolve(res.statusCode))
      .on('error', () => {}),
  )
  assert.equal(refused, 503)
  one?.socket.close()
  await one?.closed
  const three = new Raw(server.port)
  const opened = await Promise.race([three.acknowledged(), three.closed.then(() => null)])
  assert.notEqual(opened, null)
  two?.socket.close()
  three.socket.close()
})
