import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoreUnavailable } from '../../src/engine/errors.ts'
import { newJobOf } from '../engine/factories.ts'
import { NOON } from '../support/parts.ts'
import { type Api, CREATE, EVERY_MINUTE, openApi, problems } from './api.ts'

// What docs/api.md promises of all of the API, where no other file tries it: on a real engine, through the whole schema.

const iso = (instant: number): string => new Date(instant).toISOString()

async function jobAndRun(api: Api): Promise<{ readonly id: string; readonly runId: string }> {
  const id = await api.create({})
  await api.commands.triggerJob({ id }, { name: 'ada' })
  return { id, runId: (await api.begin())[0]!.runId }
}

/** Every list of the API, with room for a size. */
const LISTS: readonly (readonly [name: string, document: string, most: number])[] = [
  ['jobs', 'query ($n: Int, $m: Int) { jobs(first: $n, last: $m) { nodes { id } } }', 100],
  ['runs', 'query ($n: Int, $m: Int) { runs(first: $n, last: $m) { nodes { id } } }', 100],
  ['Job.runs', 'query ($n: Int, $m: Int, $id: ID!) { job(by: { id: $id }) { runs(first: $n, last: $m) { nodes { id } } } }', 100],
  [
    'Job.occurrences',
    `query ($n: Int, $m: Int, $id: ID!) { job(by: { id: $id }) {
      occurrences(from: "${iso(NOON)}", to: "${iso(NOON + 60_000)}", first: $n, last: $m) { nodes { at } } } }`,
    100,
  ],
  ['JobRun.logs', 'query ($n: Int, $m: Int, $run: ID!) { run(id: $run) { logs(first: $n, last: $m) { nodes { seq } } } }', 1_000],
]

test('a page of more than a list gives is an error, not a clamp, in every list and direction', async (t) => {
  const api = await openApi(t)
  const { id, runId } = await jobAndRun(api)
  for (const [name, document, most] of LISTS) {
    const declared = { ...(document.includes('$id') ? { id } : {}), ...(document.includes('$run') ? { run: runId } : {}) }
    assert.deepEqual((await api.ask(document, { ...declared, n: most })).errors, [], name)
    for (const size of [{ n: most + 1 }, { m: most + 1 }, { n: -1 }, { n: 2_147_483_647 }]) {
      const [[argument, value]] = Object.entries(size) as [[string, number]]
      assert.deepEqual(
        await api.refusal(document, { ...declared, ...size }),
        { code: 'BAD_USER_INPUT', message: `\`${argument === 'n' ? 'first' : 'last'}\` is ${value}; accepted: 0 to ${most}.` },
        name,
      )
    }
  }
})

test('a page has fifty where no size is given', async (t) => {
  const api = await openApi(t)
  await api.engine.store.createJobs(Array.from({ length: 51 }, () => newJobOf()))
  const { jobs } = await api.get('{ jobs { nodes { id } pageInfo { hasNextPage } } }')
  assert.deepEqual([jobs.nodes.length, jobs.pageInfo.hasNextPage], [50, true])
})

test('totalCount is exact up to 10,000, and null above', async (t) => {
  const api = await openApi(t)
  const { store } = api.engine
  const counted = async () => (await api.get('{ jobs(first: 1) { totalCount } }')).jobs.totalCount
  for (let i = 0; i < 10; i++) await store.createJobs(Array.from({ length: 1_000 }, () => newJobOf()))
  assert.equal(await counted(), 10_000)
  await store.createJobs([newJobOf({ name: 'one more', tags: ['rare'] })])
  assert.equal(await counted(), null)
  const { jobs } = await api.get('{ jobs(filter: { tags: ["rare"] }) { totalCount } }')
  assert.equal(jobs.totalCount, 1)
})

test('an id is the same string everywhere, told apart by its beginning', async (t) => {
  const api = await openApi(t)
  const { id, runId } = await jobAndRun(api)
  assert.match(id, /^job_[0-9a-z]+$/i)
  assert.match(runId, /^run_[0-9a-z]+$/i)
  const { nodes } = await api.get('query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }', { ids: [runId, id] })
  assert.deepEqual(nodes, [
    { __typename: 'JobRun', id: runId },
    { __typename: 'Job', id },
  ])
})

test('what is not there is null in a query, and NOT_FOUND as data in a command', async (t) => {
  const api = await openApi(t)
  const data = await api.get(
    '{ job(by: { id: "job_none" }) { id } named: job(by: { name: "none" }) { id } run(id: "run_none") { id } node(id: "run_none") { id } nodes(ids: ["job_none", ""]) { id } }',
  )
  assert.deepEqual(data, { job: null, named: null, run: null, node: null, nodes: [null, null] })
  for (const command of [
    'pauseJob(input: { id: "job_none", note: "n" })',
    'triggerJob(input: { id: "job_none" })',
    'cancelRun(input: { id: "run_none" })',
  ]) {
    const [payload] = Object.values(await api.get(`mutation { ${command} { errors { code message path } } }`)) as { errors: never[] }[]
    assert.deepEqual(problems(payload!.errors), ['NOT_FOUND id'], command)
  }
})

test('one failure costs one field: a bug is masked with the id of the request, a database that is away says so', async (t) => {
  const api = await openApi(t)
  await jobAndRun(api)
  const document = '{ jobs { nodes { name } } runs { nodes { id } } system { version } }'
  for (const [failure, code] of [
    [new Error('secret detail'), 'INTERNAL'],
    [new StoreUnavailable('secret detail'), 'UNAVAILABLE'],
  ] as const) {
    const failing = t.mock.method(api.engine.store, 'listRuns', async () => {
      throw failure
    })
    const { data, errors } = await api.ask(document)
    failing.mock.restore()
    assert.deepEqual([data.jobs.nodes[0].name, data.runs, data.system.version], ['minutely', null, '1.2.3'])
    assert.deepEqual(errors[0]?.extensions, { code, requestId: 'req' })
    assert.deepEqual(errors[0]?.path, ['runs'])
    assert.equal(JSON.stringify(errors).includes('secret detail'), false)
  }
})

test('each limit of an input takes the greatest value that is accepted, and nothing beyond', async (t) => {
  const api = await openApi(t)
  const text = (length: number): string => 'x'.repeat(length)
  const nested = (depth: number): unknown => JSON.parse('['.repeat(depth) + ']'.repeat(depth))
  const limits: readonly (readonly [most: object, beyond: object, problem: string])[] = [
    [{ name: text(200) }, { name: text(201) }, 'INVALID name'],
    [{ tags: Array.from({ length: 50 }, (_, i) => `t${i}`) }, { tags: Array.from({ length: 51 }, (_, i) => `t${i}`) }, 'TOO_MANY tags'],
    [{ tags: [text(64)] }, { tags: [text(65)] }, 'INVALID tags.0'],
    // As JSON, with its quotes.
    [{ payload: text(65_534) }, { payload: text(65_535) }, 'TOO_LARGE payload'],
    [{ payload: nested(32) }, { payload: nested(33) }, 'INVALID payload'],
  ]
  for (const [index, [most, beyond, problem]] of limits.entries()) {
    const ask = async (input: object) =>
      problems((await api.get(CREATE, { input: { name: `limit ${index}`, schedule: EVERY_MINUTE, ...input } })).createJob.errors)
    assert.deepEqual(await ask(most), [], problem)
    assert.deepEqual(await ask(beyond), [problem])
  }
})

test('1,000 instants are shown ahead, one more is refused', async (t) => {
  const api = await openApi(t)
  const id = await api.create({ schedule: { interval: { every: 1_000 } } })
  const upcoming = 'query ($id: ID!, $n: Int!) { job(by: { id: $id }) { upcoming(count: $n) } }'
  const preview = 'query ($n: Int!) { previewSchedule(schedule: { interval: { every: "1s" } }, count: $n) { next errors { code path } } }'
  assert.equal((await api.get(upcoming, { id, n: 1_000 })).job.upcoming.length, 1_000)
  assert.equal((await api.refusal(upcoming, { id, n: 1_001 })).code, 'BAD_USER_INPUT')
  assert.equal((await api.get(preview, { n: 1_000 })).previewSchedule.next.length, 1_000)
  assert.deepEqual(problems((await api.get(preview, { n: 1_001 })).previewSchedule.errors), ['TOO_MANY count'])
})

test('windows include their start and exclude their end', async (t) => {
  const api = await openApi(t)
  const id = await api.create({ schedule: { interval: { every: 60_000, anchor: NOON } } })
  const { job } = await api.get(
    `query ($id: ID!) { job(by: { id: $id }) {
      occurrences(from: "${iso(NOON + 60_000)}", to: "${iso(NOON + 180_000)}") { nodes { at until count } } } }`,
    { id },
  )
  assert.equal(
    job.occurrences.nodes.reduce((sum: number, { count }: { count: number }) => sum + count, 0),
    2,
  )
  assert.equal(job.occurrences.nodes[0].at, iso(NOON + 60_000))
  const { previewSchedule } = await api.get(
    `{ previewSchedule(schedule: { interval: { every: "60s", anchor: "${iso(NOON)}" } }, from: "${iso(NOON)}", count: 1) { next } }`,
  )
  assert.deepEqual(previewSchedule.next, [iso(NOON + 60_000)])
})
