import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GraphQLInt, GraphQLObjectType, GraphQLSchema } from 'graphql'
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

async function ask(operations: Operations, query: string): ReturnType<Operations['run']> {
  const prepared = operations.prepare({ query }, caller)
  assert.ok('document' in prepared)
  return operations.run(prepared, { query }, caller)
}
