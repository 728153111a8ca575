import assert from 'node:assert/strict'
import { test } from 'node:test'
import { execute, GraphQLError, GraphQLInt, GraphQLObjectType, GraphQLSchema, parse } from 'graphql'
import { apiError, formatError, maskError } from '../../src/api/errors.ts'
import { schema } from '../../src/api/schema.ts'
import { validateDocument } from '../../src/api/validation.ts'
import { StoreUnavailable } from '../../src/engine/errors.ts'
import { StreamError } from '../../src/stream/errors.ts'

function masking() {
  const lines: { fields: Record<string, unknown>; message: string }[] = []
  return {
    lines,
    options: {
      requestId: 'req-1',
      log: { error: (fields: object, message: string) => void lines.push({ fields: fields as Record<string, unknown>, message }) },
    },
  }
}

/** What a field that throws this answers, masked. */
async function answerOf(thrown: unknown, { options } = masking()): Promise<GraphQLError> {
  const throwing = new GraphQLSchema({
    query: new GraphQLObjectType({
      name: 'Query',
      fields: {
        field: {
          type: GraphQLInt,
          resolve: () => {
            throw thrown
          },
        },
      },
    }),
  })
  const result = await execute({ schema: throwing, document: parse('{ field }') })
  return maskError(result.errors![0], options)
}

function codesOf(document: string): string[] {
  return validateDocument(schema, parse(document)).map((error) => String(error.extensions.code))
}

async function codesAtExecution(document: string, variableValues: Record<string, unknown>): Promise<string[]> {
  const { options } = masking()
  assert.deepEqual(codesOf(document), [], 'valid until executed')
  const result = await execute({
    schema,
    document: parse(document),
    variableValues,
    contextValue: { viewer: { name: 'a', scopes: ['READ'] }, now: () => 0 },
  })
  return (result.errors ?? []).map((error) => String(maskError(error, options).extensions.code))
}

test('a deliberate error passes as it is, with its place', async () => {
  const mask = masking()
  const error = await answerOf(apiError('TOO_COSTLY', 'Ask for less.', { cost: 5 }), mask)
  assert.deepEqual(error.toJSON(), {
    message: 'Ask for less.',
    locations: [{ line: 1, column: 3 }],
    path: ['field'],
    extensions: { code: 'TOO_COSTLY', cost: 5 },
  })
  assert.deepEqual(mask.lines, [])
})

test('a bug is masked, carries the request id, and is logged with its cause', async () => {
  const mask = masking()
  const bug = new Error('password is hunter2')
  const error = await answerOf(bug, mask)
  assert.deepEqual(error.toJSON(), {
    message: 'Internal error',
    locations: [{ line: 1, column: 3 }],
    path: ['field'],
    extensions: { code: 'INTERNAL', requestId: 'req-1' },
  })
  assert.equal(error.originalError, undefined)
  assert.deepEqual(mask.lines, [{ fields: { err: bug, requestId: 'req-1', path: ['field'] }, message: 'an operation failed' }])
})

test('one failure is logged once, however many fields it costs', async () => {
  const mask = masking()
  const bug = new Error('once')
  await answerOf(bug, mask)
  await answerOf(bug, mask)
  assert.equal(mask.lines.length, 1)
})

test('whatever is thrown is masked', async () => {
  for (const thrown of ['text', 5, null, undefined, { code: 'BAD_USER_INPUT' }, Object.assign(new Error('x'), { code: 'P2025' })]) {
    assert.equal((await answerOf(thrown)).extensions.code, 'INTERNAL')
  }
  assert.equal(maskError('not even an error', masking().options).message, 'Internal error')
})

test('a result that its type cannot print is a bug of ours, not of the caller', async () => {
  const wrong = new GraphQLSchema({
    query: new GraphQLObjectType({ name: 'Query', fields: { field: { type: GraphQLInt, resolve: () => 'secret' } } }),
  })
  const result = await execute({ schema: wrong, document: parse('{ field }') })
  assert.match(result.errors![0]!.message, /secret/)
  assert.equal(maskError(result.errors![0], masking().options).message, 'Internal error')
})

test('a database that is away is UNAVAILABLE, and its reason stays in the log', async () => {
  const mask = masking()
  const error = await answerOf(new StoreUnavailable('disk full at /secret/path'), mask)
  assert.equal(error.extensions.code, 'UNAVAILABLE')
  assert.doesNotMatch(error.message, /secret/)
  assert.equal(mask.lines.length, 1)
})

test('a cursor that cannot be resumed from says so, with the oldest good one', async () => {
  const expired = maskError(new StreamError('CURSOR_EXPIRED', 'too old', 'oldest'), masking().options)
  assert.deepEqual({ message: expired.message, ...expired.extensions }, { message: 'too old', code: 'CURSOR_EXPIRED', oldest: 'oldest' })
  assert.deepEqual((await answerOf(new StreamError('CURSOR_INVALID', 'no cursor'))).extensions, { code: 'CURSOR_INVALID' })
})

test('what is meant for the HTTP layer is kept for it and never formatted elsewhere', async () => {
  const refused = new GraphQLError('GET only', { extensions: { code: 'BAD_REQUEST', http: { status: 405 } } })
  const masked = maskError(refused, masking().options)
  assert.deepEqual(masked.extensions.http, { status: 405 })
  assert.deepEqual(formatError(masked).extensions, { code: 'BAD_REQUEST' })
})

test('a document that cannot be parsed is GRAPHQL_PARSE_FAILED', () => {
  try {
    parse('{')
    assert.fail('parsed')
  } catch (error) {
    assert.equal(maskError(error, masking().options).extensions.code, 'GRAPHQL_PARSE_FAILED')
  }
})

test('a document that does not fit the schema is GRAPHQL_VALIDATION_FAILED', () => {
  assert.deepEqual(codesOf('{ nothing }'), ['GRAPHQL_VALIDATION_FAILED'])
  assert.deepEqual(codesOf('query ($x: Int) { system { now } }'), ['GRAPHQL_VALIDATION_FAILED'])
  assert.deepEqual(codesOf('{ run { id } }'), ['GRAPHQL_VALIDATION_FAILED'])
})

test('a literal that its scalar or enum cannot read is BAD_USER_INPUT', () => {
  const literals = [
    '{ jobs(first: "many") { totalCount } }',
    '{ jobs(first: 9999999999) { totalCount } }',
    '{ jobs(filter: { state: [ASLEEP] }) { totalCount } }',
    '{ jobs(filter: { state: ["ACTIVE"] }) { totalCount } }',
    '{ runs(filter: { scheduledFrom: "yesterday" }) { totalCount } }',
    '{ previewSchedule(schedule: { interval: { every: "1 month" } }) { next } }',
    '{ previewSchedule(schedule: { interval: { every: 5 } }) { next } }',
    '{ job(by: { id: "job_1", name: "a" }) { id } }',
    '{ job(by: {}) { id } }',
    'mutation { createJob(input: { name: "a", schedule: { once: { at: "2026-13-01T00:00:00Z" } } }) { created } }',
    'mutation { triggerJob(input: { id: "job_1", payload: [RED] }) { replayed } }',
    'subscription { jobRuns(after: 5) { cursor } }',
  ]
  for (const literal of literals) assert.deepEqual(codesOf(literal), ['BAD_USER_INPUT'], literal)
})

test('a variable that its type cannot read is BAD_USER_INPUT', async () => {
  const cases: readonly (readonly [string, Record<string, unknown>])[] = [
    ['query ($x: Int) { jobs(first: $x) { totalCount } }', { x: 'many' }],
    ['query ($x: [JobState!]) { jobs(filter: { state: $x }) { totalCount } }', { x: ['ASLEEP'] }],
    ['query ($x: DateTime) { runs(filter: { scheduledFrom: $x }) { totalCount } }', { x: '2026-01-01' }],
    ['query ($x: ScheduleInput!) { previewSchedule(schedule: $x) { next } }', { x: { interval: { every: '1 month' } } }],
    [
      'query ($x: ScheduleInput!) { previewSchedule(schedule: $x) { next } }',
      { x: { interval: { every: '5s' }, once: { at: '2026-01-01T00:00:00Z' } } },
    ],
    ['query ($x: ScheduleInput!) { previewSchedule(schedule: $x) { next } }', { x: { interval: {} } }],
    ['query ($x: ScheduleInput!) { previewSchedule(schedule: $x) { next } }', {}],
    ['query ($x: ID!) { run(id: $x) { id } }', { x: null }],
    ['query ($x: ID!) { run(id: $x) { id } }', { x: { a: 1 } }],
    ['query ($x: Int! = 10) { previewSchedule(schedule: { interval: { every: "5s" } }, count: $x) { next } }', { x: null }],
  ]
  for (const [document, variables] of cases)
    assert.deepEqual(await codesAtExecution(document, variables), ['BAD_USER_INPUT'], `${document} ${JSON.stringify(variables)}`)
})

test('an argument that only its execution finds wrong is BAD_USER_INPUT', async () => {
  assert.deepEqual(
    await codesAtExecution('query ($x: Int = 10) { previewSchedule(schedule: { interval: { every: "5s" } }, count: $x) { next } }', {
      x: null,
    }),
    ['BAD_USER_INPUT'],
  )
})

test('a document gets at most twenty errors', () => {
  const fields = Array.from({ length: 40 }, (_, index) => `nothing${index}`).join(' ')
  assert.deepEqual(
    codesOf(`{ ${fields} }`),
    Array.from({ length: 21 }, () => 'GRAPHQL_VALIDATION_FAILED'),
    'and one that says there are more',
  )
})
