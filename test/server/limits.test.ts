import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createClient as createSseClient } from 'graphql-sse'
import { type Client, createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { schema } from '../../src/api/schema.ts'
import { startTestServer, type TestServer } from './testServer.ts'

interface Answer {
  readonly data?: unknown
  readonly errors?: readonly { readonly message: string; readonly extensions: Readonly<Record<string, unknown>> }[]
  readonly extensions?: unknown
}

type Transport = (query: string, variables?: Record<string, unknown>) => Promise<Answer>

const nested = (depth: number) => `{ ${'node(id: "x") { ... on Job { lastRun { job { '.repeat(depth)} id ${'} } } }'.repeat(depth)} }`

/** One limit a line: the operation, and what its refusal says to programs. */
const REFUSED: readonly (readonly [name: string, query: string, extensions: object, variables?: Record<string, unknown>])[] = [
  ['tokens', `{ ${'__typename '.repeat(4_001)} }`, { code: 'TOO_LARGE', maximum: 4_000 }],
  ['depth', nested(6), { code: 'TOO_DEEP', depth: 19, maximum: 15 }],
  ['depth of introspection', '{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }', { code: 'TOO_DEEP' }],
  [
    'aliases',
    `{ viewer { ${Array.from({ length: 101 }, (_, i) => `a${i}: name`).join(' ')} } }`,
    { code: 'TOO_COSTLY', aliases: 101, maximum: 100 },
  ],
  ['root fields', `{ ${'__typename '.repeat(51)} }`, { code: 'TOO_COSTLY', rootFields: 51, maximum: 50 }],
  ['cost', '{ jobs(first: 100) { nodes { runs(first: 100) { nodes { id } } } } }', { code: 'TOO_COSTLY', cost: 10_201, maximum: 10_000 }],
  [
    'cost by variables',
    'query ($n: Int!) { jobs(first: $n) { nodes { runs(first: $n) { nodes { id } } } } }',
    { code: 'TOO_COSTLY', cost: 10_201, maximum: 10_000 },
    { n: 100 },
  ],
]

describe('limits are the same on every transport', () => {
  let server: TestServer
  let socket: Client
  let url: string
  before(async () => {
    server = await startTestServer({}, { schema })
    url = `${server.url}/graphql`
    socket = createClient({ url: url.replace('http', 'ws'), webSocketImpl: WebSocket, retryAttempts: 0 })
  })
  after(async () => {
    await socket.dispose()
    await server[Symbol.asyncDispose]()
  })

  const transports: Readonly<Record<string, Transport>> = {
    async POST(query, variables) {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query, variables }),
      })
      return (await response.json()) as Answer
    },
    async GET(query, variables) {
      const search = new URLSearchParams({ query: shortened(query), variables: JSON.stringify(variables ?? {}) })
      return (await (await fetch(`${url}?${search}`)).json()) as Answer
    },
    async SSE(query, variables) {
      const client = createSseClient({ url, retryAttempts: 0 })
      const { value } = await client.iterate({ query, ...(variables === undefined ? {} : { variables }) }).next()
      client.dispose()
      return value as Answer
    },
    async 'SSE in one stream'(query, variables) {
      const token = await (await fetch(url, { method: 'PUT' })).text()
      const headers = { 'content-type': 'application/json', 'x-graphql-event-stream-token': token }
      const body = JSON.stringify({ query, variables, extensions: { operationId: '1' } })
      const accepted = await fetch(url, { method: 'POST', headers, body })
      if (accepted.status !== 202) return (await accepted.json()) as Answer
      const stream = await fetch(`${url}?token=${token}`)
      let text = ''
      for await (const chunk of stream.body!.pipeThrough(new TextDecoderStream())) {
        text += chunk
        if (text.includes('event: complete')) break
      }
      return JSON.parse(/^event: next\ndata: (.*)$/m.exec(text)![1]!).payload as Answer
    },
    async WebSocket(query, variables) {
      try {
        return (await socket.iterate({ query, variables }).next()).value as Answer
      } catch (errors) {
        return { errors: errors as NonNullable<Answer['errors']> }
      }
    },
  }

  for (const [name, ask] of Object.entries(transports)) {
    test(`${name}: each limit refuses with its code and its figures`, async () => {
      for (const [limit, query, extensions, variables] of REFUSED) {
        const { data, errors } = await ask(query, variables)
        assert.equal(data, undefined, limit)
        assert.deepEqual(errors?.[0]?.extensions, extensions, `${limit}: ${JSON.stringify(errors)}`)
      }
    })

    test(`${name}: a page of more than a hundred is refused by its field, and every result says what it cost`, async () => {
      const large = await ask('query ($n: Int) { jobs(first: $n) { nodes { id } } viewer { name } }', { n: 101 })
      assert.deepEqual(large.data, { jobs: null, viewer: { name: 'anonymous' } })
      assert.deepEqual(large.errors?.[0]?.extensions, { code: 'BAD_USER_INPUT' })
      assert.deepEqual(large.extensions, { cost: 102 })
      const { data, extensions } = await ask('{ viewer { name } }')
      assert.deepEqual([data, extensions], [{ viewer: { name: 'anonymous' } }, { cost: 1 }])
    })
  }

  test('none of them ends a socket that others share', async () => {
    const events = socket.iterate<{ jobRuns: { cursor: string } }>({ query: 'subscription { jobRuns(checkpoints: true) { cursor } }' })
    await events.next()
    const cut: unknown[] = []
    const stop = socket.on('closed', (event) => cut.push(event))
    for (const [, query, , variables] of REFUSED) await transports.WebSocket!(query, variables)
    assert.deepEqual((await transports.WebSocket!('{ viewer { name } }')).extensions, { cost: 1 })
    assert.deepEqual(cut, [])
    stop()
    await events.return?.()
  })
})

/** As long as a URL may be: the same tokens without their letters. */
function shortened(query: string): string {
  return query.length < 15_000 ? query : query.replaceAll('__typename ', 'a,')
}
