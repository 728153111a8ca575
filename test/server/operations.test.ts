import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GraphQLInt, GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql'
import { createOperations, type Operations } from '../../src/server/operations.ts'
import { EVERYBODY } from '../../src/server/viewer.ts'

const caller = { viewer: EVERYBODY, requestId: 'req' }

test('every event of a subscription gets a context of its own: nothing that a context remembers grows old', async () => {
  let made = 0
  const events = async function* (): AsyncGenerator<number> {
    yield 1
    yield 2
  }
  const schema = new GraphQLSchema({
    query: new GraphQLObjectType({ name: 'Query', fields: { context: { type: GraphQLInt, resolve: (_root, _args, context) => context } } }),
    subscription: new GraphQLObjectType({
      name: 'Subscription',
      fields: { context: { type: GraphQLInt, subscribe: events, resolve: (_event, _args, context) => context } },
    }),
  })
  const operations = createOperations({ schema, contextFor: () => ++made, log: { error: () => {} } })
  const answer = await ask(operations, 'subscription { context }')
  assert.equal(answer.kind, 'stream')
  assert.deepEqual(
    (await Array.fromAsync(answer.stream)).map(({ data }) => data?.context),
    [2, 3],
  )
})

test('a context that cannot be made fails the operation, masked, and nothing else', async () => {
  const schema = new GraphQLSchema({ query: new GraphQLObjectType({ name: 'Query', fields: { one: { type: GraphQLInt } } }) })
  const logged: string[] = []
  const operations = createOperations({
    schema,
    contextFor: () => {
      throw new Error('secret detail')
    },
    log: { error: (_fields, message) => logged.push(message) },
  })
  const answer = await ask(operations, '{ one }')
  assert.equal(answer.kind, 'refused')
  assert.deepEqual(answer.errors[0]?.extensions, { code: 'INTERNAL', requestId: 'req' })
  assert.equal(logged.length, 1)
})

test('lists may be of a moment ago for a query, unless it asks for the position to subscribe from; never for a mutation or an event', async () => {
  const lags: boolean[] = []
  const contextFor = (_viewer: unknown, mayLag: boolean) => lags.push(mayLag)
  const fields = { one: { type: GraphQLInt }, streamPosition: { type: GraphQLInt } }
  const ticks = { type: GraphQLInt, subscribe: async function* () {}, resolve: () => 1 }
  const schema = new GraphQLSchema({
    query: new GraphQLObjectType({ name: 'Query', fields }),
    mutation: new GraphQLObjectType({ name: 'Mutation', fields }),
    subscription: new GraphQLObjectType({ name: 'Subscription', fields: { ticks } }),
  })
  const operations = createOperations({ schema, contextFor, log: { error: () => {} } })
  const asked = ['{ one }', '{ one ...p } fragment p on Query { position: streamPosition }', 'mutation { one }', 'subscription { ticks }']
  for (const query of asked) await ask(operations, query)
  assert.deepEqual(lags, [true, false, false, false])
})

test('the position of the stream is read before all else that a query asks for, and its failure is its field alone', async () => {
  const reads: string[] = []
  const position = Promise.withResolvers<string>()
  const text = { type: GraphQLString }
  const query = new GraphQLObjectType({
    name: 'Query',
    fields: {
      list: { ...text, resolve: () => void reads.push('list') },
      streamPosition: { ...text, resolve: (_root, _args, context: { position: Promise<string> }) => context.position },
    },
  })
  const operations = createOperations({
    schema: new GraphQLSchema({ query }),
    contextFor: (_viewer, _mayLag, position) => ({ position }),
    position: () => position.promise.finally(() => reads.push('position')),
    log: { error: () => {} },
  })
  const asked = ask(operations, '{ list streamPosition }')
  await new Promise(setImmediate)
  assert.deepEqual(reads, [])
  position.reject(new Error('away'))
  const answer = await asked
  assert.equal(answer.kind, 'result')
  assert.deepEqual({ ...answer.result.data }, { list: null, streamPosition: null })
  assert.deepEqual(
    answer.result.errors?.map(({ path }) => path),
    [['streamPosition']],
  )
  assert.equal(reads[0], 'position')
})

async function ask(operations: Operations, query: string): ReturnType<Operations['run']> {
  const prepared = operations.prepare({ query }, caller)
  assert.ok('document' in prepared)
  return operations.run(prepared, { query }, caller)
}
