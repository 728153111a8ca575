import assert from 'node:assert/strict'
import { describe, it, test, type TestContext } from 'node:test'
import { parse } from 'graphql'
import { SCOPES } from '../../src/api/context.ts'
import { schema } from '../../src/api/schema.ts'
import { createDocuments } from '../../src/server/documents.ts'
import { LARGEST_ANSWER, type Outcome, SHARED_FOR, SharedAnswers } from '../../src/server/sharedAnswers.ts'
import { CLOCK_FIELD, POSITION_FIELD, sharedQuestion } from '../../src/server/sharing.ts'
import { EVERYBODY } from '../../src/server/viewer.ts'
import { allRuns, createJob, planRun } from '../engine/factories.ts'
import { openPostgresDatabase } from '../engine/openPostgres.ts'
import { ask, subscribeWs } from '../support/graphqlClient.ts'
import { startTestServer } from './testServer.ts'

/** Answers by a clock that stands, and makers that count how often they are asked. */
function standing() {
  const clock = { at: 0 }
  const answers = new SharedAnswers(() => clock.at)
  let made = 0
  const make = async (): Promise<Outcome<string>> => ({ kind: 'text', text: `made ${++made}` })
  const given = async (question = 'q', maker = make) => {
    const outcome = await answers.answer(question, maker)
    return outcome.kind === 'text' ? outcome.text : outcome.own
  }
  return { clock, answers, given }
}

describe('shared answers', () => {
  it('are given again for a while, to the same question', async () => {
    const { clock, answers, given } = standing()
    assert.equal(await given(), 'made 1')
    clock.at = SHARED_FOR - 1
    assert.equal(await given(), 'made 1')
    assert.equal(await given('another'), 'made 2')
    clock.at = SHARED_FOR
    assert.equal(await given(), 'made 3')
    assert.deepEqual(answers.counts, { shared: 1, made: 3 })
  })

  it('are given to those who ask while they are made; who asks after a change is not among them', async () => {
    const { answers, given } = standing()
    const { promise, resolve } = Promise.withResolvers<Outcome<string>>()
    const early = [given('q', () => promise), given()]
    answers.forget()
    const late = given()
    resolve({ kind: 'text', text: 'slow' })
    assert.deepEqual(await Promise.all([...early, late]), ['slow', 'slow', 'made 1'])
    // What came in late from before the change has not taken the place of what was made after it.
    assert.equal(await given(), 'made 1')
  })

  it('are not kept of what is for its caller alone, which everybody gets of their own', async () => {
    const { given } = standing()
    const makers = [1, 2, 3].map((number) => async (): Promise<Outcome<string>> => ({ kind: 'own', own: `own ${number}` }))
    assert.deepEqual(await Promise.all(makers.slice(0, 2).map((maker) => given('q', maker))), ['own 1', 'own 2'])
    assert.equal(await given('q', makers[2]), 'own 3')
    await assert.rejects(given('q', () => Promise.reject(new Error('failed'))))
    assert.equal(await given(), 'made 1')
  })

  it('take a bounded room: what is large is not kept, and the oldest go first', async () => {
    const { answers, given } = standing()
    const large = (length: number) => async (): Promise<Outcome<string>> => ({ kind: 'text', text: 'x'.repeat(length) })
    await given('too large', large(LARGEST_ANSWER + 1))
    assert.equal(answers.size, 0)
    for (let i = 0; i < 20; i++) await given(`large ${i}`, large(LARGEST_ANSWER - 10))
    assert.ok(answers.size <= 16 * LARGEST_ANSWER)
    assert.equal(await given('large 0'), 'made 1')
    assert.equal((await given('large 19')).length, LARGEST_ANSWER - 10)
    for (let i = 0; i < 1_100; i++) await given(`small ${i}`)
    assert.notEqual((await given('large 19')).length, LARGEST_ANSWER - 10)
    answers.forget()
    assert.equal(answers.size, 0)
  })
})

test('a question is the same for the same text, operation and variables, of one viewer with the same rights', () => {
  const documents = createDocuments(schema)
  const questionOf = (params: { query?: string; operationName?: string; variables?: Record<string, unknown> } = {}, viewer = EVERYBODY) => {
    const asked = { query: 'query a($id: ID!) { node(id: $id) { id } } query b { viewer { name } }', operationName: 'a', ...params }
    const prepared = documents.prepare(asked)
    assert.ok('document' in prepared, JSON.stringify(prepared))
    return sharedQuestion(prepared, asked, viewer)
  }
  const variables = { id: 'job_1' }
  const different = [
    questionOf({ variables }),
    questionOf({ variables: { id: 'job_2' } }),
    questionOf({ operationName: 'b' }),
    questionOf({ query: '{ viewer { name } }', operationName: undefined as never }),
    questionOf({ variables }, { name: 'other', scopes: SCOPES }),
    questionOf({ variables }, { name: EVERYBODY.name, scopes: ['READ'] }),
  ]
  assert.ok(different.every((question) => question !== null))
  assert.equal(new Set(different).size, different.length)
  assert.equal(questionOf({ variables: { ...variables } }), different[0])
  // Whoever reads the clock sets one by it; and mutations do something.
  assert.equal(questionOf({ query: '{ system { now } }', operationName: undefined as never }), null)
  assert.equal(questionOf({ query: 'mutation { resumeScheduling { errors { message } } }', operationName: undefined as never }), null)
  assert.equal(questionOf({ variables: { id: 'x'.repeat(9_000) } }), null)
})

test('the fields that are told apart by their names are those of the schema', () => {
  const query = schema.getQueryType()!.getFields()
  assert.ok(query[POSITION_FIELD])
  assert.deepEqual(
    Object.values(schema.getTypeMap()).flatMap((type) => ('getFields' in type && CLOCK_FIELD in type.getFields() ? [type.name] : [])),
    ['System'],
  )
  assert.ok(parse(`{ system { ${CLOCK_FIELD} } }`))
})

describe('queries over HTTP', () => {
  async function start(t: TestContext) {
    const server = await startTestServer({}, { answers: new SharedAnswers(() => 0) })
    t.after(() => server[Symbol.asyncDispose]())
    const random = async (query = '{ random }', variables = {}) =>
      JSON.stringify((await ask(`${server.url}/graphql`, query, variables)).data)
    return { ...server, random }
  }

  it('share an answer until a mutation or a change that is heard of', async (t) => {
    const { url, bus, random } = await start(t)
    const first = await random()
    assert.equal(await random(), first)
    await ask(`${url}/graphql`, 'mutation { bump }')
    const second = await random()
    assert.notEqual(second, first)
    assert.equal(await random(), second)
    for (const hint of [
      { kind: 'changes', upTo: 1 },
      { kind: 'jobs', wakeAt: null },
      { kind: 'logs', runIds: null },
    ] as const) {
      const before = await random()
      bus.publish(hint)
      assert.notEqual(await random(), before, hint.kind)
    }
  })

  it('show nobody what was before a change that he was told of, though no hint of it was heard', async (t) => {
    const { url, store, random } = await start(t)
    const { events, close } = await subscribeWs<{ runs: { run: string | null } }>(`${url}/graphql`, 'subscription { runs { cursor run } }')
    await events.first('a checkpoint', () => true)
    const before = await random()
    // The hub hears of it, by a poll as it were; the answers do not.
    store.commit([{ id: 'run_1' }])
    await events.first('the change', ({ runs }) => runs.run === 'run_1')
    assert.notEqual(await random(), before)
    await close()
  })

  it('show nobody what was before a position that he was told, and share on where it stands', async (t) => {
    const { store, random } = await start(t)
    const before = await random()
    const position = await random('{ streamPosition }')
    assert.equal(await random(), before)
    store.commit([{ id: 'run_1' }], { hint: false })
    assert.notEqual(await random('{ streamPosition  }'), position)
    const after = await random()
    assert.notEqual(after, before)
    await random('{ streamPosition   }')
    assert.equal(await random(), after)
  })

  it('share none where they differ, ask for the clock or fail', async (t) => {
    const { url, logged, random } = await start(t)
    const query = 'query q($of: Int) { random(of: $of) }'
    assert.equal(await random(query, { of: 1 }), await random(query, { of: 1 }))
    assert.notEqual(await random(query, { of: 1 }), await random(query, { of: 2 }))
    assert.notEqual(await random('{ random }'), await random('{ random  }'))
    assert.notEqual(await random('{ now }'), await random('{ now }'))
    const failed = await Promise.all([1, 2].map(() => ask(`${url}/graphql`, '{ bug }')))
    const [one, other] = failed.map(({ errors }) => errors?.[0]?.extensions?.requestId)
    assert.notEqual(one, other)
    assert.equal(logged.length, 2)
  })

  it('tell at /metrics how often', async (t) => {
    const { server, random } = await start(t)
    for (let i = 0; i < 3; i++) await random()
    const text = await (await fetch(`${server.url}/metrics`)).text()
    assert.match(text, /^orrery_query_answers_total\{how="shared"\} 2$/m)
    assert.match(text, /^orrery_query_answers_total\{how="made"\} 1$/m)
  })
})

it('a write of another process is seen with its hint', async (t) => {
  const database = await openPostgresDatabase(t)
  const [here, there] = [await database.open('ins_here'), await database.open('ins_there')]
  const answers = new SharedAnswers(() => 0)
  here.bus.subscribe(() => answers.forget())
  const runs = () => answers.answer('runs', async () => ({ kind: 'text', text: String(await here.store.countRuns(allRuns)) }))
  let upTo = 0
  let look = () => {}
  here.bus.subscribe((hint) => {
    if (hint.kind === 'changes') upTo = Math.max(upTo, hint.upTo ?? Number.POSITIVE_INFINITY)
    look()
  })
  const heardOf = (cursor: number) =>
    new Promise<void>((resolve) => {
      look = () => upTo >= cursor && resolve()
      look()
    })
  const job = await createJob(there.store)
  assert.deepEqual(await runs(), { kind: 'text', text: '0' })
  const { id } = await planRun(there.store, job)
  await heardOf((await there.store.run(id))!.cursor)
  assert.deepEqual(await runs(), { kind: 'text', text: '1' })
})
