import assert from 'node:assert/strict'
import { test } from 'node:test'
import { getOperationAST, parse } from 'graphql'
import { costOf, MAX_COST, type Variables } from '../../src/api/cost.ts'
import { MAX_ALIASES, MAX_DEPTH, MAX_ROOT_FIELDS, refuseShape } from '../../src/api/limits.ts'
import { schema } from '../../src/api/schema.ts'
import { validateDocument } from '../../src/api/validation.ts'

function cost(query: string, variables: Variables = {}): number {
  const document = parse(query)
  assert.deepEqual(validateDocument(schema, document), [])
  return costOf(schema, document, getOperationAST(document)!)(variables)
}

const RUN = 'id status error { message }'

test('what an operation costs, by its text', () => {
  const costs: readonly (readonly [query: string, cost: number])[] = [
    // Scalars are free, an object is 1.
    ['{ __typename streamPosition }', 0],
    ['{ system { now version engine } }', 1],
    ['{ job(by: { name: "a" }) { id schedule { description } policies { backoff { factor } } } }', 4],
    // A page is its size times what is in it, whichever way the items are asked for.
    ['{ jobs(first: 7) { nodes { id } } }', 1 + 7],
    ['{ jobs(first: 7) { edges { cursor node { id } } pageInfo { endCursor } } }', 1 + 7],
    ['{ jobs { nodes { id } } }', 1 + 50],
    ['{ jobs(last: 3) { nodes { lastRun { id } } } }', 1 + 3 * 2],
    ['{ jobs(first: 0) { nodes { lastRun { id } } } }', 1],
    ['{ jobs(first: 10) { nodes { id } totalCount } }', 1 + 10 + 10],
    [
      '{ jobs(first: 2) { ...P nodes { id } } } fragment P on JobConnection { ... { nodes { lastRun { id } } } pageInfo { endCursor } }',
      1 + 2 * 3,
    ],
    // More than is accepted counts as the most: the field itself says what is wrong.
    ['{ jobs(first: 1000000) { nodes { id } } }', 1 + 100],
    ['{ jobs(first: -5) { nodes { id } } }', 1],
    // Lists are as long as is asked for, or short.
    ['{ nodes(ids: ["a", "b", "c"]) { id ... on Job { lastRun { id } } } }', 3 * 2],
    ['{ nodes(ids: "a") { id } }', 1],
    ['{ run(id: "r") { attempts { number error { code } } } }', 1 + 2 * 2],
    ['{ previewSchedule(schedule: { interval: { every: "1s" } }, count: 500) { next } }', 1 + 500],
    ['{ previewSchedule(schedule: { interval: { every: "1s" } }) { next } }', 1 + 10],
    ['{ jobs(first: 10) { nodes { upcoming(count: 20) } } }', 1 + 10 * (1 + 20)],
    ['{ run(id: "r") { logs(first: 1000) { nodes { seq } } } }', 1 + 1 + 1_000],
    ['{ run(id: "r") { logs { edges { node { seq } } } } }', 1 + 1 + 50],
    ['{ stats { total timeline(buckets: 30) { failed } } }', 10 + 30],
    [
      '{ job(by: { id: "j" }) { stats { total } audit(from: "2026-01-01T00:00:00Z", to: "2026-02-01T00:00:00Z") { missing } } }',
      1 + 10 + 100,
    ],
    // What is done costs more than what is read.
    ['mutation { triggerJob(input: { id: "j" }) { run { id } errors { code } } }', 10 + 1 + 2],
    ['subscription { jobRuns { cursor run { id job { name } } } }', 3],
    // Introspection is what it is, however it is asked.
    ['{ __schema { types { name fields { name args { name } } } } }', 4_000],
    ['{ a: __type(name: "Job") { name } b: __type(name: "JobRun") { fields { name } } }', 200],
  ]
  for (const [query, expected] of costs) assert.equal(cost(query), expected, query)
})

test('variables have their say, with the defaults that their declarations and the schema give', () => {
  const page = 'query ($n: Int) { jobs(first: $n) { nodes { id } } }'
  assert.equal(cost(page, { n: 3 }), 4)
  assert.equal(cost(page, { n: null }), 51)
  assert.equal(cost(page), 51)
  assert.equal(cost('query ($n: Int = 5) { jobs(last: $n) { nodes { id } } }'), 6)
  assert.equal(cost('query ($n: Int = 5) { jobs(first: $n) { nodes { runs(first: $n) { nodes { id } } } } }', { n: 10 }), 1 + 10 * (2 + 10))
  assert.equal(cost('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids: ['a', 'b'] }), 2)
  assert.equal(cost('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids: 'a' }), 1)
  assert.equal(cost('query ($n: Int! = 7) { previewSchedule(schedule: { interval: { every: "1s" } }, count: $n) { next } }', { n: 70 }), 71)
  for (const n of ['7', Number.NaN, Number.POSITIVE_INFINITY, {}, [[1]]]) assert.ok(cost(page, { n }) <= 101, String(n))
})

test('the greatest sensible page of pages is within the limit, one page more is not', () => {
  assert.ok(cost(`{ jobs(first: 100) { nodes { id runs(first: 20) { nodes { ${RUN} job { name } } } } } }`) <= MAX_COST)
  assert.ok(
    cost(`{ jobs(first: 100) { nodes { id runs(first: 20) { nodes { id attempts { number } } pageInfo { endCursor } } } } }`) <= MAX_COST,
  )
  assert.ok(cost(`{ jobs(first: 50) { nodes { lastRun { status } runs(first: 5) { nodes { id } } } } }`) <= MAX_COST / 20)
  assert.ok(cost(`{ jobs { nodes { runs { nodes { ${RUN} } } } } }`) <= MAX_COST)
  assert.ok(cost(`{ jobs(first: 100) { nodes { runs(first: 100) { nodes { id } } } } }`) > MAX_COST)
})

test('fragments that spread each other a hundred levels deep are measured at once', () => {
  const levels = 100
  const doubling = (field: string, last: string) =>
    Array.from({ length: levels }, (_, i) => {
      const next = i === levels - 1 ? last : `...F${i + 1} ...F${i + 1}`
      return `fragment F${i} on ${field} { ${next} }`
    }).join(' ')
  const begun = performance.now()
  const variable = `query ($n: Int) { ...F0 } ${doubling('Query', 'jobs(first: $n) { nodes { id } }')}`
  const document = parse(variable)
  assert.equal(refuseShape(document)?.extensions.code, 'TOO_COSTLY')
  assert.equal(costOf(schema, document, getOperationAST(document)!)({ n: 5 }), 1e12)
  const fixed = parse(`{ ...F0 } ${doubling('Query', 'system { now }')}`)
  assert.equal(costOf(schema, fixed, getOperationAST(fixed)!)({}), 1e12)
  assert.ok(performance.now() - begun < 500)
})

test('depth counts fields, through fragments of either kind, but not introspection', () => {
  const nested = (depth: number) => `${'{ a '.repeat(depth)}${'}'.repeat(depth)}`
  const refusal = (query: string) => refuseShape(parse(query))?.extensions
  assert.equal(refusal(nested(MAX_DEPTH)), undefined)
  assert.deepEqual(refusal(nested(MAX_DEPTH + 1)), { code: 'TOO_DEEP', depth: MAX_DEPTH + 1, maximum: MAX_DEPTH })
  assert.equal(refusal(`{ a { ...F } } fragment F on T { b { ... on T ${nested(MAX_DEPTH - 2)} } }`), undefined)
  assert.equal(refusal(`{ a { ...F } } fragment F on T { b { ... on T ${nested(MAX_DEPTH - 1)} } }`)?.code, 'TOO_DEEP')
  assert.equal(refusal(`{ __schema ${nested(30)} __type ${nested(30)} }`), undefined)
  // Validation refuses these; until then they must do no harm.
  assert.equal(refusal('{ ...F } fragment F on Query { a { ...F } ...G } fragment G on Query { ...F }'), undefined)
})

test('aliases and root fields are counted, those of fragments too', () => {
  const refusal = (query: string) => refuseShape(parse(query))?.extensions
  const aliased = (count: number) => Array.from({ length: count }, (_, i) => `a${i}: id`).join(' ')
  assert.equal(refusal(`{ job { ${aliased(MAX_ALIASES)} } }`), undefined)
  assert.deepEqual(refusal(`{ job { ${aliased(60)} ...F } } fragment F on Job { ${aliased(41)} }`), {
    code: 'TOO_COSTLY',
    aliases: 101,
    maximum: MAX_ALIASES,
  })
  const roots = (count: number) => Array.from({ length: count }, () => 'hello').join(' ')
  assert.equal(refusal(`{ ${roots(MAX_ROOT_FIELDS)} }`), undefined)
  assert.deepEqual(refusal(`{ ${roots(30)} ...F } fragment F on Query { ... { ${roots(21)} } }`), {
    code: 'TOO_COSTLY',
    rootFields: 51,
    maximum: MAX_ROOT_FIELDS,
  })
})
