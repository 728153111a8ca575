import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GraphQLInt, GraphQLNonNull, GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql'
import { WebSocket } from 'ws'
import type { Viewer } from '../../src/api/context.ts'
import { apiError } from '../../src/api/errors.ts'
import { createOperations } from '../../src/server/operations.ts'
import { encodeCursor } from '../../src/stream/cursor.ts'
import type { RunEvent } from '../../src/stream/runStream.ts'
import { ChangeStore, EVERYTHING, streamOf } from '../stream/changeStore.ts'
import { FakeSink, turns } from '../stream/members.ts'
import { startTestServer } from './testServer.ts'

const ADA: Viewer = { name: 'ada', scopes: ['READ', 'OPERATE'] }

/** Operations over a schema whose events show who sees them, and which of their fields may fail. */
function open() {
  const store = new ChangeStore()
  const stream = streamOf(store)
  const logged: object[] = []
  let contexts = 0
  const text = { type: GraphQLString }
  const schema = new GraphQLSchema({
    query: new GraphQLObjectType({ name: 'Query', fields: { one: text } }),
    subscription: new GraphQLObjectType({
      name: 'Subscription',
      fields: {
        runs: {
          type: new GraphQLObjectType<RunEvent, { viewer: Viewer }>({
            name: 'Event',
            fields: {
              run: { ...text, resolve: ({ run }) => run?.id },
              viewer: { ...text, resolve: (_event, _args, { viewer }) => viewer.name },
              echo: { ...text, args: { text, number: { type: GraphQLInt } }, resolve: (_event, args) => args.text },
              bug: {
                ...text,
                resolve: () => {
                  throw new Error('secret detail')
                },
              },
              fatal: {
                type: new GraphQLNonNull(GraphQLString),
                resolve: () => {
                  throw new Error('secret detail')
                },
              },
            },
          }),
          args: { jobIds: text, after: text },
          subscribe: (_root, { after, jobIds }) =>
            stream.jobRuns({ ...EVERYTHING, after: after ?? null, jobIds: jobIds ? [jobIds] : null }),
          resolve: (event) => event,
        },
      },
    }),
  })
  const operations = createOperations({
    schema,
    contextFor: (viewer) => {
      contexts++
      return { viewer }
    },
    log: { error: (fields) => logged.push(fields) },
  })
  const subscribe = async (query: string, { variables = {}, viewer = ADA, operationName }: Asked = {}) => {
    const caller = { viewer, requestId: `req_${++requests}` }
    const params = { query, variables, operationName }
    const prepared = operations.prepare(params, caller)
    assert.ok('document' in prepared, JSON.stringify(prepared))
    const sink = new FakeSink()
    const answer = await operations.run(prepared, params, caller, () => sink)
    assert.equal(answer.kind, 'stream')
    const life = answer.stream
    const end = life.next()
    end.catch(() => {})
    await turns(3)
    // biome-ignore lint/suspicious/noExplicitAny: whatever was written; the tests look at it.
    return { life, end, has: async (count: number) => (await sink.has(count)) as any[] }
  }
  let requests = 0
  /** How many executions an event costs where all these are subscribed. */
  const executionsFor = async (...all: (readonly [query: string, asked?: Asked])[]) => {
    const subscriptions = []
    for (const [query, asked] of all) subscriptions.push(await subscribe(query, asked))
    contexts = 0
    store.commit([{ id: 'run' }])
    const told = await Promise.all(subscriptions.map(async ({ has }) => (await has(1)).at(-1)))
    await turns(5)
    for (const { life } of subscriptions) await life.return?.()
    assert.equal(stream.readers, 0)
    return { executions: contexts, told }
  }
  return { store, stream, operations, logged, subscribe, executionsFor }
}

interface Asked {
  readonly variables?: Readonly<Record<string, unknown>>
  readonly viewer?: Viewer
  readonly operationName?: string
}

const WATCH =
  'subscription ($jobIds: String, $after: String, $text: String) { runs(jobIds: $jobIds, after: $after) { run echo(text: $text) } }'

test('subscriptions are equal with the same text, operation, variables and rights', async () => {
  const { executionsFor } = open()
  const variables = { jobIds: 'job_1', text: 'x' }
  const same = await executionsFor(
    [WATCH, { variables }],
    [WATCH, { variables: { text: 'x', jobIds: 'job_1' } }],
    [WATCH, { variables: { ...variables, undeclared: 1 } }],
    [WATCH, { variables, viewer: { name: 'ada', scopes: ['OPERATE', 'READ'] } }],
  )
  assert.equal(same.executions, 1)
  for (const told of same.told) assert.deepEqual(told, { data: { runs: { run: 'run', echo: 'x' } }, extensions: { cost: 1 } })
})

test('what differs in text, operation or variables is executed by itself', async () => {
  const { executionsFor } = open()
  const two = 'subscription A { runs { run } } subscription B { runs { run } }'
  assert.equal((await executionsFor(['subscription { runs { run } }'], ['subscription { runs { run }  }'])).executions, 2)
  assert.equal((await executionsFor([two, { operationName: 'A' }], [two, { operationName: 'B' }])).executions, 2)
  const values = [{}, { text: null }, { text: '' }, { text: 'a' }, { text: 'b' }, { jobIds: 'job_1' }]
  assert.equal((await executionsFor(...values.map((variables) => [WATCH, { variables }] as const))).executions, values.length)
})

test('two viewers with different rights never share, and neither do two viewers with the same', async () => {
  const { executionsFor } = open()
  const query = 'subscription { runs { viewer } }'
  const { executions, told } = await executionsFor(
    [query],
    [query, { viewer: { ...ADA, scopes: ['READ'] } }],
    [query, { viewer: { ...ADA, name: 'bob' } }],
  )
  assert.equal(executions, 3)
  assert.deepEqual(
    told.map(({ data }) => data.runs.viewer),
    ['ada', 'ada', 'bob'],
  )
})

test('a variable that says nothing but where to start makes no difference once caught up; one that says more does', async () => {
  const { store, executionsFor } = open()
  store.commit([{ id: 'old' }])
  const after = (position: number) => ({ variables: { after: encodeCursor('db_test', position) } })
  assert.equal((await executionsFor([WATCH], [WATCH, after(1)])).executions, 1)
  const echoing = 'subscription ($after: String) { runs(after: $after) { echo(text: $after) } }'
  const { executions, told } = await executionsFor([echoing, after(2)], [echoing])
  assert.equal(executions, 2)
  assert.deepEqual(
    told.map(({ data }) => data.runs.echo),
    [after(2).variables.after, null],
  )
})

test('the errors of an event are part of what is shared: masked, and logged once', async () => {
  const { executionsFor, logged } = open()
  const nullable = 'subscription { runs { run bug } }'
  const { executions, told } = await executionsFor([nullable], [nullable], [nullable])
  assert.equal(executions, 1 + 1, 'graphql-js does again what did not go well')
  for (const { data, errors } of told) {
    assert.deepEqual(data, { runs: { run: 'run', bug: null } })
    assert.deepEqual(errors[0].path, ['runs', 'bug'])
    assert.deepEqual([errors[0].message, errors[0].extensions.code], ['Internal error', 'INTERNAL'])
  }
  assert.equal(logged.length, 1)
  const fatal = 'subscription { runs { fatal } }'
  const lost = await executionsFor([fatal], [fatal])
  for (const { data, errors } of lost.told) assert.deepEqual([data, errors.length], [{ runs: null }, 1])
})

test("a viewer's subscriptions can be ended", async () => {
  const { store, stream, operations, subscribe } = open()
  const [ada, bob] = [await subscribe(WATCH), await subscribe(WATCH, { viewer: { ...ADA, name: 'bob' } })]
  operations.endSubscriptionsOf('ada', apiError('UNAUTHENTICATED', 'The key was revoked.'))
  await assert.rejects(ada.end, { message: 'The key was revoked.' })
  store.commit([{ id: 'run' }])
  assert.equal((await bob.has(1)).length, 1)
  await bob.life.return?.()
  assert.equal(stream.readers, 0)
})

test('over WebSockets each gets what is shared under its own id, whatever its length, and between other messages', async () => {
  await using server = await startTestServer()
  const ids = [['1', 'ein "Name" – ü'], ['a'.repeat(300)]]
  const sockets = await Promise.all(
    ids.map(async (own) => {
      const socket = new WebSocket(`ws://127.0.0.1:${server.port}/graphql`, 'graphql-transport-ws')
      // biome-ignore lint/suspicious/noExplicitAny: whatever the server sends; the test looks at it.
      const messages: any[] = []
      let arrived = () => {}
      socket.on('message', (data) => {
        messages.push(JSON.parse(String(data)))
        arrived()
      })
      const has = async (count: number) => {
        while (messages.length < count)
          await new Promise<void>((resolve) => {
            arrived = resolve
          })
      }
      await new Promise((resolve) => socket.once('open', resolve))
      socket.send('{"type":"connection_init"}')
      await has(1)
      for (const id of own)
        socket.send(JSON.stringify({ id, type: 'subscribe', payload: { query: 'subscription { runs { run payload } }' } }))
      await has(1 + own.length)
      return { socket, messages, has, own }
    }),
  )
  const lengths = [0, 20, 200, 65_000, 65_600, 300_000]
  for (const [index, length] of lengths.entries()) {
    server.store.commit([{ id: `run_${index}`, payload: 'ü'.repeat(length) }])
    sockets[0]?.socket.send(JSON.stringify({ id: `q${index}`, type: 'subscribe', payload: { query: '{ hello }' } }))
    await sockets[0]?.has(3 + 4 * (index + 1))
    await sockets[1]?.has(2 + index + 1)
  }
  for (const { messages, own, socket } of sockets) {
    for (const id of own)
      assert.deepEqual(
        messages.filter((message) => message.id === id).map(({ type, payload }) => [type, payload.data.runs]),
        [
          ['next', { run: null, payload: null }],
          ...lengths.map((length, index) => ['next', { run: `run_${index}`, payload: 'ü'.repeat(length) }]),
        ],
      )
    socket.close()
  }
  assert.equal(server.stream.readers, 1)
})
