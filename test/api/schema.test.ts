import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  buildSchema,
  execute,
  type GraphQLNamedType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  isSpecifiedScalarType,
  parse,
  subscribe,
  validateSchema,
} from 'graphql'
import { exampleOperations } from '../../src/api/exampleOperations.ts'
import { firstDifference, printedSchema } from '../../src/api/printSchema.ts'
import { schema } from '../../src/api/schema.ts'
import { validateDocument } from '../../src/api/validation.ts'

const types: readonly GraphQLNamedType[] = Object.values(schema.getTypeMap()).filter(
  (type) => !type.name.startsWith('__') && !isSpecifiedScalarType(type),
)

/** Name and description of every type, field, argument, enum value and input field. */
function* described(): Generator<readonly [string, string | null | undefined]> {
  for (const type of types) {
    yield [type.name, type.description]
    if (isEnumType(type)) for (const value of type.getValues()) yield [`${type.name}.${value.name}`, value.description]
    if (isInputObjectType(type))
      for (const field of Object.values(type.getFields())) yield [`${type.name}.${field.name}`, field.description]
    if (!isObjectType(type) && !isInterfaceType(type)) continue
    for (const field of Object.values(type.getFields())) {
      yield [`${type.name}.${field.name}`, field.description]
      for (const arg of field.args) yield [`${type.name}.${field.name}(${arg.name})`, arg.description]
    }
  }
}

test('everything that a client can name says what it is, in a sentence', () => {
  const all = [...described()]
  assert.ok(all.length > 300)
  for (const [name, description] of all) assert.match(description ?? '', /^[\p{Lu}\d`].*[.…]$/su, `${name}: ${description}`)
})

test('the stored schema is the one that the code makes', () => {
  const stored = readFileSync(join(import.meta.dirname, '../../schema.graphql'), 'utf8')
  assert.equal(firstDifference(stored, printedSchema()), null, 'npm run schema writes it')
})

test('the printed schema can be built again and is valid', () => {
  assert.deepEqual(validateSchema(buildSchema(printedSchema())), [])
})

test('a difference is shown by its first line', () => {
  assert.equal(firstDifference('a\nb', 'a\nc'), 'line 2:\n  stored  b\n  printed c')
  assert.equal(firstDifference('a\nb', 'a'), 'line 2:\n  stored  b\n  printed (nothing)')
})

/** The fields of a type as they are printed: `edges: [JobEdge!]!`. */
function fieldsOf(name: string): Record<string, string> {
  const type = schema.getType(name)
  assert.ok(isObjectType(type))
  return Object.fromEntries(Object.values(type.getFields()).map((field) => [field.name, String(field.type)]))
}

test('connections are laid out as Relay wants them, with nothing nullable that is there', () => {
  for (const name of ['Job', 'JobRun']) {
    assert.deepEqual(fieldsOf(`${name}Connection`), {
      edges: `[${name}Edge!]!`,
      nodes: `[${name}!]!`,
      pageInfo: 'PageInfo!',
      totalCount: 'Int',
    })
    assert.deepEqual(fieldsOf(`${name}Edge`), { cursor: 'String!', node: `${name}!` })
  }
  assert.deepEqual(fieldsOf('PageInfo'), {
    endCursor: 'String',
    hasNextPage: 'Boolean!',
    hasPreviousPage: 'Boolean!',
    startCursor: 'String',
  })
})

test('what is exactly one of several is marked so', () => {
  const oneOf = types.filter((type) => isInputObjectType(type) && type.isOneOf).map((type) => type.name)
  assert.deepEqual(oneOf.sort(), ['JobBy', 'ScheduleInput', 'TargetInput'])
})

test('the example operations are valid, each under a name of its own', () => {
  assert.ok(exampleOperations.length >= 6)
  const names = exampleOperations.map(({ title, query }) => {
    const document = parse(query)
    assert.deepEqual(validateDocument(schema, document), [], title)
    return document.definitions.map((definition) => ('name' in definition ? definition.name?.value : undefined))
  })
  assert.equal(new Set(names.flat()).size, exampleOperations.length)
})

/** The least document that reaches a root field, its required arguments filled in. */
const REQUIRED: Readonly<Record<string, string>> = {
  job: '(by: {name: "a"}) { id }',
  jobs: ' { totalCount }',
  run: '(id: "run_1") { id }',
  runs: ' { totalCount }',
  node: '(id: "job_1") { id }',
  nodes: '(ids: ["job_1"]) { id }',
  previewSchedule: '(schedule: {interval: {every: "5s"}}) { next }',
  handlers: ' { name }',
  instances: ' { id }',
  stats: ' { total }',
  system: ' { now }',
  viewer: ' { name }',
  streamPosition: '',
  createJob: '(input: {name: "a", schedule: {interval: {every: "5s"}}}) { created }',
  updateJob: '(input: {id: "job_1"}) { job { id } }',
  deleteJob: '(input: {id: "job_1"}) { deletedId }',
  pauseJob: '(input: {id: "job_1", note: "n"}) { job { id } }',
  resumeJob: '(input: {id: "job_1"}) { job { id } }',
  triggerJob: '(input: {id: "job_1"}) { replayed }',
  cancelRun: '(input: {id: "run_1"}) { run { id } }',
  rerun: '(input: {id: "run_1"}) { run { id } }',
  retryRunNow: '(input: {id: "run_1"}) { run { id } }',
  backfillJob: '(input: {id: "x", from: "2026-01-01T00:00:00Z", to: "2026-01-01T00:00:00Z"}) { errors { code } }',
  pauseScheduling: '(input: {note: "n"}) { errors { code } }',
  resumeScheduling: ' { errors { code } }',
  jobRuns: ' { cursor }',
  jobChanges: ' { cursor }',
  runLogs: '(runId: "run_1") { cursor }',
}

test('no field of a root type is reached without credentials, nor without its scope', async () => {
  const needed = { query: 'READ', mutation: 'MANAGE or OPERATE', subscription: 'READ' } as const
  for (const operation of Object.keys(needed) as (keyof typeof needed)[]) {
    const root = { query: schema.getQueryType(), mutation: schema.getMutationType(), subscription: schema.getSubscriptionType() }[
      operation
    ]!
    for (const name of Object.keys(root.getFields())) {
      const document = parse(`${operation} { ${name}${REQUIRED[name]} }`)
      const codeFor = async (viewer: unknown): Promise<unknown> => {
        // Nothing else is in the context: whoever gets past the check fails otherwise.
        const result = await (operation === 'subscription' ? subscribe : execute)({ schema, document, contextValue: { viewer } })
        return 'errors' in result ? result.errors?.[0]?.extensions.code : undefined
      }
      assert.equal(await codeFor(null), 'UNAUTHENTICATED', name)
      assert.equal(await codeFor({ name: 'nobody', scopes: [] }), 'FORBIDDEN', name)
      const others = operation === 'mutation' ? ['READ'] : ['MANAGE', 'OPERATE']
      assert.equal(await codeFor({ name: 'other', scopes: others }), 'FORBIDDEN', name)
      assert.notEqual(await codeFor({ name: 'all', scopes: ['READ', 'OPERATE', 'MANAGE'] }), 'FORBIDDEN', name)
    }
  }
})

test('what changes a job needs MANAGE, what works it needs OPERATE', async () => {
  const allowed = async (name: string, scope: string): Promise<boolean> => {
    const result = await execute({
      schema,
      document: parse(`mutation { ${name}${REQUIRED[name]} }`),
      contextValue: { viewer: { name: 'a', scopes: [scope] } },
    })
    return result.errors?.[0]?.extensions.code !== 'FORBIDDEN'
  }
  const mutations = Object.keys(schema.getMutationType()!.getFields())
  const withScope = async (scope: string) =>
    (await Promise.all(mutations.map(async (name) => ((await allowed(name, scope)) ? [name] : [])))).flat().sort()
  assert.deepEqual(await withScope('MANAGE'), ['createJob', 'deleteJob', 'updateJob'])
  assert.deepEqual(await withScope('OPERATE'), [
    'backfillJob',
    'cancelRun',
    'pauseJob',
    'pauseScheduling',
    'rerun',
    'resumeJob',
    'resumeScheduling',
    'retryRunNow',
    'triggerJob',
  ])
})
