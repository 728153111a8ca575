import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createClient } from 'graphql-sse'
import { openTicks, startTestServer, type TestServer } from './testServer.ts'

/** The events of a stream as they come: `event` and what its data is. */
async function* eventsOf(response: Response): AsyncGenerator<{ readonly event: string; readonly data: unknown }> {
  let text = ''
  for await (const chunk of (response.body ?? assert.fail('no body')).pipeThrough(new TextDecoderStream())) {
    text += chunk
    const blocks = text.split('\n\n')
    text = blocks.pop() ?? ''
    for (const block of blocks) {
      const event = /^event: (.*)$/m.exec(block)?.[1]
      const data = /^data: ?(.*)$/m.exec(block)?.[1]
      if (event !== undefined) yield { event, data: data ? JSON.parse(data) : null }
    }
  }
}

describe('GraphQL over server-sent events', () => {
  let server: TestServer
  before(async () => {
    server = await startTestServer()
  })
  after(() => server[Symbol.asyncDispose]())

  const stream = (query: string, init: RequestInit = {}, accept = 'text/event-stream'): Promise<Response> =>
    fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept, 'x-request-id': 'sse-1' },
      body: JSON.stringify({ query }),
      ...init,
    })

  test('a subscription is streamed to its end, by POST and by GET, also to a client that takes anything', async () => {
    const wanted = [1, 2].map((ticks) => ({ event: 'next', data: { data: { ticks }, extensions: { cost: 0 } } }))
    const search = new URLSearchParams({ query: 'subscription { ticks(to: 2) }' })
    const responses = [
      await stream('subscription { ticks(to: 2) }'),
      await stream('subscription { ticks(to: 2) }', {}, '*/*'),
      await fetch(`${server.url}/graphql?${search}`, { headers: { accept: 'text/event-stream' } }),
      await fetch(`${server.url}/graphql?${search}`),
    ]
    for (const response of responses) {
      assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/)
      assert.equal(response.headers.get('x-accel-buffering'), 'no')
      assert.deepEqual(await Array.fromAsync(eventsOf(response)), [...wanted, { event: 'complete', data: null }])
    }
  })

  test("graphql-sse's own client subscribes, and resumes from a cursor", async () => {
    const client = createClient({ url: `${server.url}/graphql` })
    const events = client.iterate<{ runs: { cursor: string; run: string } }>({ query: 'subscription { runs { cursor run } }' })
    const start = (await events.next()).value?.data?.runs.cursor
    server.store.commit([{ id: 'one' }])
    assert.equal((await events.next()).value?.data?.runs.run, 'one')
    await events.return?.()
    const resumed = client.iterate<{ runs: { run: string } }>({
      query: 'subscription ($after: String) { runs(after: $after) { run } }',
      variables: { after: start },
    })
    assert.equal((await resumed.next()).value?.data?.runs.run, 'one')
    await resumed.return?.()
    client.dispose()
  })

  test('an operation that is refused, a query, and a stream that breaks are told in the stream', async () => {
    const first = async (query: string): Promise<{ errors?: { extensions: { code: string; requestId?: string } }[]; data?: unknown }> => {
      const events = await Array.fromAsync(eventsOf(await stream(query)))
      assert.equal(JSON.stringify(events).includes('secret detail'), false)
      assert.equal(events.at(-1)?.event, 'complete')
      return events.at(-2)?.data as Awaited<ReturnType<typeof first>>
    }
    assert.deepEqual(await first('{ hello }'), { data: { hello: 'hello world' }, extensions: { cost: 0 } })
    assert.equal((await first('subscription { breaks }')).errors?.[0]?.extensions.code, 'INTERNAL')
    const invalid = await first('subscription { runs(after: "nonsense") { run } }')
    assert.equal(invalid.errors?.[0]?.extensions.code, 'CURSOR_INVALID')
    const refused = await stream('subscription { refused }')
    assert.match(await refused.text(), /"requestId":"sse-1"/)
    const unknown = await stream('subscription { nothing }')
    assert.match(await unknown.text(), /GRAPHQL_VALIDATION_FAILED/)
  })

  test('five hundred streams that are dropped leave nothing', async () => {
    for (let round = 0; round < 10; round++) {
      await Promise.all(
        Array.from({ length: 50 }, async (_, index) => {
          const cut = new AbortController()
          const response = await stream(index % 2 === 0 ? 'subscription { runs { run } }' : 'subscription { ticks(to: 0) }', {
            signal: cut.signal,
          })
          if (index % 4 === 0) await response.body?.getReader().read()
          cut.abort()
        }),
      )
      server.store.commit([{ id: `run_${round}` }])
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
