import assert from 'node:assert/strict'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { createClient } from 'graphql-sse'
import { createEventStreams } from '../../src/server/eventStreams.ts'
import type { Operations } from '../../src/server/operations.ts'
import { openTicks, type Reply, reply, startTestServer, type TestServer } from './testServer.ts'

// biome-ignore lint/suspicious/noExplicitAny: whatever the server sends; the tests look at it.
type Data = any

describe('GraphQL over server-sent events in single connection mode', () => {
  let server: TestServer
  let url: string
  before(async () => {
    server = await startTestServer({ maxSubscriptions: 5 })
    url = `${server.url}/graphql`
  })
  after(() => server[Symbol.asyncDispose]())

  const withToken = (token: string) => ({ 'x-graphql-event-stream-token': token })
  const reserve = async (): Promise<string> => (await fetch(url, { method: 'PUT' })).text()

  async function operate(token: string, query: string, extensions: object | null = { operationId: '1' }): Promise<Reply> {
    const headers = { 'content-type': 'application/json', ...withToken(token) }
    return reply(await fetch(url, { method: 'POST', headers, body: JSON.stringify({ query, extensions }) }))
  }

  async function open(token: string): Promise<{ next(): Promise<{ event: string; data: Data }>; cut(): void }> {
    const control = new AbortController()
    const response = await fetch(url, { headers: { accept: 'text/event-stream', ...withToken(token) }, signal: control.signal })
    assert.equal(response.status, 200)
    assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/)
    const chunks = response.body!.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]()
    let text = ''
    const next = async (): Promise<{ event: string; data: Data }> => {
      for (;;) {
        const end = text.indexOf('\n\n')
        const block = end === -1 ? null : text.slice(0, end)
        if (block !== null) text = text.slice(end + 2)
        const event = block === null ? undefined : /^event: (.*)\ndata: (.*)$/.exec(block)
        if (event) return { event: event[1]!, data: JSON.parse(event[2]!) }
        if (block === null) text += (await chunks.next()).value ?? assert.fail('the stream has ended')
      }
    }
    return { next, cut: () => control.abort() }
  }

  test("graphql-sse's own client asks, subscribes side by side and unsubscribes, over one stream", async () => {
    const requests: string[] = []
    const fetchFn = ((input: string, init: RequestInit) => {
      requests.push(init.method!)
      return fetch(input, init)
    }) as typeof fetch
    const client = createClient({ url, singleConnection: true, retryAttempts: 0, fetchFn })
    const waiting = client.iterate<{ ticks: number }>({ query: 'subscription { ticks(to: 0) }' })
    const runs = client.iterate<{ runs: { run: string | null } }>({ query: 'subscription { runs { run } }' })
    assert.equal((await runs.next()).value?.data?.runs.run, null)
    const ticks = await Array.fromAsync(client.iterate<{ ticks: number }>({ query: 'subscription { ticks(to: 3) }' }))
    assert.deepEqual(
      ticks.map(({ data }) => data?.ticks),
      [1, 2, 3],
    )
    const [hello] = await Array.fromAsync(client.iterate({ query: '{ hello viewer }' }))
    assert.deepEqual(hello, { data: { hello: 'hello world', viewer: 'anonymous' }, extensions: { cost: 0 } })
    server.store.commit([{ id: 'shared' }])
    assert.equal((await runs.next()).value?.data?.runs.run, 'shared')
    await runs.return?.()
    await waiting.return?.()
    while (server.stream.readers > 0 || openTicks.count > 0) await new Promise(setImmediate)
    client.dispose()
    assert.equal(requests.filter((method) => method === 'PUT').length, 1)
    assert.equal(requests.filter((method) => method === 'GET').length, 1)
  })

  test('results wait for a stream that is only reserved; a token opens one stream, in a header or in the URL', async () => {
    const token = await reserve()
    assert.equal((await operate(token, '{ hello }')).status, 202)
    const stream = await open(token)
    assert.deepEqual(await stream.next(), {
      event: 'next',
      data: { id: '1', payload: { data: { hello: 'hello world' }, extensions: { cost: 0 } } },
    })
    assert.deepEqual(await stream.next(), { event: 'complete', data: { id: '1' } })
    assert.equal((await fetch(`${url}?token=${token}`)).status, 409)
    stream.cut()
  })

  test('what is wrong is told in the answer or in the stream, with its code, and the stream goes on', async () => {
    const token = await reserve()
    const stream = await open(token)
    await operate(token, 'subscription { runs { run } }', { operationId: 'live' })
    await stream.next()
    const refused: [query: string, status: number, code: string, extensions?: object | null][] = [
      ['{ hello', 400, 'GRAPHQL_PARSE_FAILED'],
      ['{ nothing }', 400, 'GRAPHQL_VALIDATION_FAILED'],
      [`{ ${'a: hello '.repeat(51)} }`, 400, 'TOO_COSTLY'],
      ['{ hello }', 400, 'BAD_USER_INPUT', null],
      ['{ hello }', 400, 'BAD_USER_INPUT', { operationId: 7 }],
      ['{ hello }', 409, 'BAD_USER_INPUT', { operationId: 'live' }],
    ]
    for (const [query, status, code, extensions] of refused) {
      const answer = await operate(token, query, extensions)
      assert.deepEqual([answer.status, answer.body.errors[0].extensions.code], [status, code], query)
    }
    for (const [query, code] of [
      ['subscription { refused }', 'INTERNAL'],
      ['subscription { runs(after: "nonsense") { run } }', 'CURSOR_INVALID'],
      ['query ($of: Int!) { twice(of: $of) }', 'BAD_USER_INPUT'],
    ] as const) {
      assert.equal((await operate(token, query)).status, 202)
      const { data } = await stream.next()
      assert.equal(data.payload.errors[0].extensions.code, code)
      assert.equal(JSON.stringify(data).includes('secret detail'), false)
      assert.equal((await stream.next()).event, 'complete')
    }
    server.store.commit([{ id: 'still' }])
    assert.equal((await stream.next()).data.payload.data.runs.run, 'still')
    stream.cut()
  })

  test('one operation too many is refused by itself; one that is ended makes room', async () => {
    const token = await reserve()
    const stream = await open(token)
    for (let i = 0; i < 5; i++)
      assert.equal((await operate(token, 'subscription { ticks(to: 0) }', { operationId: String(i) })).status, 202)
    const more = await operate(token, '{ hello }', { operationId: 'more' })
    assert.deepEqual([more.status, more.body.errors[0].extensions.code], [429, 'TOO_MANY_SUBSCRIPTIONS'])
    const end = (query: string) => fetch(`${url}?${query}`, { method: 'DELETE', headers: withToken(token) })
    assert.equal((await end('operationId=3')).status, 200)
    assert.equal((await end('operationId=unknown')).status, 200)
    assert.equal((await end('')).status, 400)
    assert.equal((await operate(token, '{ hello }', { operationId: 'more' })).status, 202)
    assert.equal((await stream.next()).data.id, 'more')
    stream.cut()
    while (openTicks.count > 0) await new Promise(setImmediate)
  })

  test('a token that was never given, or whose stream has ended, is none', async () => {
    const token = await reserve()
    const stream = await open(token)
    stream.cut()
    while ((await operate(token, '{ hello }')).status !== 404) await new Promise(setImmediate)
    assert.equal((await operate('nonsense', '{ hello }')).body.errors[0].extensions.code, 'NOT_FOUND')
    assert.equal((await fetch(url, { headers: withToken('nonsense') })).status, 404)
    assert.equal((await fetch(url, { method: 'DELETE', headers: withToken('nonsense') })).status, 404)
  })

  test('two hundred streams that are dropped, in whatever state, leave nothing', async () => {
    await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const token = await reserve()
        if (index % 3 === 0) await operate(token, 'subscription { runs { run } }', { operationId: 'early' })
        const stream = await open(token)
        await operate(token, index % 2 === 0 ? 'subscription { runs { run } }' : 'subscription { ticks(to: 0) }')
        if (index % 4 === 0) await stream.next()
        stream.cut()
      }),
    )
    server.store.commit([{ id: 'late' }])
    while (server.stream.readers > 0 || openTicks.count > 0) await new Promise(setImmediate)
    assert.equal(server.store.listeners.size, 0)
  })
})

test('a reservation that nobody takes up goes away, and no more streams than allowed are given', () => {
  const streams = createEventStreams({ operations: {} as Operations, maxStreams: 2, maxOperations: 5 })
  const reserve = (): number => {
    const res = new ServerResponse(new IncomingMessage(new Socket()))
    streams.reserve(res)
    return res.statusCode
  }
  assert.deepEqual([reserve(), reserve(), reserve()], [201, 201, 503])
  for (let sweep = 0; sweep < 11; sweep++) streams.sweep()
  assert.equal(streams.size, 0)
  assert.equal(reserve(), 201)
})
