import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  buildSchema,
  type DocumentNode,
  execute,
  type GraphQLObjectType,
  type GraphQLResolveInfo,
  type GraphQLUnionType,
  getOperationAST,
  parse,
  validate,
} from 'graphql'
import { createExecutor } from '../../src/server/execution.ts'

// An object of this schema answers in every way that a resolver can: at once and later, well and badly.
const FIELDS = `
  text: String must: String! later: String number(of: Int! = 1, or: [In]): Int list: [Int!] texts: [String]
  self: Query! other: Other soon: Query things: [Thing] all: [Query!]!
  lost: String! broken: String failing: String refused: [Query!]`
const schema = buildSchema(`
  type Query implements Thing { ${FIELDS} search: [Hit] }
  type Other implements Thing { ${FIELDS} only: Int }
  interface Thing { ${FIELDS} }
  union Hit = Query | Other
  input In @oneOf { a: Int b: String }`)

let calls = 0
/** Sources are depths: deep down, lists are empty and objects are null. */
const answers: Readonly<
  Record<string, (depth: number, args: Record<string, unknown>, context: { n: number }, info: GraphQLResolveInfo) => unknown>
> = {
  text: (depth, _args, context) => `text ${depth} ${context.n}`,
  must: (
    _depth,
    _args,
    _context,
    { path, fieldNodes, fieldName, parentType, returnType, fragments, operation, variableValues, rootValue },
  ) =>
    JSON.stringify([
      path,
      fieldNodes.length,
      fieldName,
      parentType,
      returnType,
      Object.keys(fragments),
      operation.kind,
      variableValues,
      rootValue,
    ]),
  later: async (depth) => `later ${depth}`,
  number: (_depth, args) => Number(args.of) + (Array.isArray(args.or) ? args.or.length : 0),
  list: (depth) => [1, Promise.resolve(2), depth],
  texts: () => ['a', null, 'c'],
  self: (depth) => depth + 1,
  other: (depth) => (depth > 3 ? null : depth + 1),
  soon: async (depth) => (depth > 3 ? null : depth + 1),
  things: (depth) => (depth > 2 ? [] : [depth + 1, Promise.resolve(depth + 2), null]),
  all: async (depth) => (depth > 2 ? [] : [depth + 1, depth + 2]),
  search: () => [1, 2],
  only: (depth) => depth,
  lost: () => null,
  broken: () => {
    throw new Error('broken')
  },
  failing: async () => {
    throw new Error('failing')
  },
  refused: () => new Error('refused'),
}
for (const name of ['Query', 'Other']) {
  for (const field of Object.values((schema.getType(name) as GraphQLObjectType).getFields())) {
    field.resolve = (source, args, context, info) => {
      calls++
      return answers[field.name]!(Number(source ?? 0), args, context, info)
    }
  }
}
for (const name of ['Thing', 'Hit']) {
  const type = schema.getType(name) as GraphQLUnionType
  type.resolveType = (value) => (value % 2 === 0 ? 'Query' : 'Other')
}

/** What graphql-js answers, and what the executor does: twice, for the second execution finds the plan made by the first. All as sent. */
async function both(document: DocumentNode, variables: Record<string, unknown> = {}) {
  const operation = getOperationAST(document)!
  const executor = createExecutor(schema)
  const context = () => ({ n: 7 })
  const expected = await execute({ schema, document, variableValues: variables, rootValue: 0, contextValue: context() })
  const first = await executor({ document, operation, variables, rootValue: 0, context })
  const second = await executor({ document, operation, variables, rootValue: 0, context })
  // graphql-js makes objects without a prototype.
  const planned = Object.getPrototypeOf(first.data ?? Object.create(null)) !== null
  return { expected: JSON.stringify(expected), answers: [JSON.stringify(first), JSON.stringify(second)], planned }
}

const leaf = fc.constantFrom(
  'text',
  'must',
  'later',
  'number',
  'number(of: 3, or: [{ a: 1 }])',
  'number(of: $v)',
  'list',
  'texts',
  '__typename',
)
const bad = fc.constantFrom('lost', 'broken', 'failing', 'refused { text }')
const alias = fc.constantFrom('', '', '', 'x: ', 'y: ', 'toString: ')
const { selection } = fc.letrec<{ selection: string; item: string }>((tie) => ({
  item: fc.oneof(
    { weight: 40, arbitrary: fc.tuple(alias, leaf).map((parts) => parts.join('')) },
    { weight: 2, arbitrary: bad },
    {
      weight: 1,
      arbitrary: fc.constantFrom('text @include(if: false)', 'later @skip(if: $s)', '__proto__: text', '... @skip(if: $s) { text }'),
    },
    {
      weight: 20,
      arbitrary: fc
        .tuple(alias, fc.constantFrom('self', 'other', 'soon', 'things', 'all', '...', '... on Thing', '... on Query'), tie('selection'))
        .map(([name, field, inner]) => `${field.startsWith('...') ? '' : name}${field} ${inner}`),
    },
    { weight: 6, arbitrary: fc.constantFrom('...F', '...G', '... on Other { only }') },
  ),
  selection: fc
    .array(tie('item') as fc.Arbitrary<string>, { minLength: 1, maxLength: 4, depthIdentifier: 'd' })
    .map((items) => `{ ${items.join(' ')} }`),
}))

test('every valid document is answered as graphql-js answers it, errors and their places included', async () => {
  let planned = 0
  let left = 0
  await fc.assert(
    fc.asyncProperty(selection, selection, async (main, fragment) => {
      const document = parse(
        `query ($v: Int! = 2, $s: Boolean! = true) ${main} fragment F on Thing ${fragment} fragment G on Query { search { __typename ... on Other { only } } ...F }`,
      )
      // Not all that is generated is valid; unused variables and fragments are of no matter here.
      fc.pre(validate(schema, document).every(({ message }) => /never used/.test(message)))
      const { expected, answers, planned: byPlan } = await both(document)
      assert.deepEqual(answers, [expected, expected])
      if (byPlan) planned++
      else left++
    }),
    { numRuns: 400, maxSkipsPerRun: 200 },
  )
  // Both ways were taken often.
  assert.ok(planned > 50 && left > 50, `${planned} by a plan, ${left} left to graphql-js`)
})

test('variables that cannot be read are refused as graphql-js refuses them, oneOf with two keys included', async () => {
  const document = parse('query ($or: [In], $of: Int!) { number(of: $of, or: $or) }')
  for (const variables of [{}, { of: 'x' }, { of: 1, or: [{ a: 1, b: 'two' }] }, { of: 1, or: [{ a: null }] }, { of: 1, or: [{ a: 1 }] }]) {
    const { expected, answers } = await both(document, variables)
    assert.deepEqual(answers, [expected, expected])
  }
})

test('what goes well is executed once; an error begins it again, with a context of its own', async () => {
  const counted = async (text: string) => {
    const document = parse(text)
    const contexts = new Set<object>()
    calls = 0
    await createExecutor(schema)({
      document,
      operation: getOperationAST(document)!,
      variables: {},
      rootValue: 0,
      context: () => {
        const made = { n: contexts.size }
        contexts.add(made)
        return made
      },
    })
    return { calls, contexts: contexts.size }
  }
  assert.deepEqual(await counted('{ all { text must things { text ... on Other { only } } } }'), { calls: 13, contexts: 1 })
  assert.deepEqual(await counted('{ text broken later }'), { calls: 5, contexts: 2 })
})

test('a document whose fragments would make its plan far larger than itself is answered all the same', async () => {
  const names = Array.from({ length: 60 }, (_, index) => `a${index}`)
  const document = parse(
    `{ ${names.map((name) => `${name}: self { ...F }`).join(' ')} } fragment F on Query { ${names.map((name) => `${name}: text`).join(' ')} }`,
  )
  const { expected, answers, planned } = await both(document)
  assert.deepEqual(answers, [expected, expected])
  assert.equal(planned, false)
})

test('selections that depend on variables are planned for each of their values, and many of them are left', async () => {
  const document = parse(
    'query ($s: Boolean!, $t: Boolean = true) { text @skip(if: $s) soon @include(if: $s) { text } ...F @skip(if: $t) later @include(if: true) } fragment F on Query { list }',
  )
  for (const variables of [{ s: true }, { s: false }, { s: true, t: false }, { s: false, t: true }]) {
    const { expected, answers, planned } = await both(document, variables)
    assert.deepEqual(answers, [expected, expected])
    assert.ok(planned, JSON.stringify(variables))
  }
  const names = Array.from({ length: 10 }, (_, i) => `c${i}`)
  const many = parse(
    `query (${names.map((name) => `$${name}: Boolean!`).join(' ')}) { ${names.map((name) => `${name}: text @skip(if: $${name})`).join(' ')} }`,
  )
  const operation = getOperationAST(many)!
  const executor = createExecutor(schema)
  for (let bits = 0; bits < 1_024; bits++) {
    const variables = Object.fromEntries(names.map((name, i) => [name, (bits & (1 << i)) === 0]))
    const { data } = await executor({ document: many, operation, variables, rootValue: 0, context: () => ({ n: 7 }) })
    assert.deepEqual(
      Object.keys(data!),
      names.filter((name) => !variables[name]),
    )
  }
})

test('a large answer leaves turns of the loop to others', async () => {
  const large = buildSchema('type Query { items: [Query!]! one: Query! work: Int! }')
  const { items, one, work } = large.getQueryType()!.getFields()
  items!.resolve = () => Array.from({ length: 100 }, () => ({}))
  one!.resolve = async () => ({})
  work!.resolve = () => {
    const end = performance.now() + 1
    while (performance.now() < end);
    return 1
  }
  const document = parse('{ items { one { work } } }')
  let turns = 0
  let going = true
  const turn = (): void => {
    turns++
    if (going) setImmediate(turn)
  }
  setImmediate(turn)
  const { data } = await createExecutor(large)({
    document,
    operation: getOperationAST(document)!,
    variables: {},
    rootValue: null,
    context: () => null,
  })
  going = false
  assert.equal((data!.items as { one: { work: number } }[]).filter((item) => item.one.work === 1).length, 100)
  // 100 ms of work, at most 8 of them and the one under way in a turn.
  assert.ok(turns >= 8, `${turns} turns`)
})
