import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NOON } from '../support/parts.ts'
import { CREATE, EVERY_MINUTE, openApi } from './api.ts'

const iso = (instant: number) => new Date(instant).toISOString()

test('a job is answered whole, as it was created', async (t) => {
  const api = await openApi(t)
  const input = {
    name: 'report',
    description: 'Weekly.',
    tags: ['b', 'a'],
    schedule: {
      cron: { expression: '30 9 * * MON', timezone: 'Asia/Kathmandu', endAt: '2030-01-01T00:00:00+05:45', maxRuns: 7, jitter: '30s' },
    },
    target: {
      http: {
        url: 'https://example.com/hook',
        method: 'PUT',
        headers: [
          { name: 'x-plain', value: 'shown' },
          { name: 'authorization', value: 'hidden', secret: true },
        ],
        expectStatus: ['204'],
        secret: 'whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0',
      },
    },
    payload: { to: ['ada'], nested: { deep: null } },
    policies: {
      overlap: 'BUFFER_ALL',
      misfire: 'ALL',
      timeout: '90s',
      backoff: { factor: 1.5 },
      concurrencyKey: 'mail',
      maxConcurrency: 2,
    },
  }
  const { createJob } = await api.get(CREATE, { input })
  assert.deepEqual(createJob.errors, [])
  const { job } = await api.get(
    `query ($id: ID!) { job(by: { id: $id }) {
      __typename id name description tags state pause { note } version createdAt updatedAt payload nextRunAt upcoming(count: 2) lastRun { id } runs { totalCount nodes { id } }
      schedule { description jitter ... on CronSchedule { expression timezone dayMatch gap fold startAt endAt maxRuns } }
      target { description ... on HttpTarget { url method headers { name value secret } expectStatus hasOwnSecret } }
      policies { overlap misfire misfireGrace catchupWindow maxAttempts backoff { initial factor max jitter } timeout priority concurrencyKey maxConcurrency pauseAfterFailures }
    } }`,
    { id: createJob.job.id },
  )
  const { nextRunAt, schedule, ...rest } = job
  const monday = Date.UTC(2026, 5, 15, 3, 45)
  assert.ok(nextRunAt >= iso(monday) && nextRunAt <= iso(monday + 30_000), nextRunAt)
  assert.match(schedule.description, /Kathmandu/)
  assert.deepEqual(
    { ...schedule, description: null },
    {
      description: null,
      jitter: 'PT30S',
      expression: '30 9 * * MON',
      timezone: 'Asia/Kathmandu',
      dayMatch: 'ANY',
      gap: 'FIRE_AFTER',
      fold: 'FIRST',
      startAt: null,
      endAt: '2029-12-31T18:15:00.000Z',
      maxRuns: 7,
    },
  )
  assert.deepEqual(rest, {
    __typename: 'Job',
    id: createJob.job.id,
    name: 'report',
    description: 'Weekly.',
    tags: ['b', 'a'],
    state: 'ACTIVE',
    pause: null,
    version: 1,
    createdAt: iso(NOON),
    updatedAt: iso(NOON),
    payload: { to: ['ada'], nested: { deep: null } },
    upcoming: [iso(monday), iso(monday + 7 * 86_400_000)],
    lastRun: null,
    runs: { totalCount: 0, nodes: [] },
    target: {
      description: 'PUT https://example.com/hook',
      url: 'https://example.com/hook',
      method: 'PUT',
      headers: [
        { name: 'x-plain', value: 'shown', secret: false },
        { name: 'authorization', value: null, secret: true },
      ],
      expectStatus: ['204'],
      hasOwnSecret: true,
    },
    policies: {
      overlap: 'BUFFER_ALL',
      misfire: 'ALL',
      misfireGrace: 'PT1M',
      catchupWindow: 'PT24H',
      maxAttempts: 3,
      backoff: { initial: 'PT10S', factor: 1.5, max: 'PT1H', jitter: true },
      timeout: 'PT1M30S',
      priority: 0,
      concurrencyKey: 'mail',
      maxConcurrency: 2,
      pauseAfterFailures: null,
    },
  })
})

test('a secret is in no answer, whatever is asked', async (t) => {
  const api = await openApi(t)
  const target = {
    http: {
      url: 'https://example.com',
      headers: [{ name: 'a', value: 'hidden-header', secret: true }],
      secret: 'whsec_aGlkZGVuaGlkZGVuaGlkZGVuaGlkZGVu',
    },
  }
  const answer = await api.ask(
    `mutation ($input: CreateJobInput!) { createJob(input: $input) { job { target { __typename description ... on HttpTarget { url headers { name value secret } hasOwnSecret expectStatus method } } } } }`,
    { input: { name: 'a', schedule: EVERY_MINUTE, target } },
  )
  assert.equal(answer.data.createJob.job.target.hasOwnSecret, true)
  assert.doesNotMatch(JSON.stringify(answer), /hidden-header|whsec_/)
})

test('each kind of schedule and target is told apart', async (t) => {
  const api = await openApi(t)
  const schedules = [{ interval: { every: '90s' } }, { cron: { expression: '@daily' } }, { once: { at: '2027-01-01T00:00:00Z' } }]
  const targets = [
    { handler: { handler: 'log' } },
    { command: { executable: '/bin/echo', args: ['a', 'b'] } },
    { http: { url: 'https://example.com' } },
  ]
  for (const [index, schedule] of schedules.entries())
    await api.get(CREATE, { input: { name: `job ${index}`, schedule, target: targets[index] } })
  const { jobs } = await api.get(`{ jobs { nodes {
    schedule { __typename ... on IntervalSchedule { every anchor } ... on CronSchedule { expression timezone } ... on OnceSchedule { at } }
    target { __typename description ... on HandlerTarget { handler } ... on CommandTarget { executable args } ... on HttpTarget { expectStatus } }
  } } }`)
  assert.deepEqual(jobs.nodes, [
    {
      schedule: { __typename: 'IntervalSchedule', every: 'PT1M30S', anchor: iso(NOON) },
      target: { __typename: 'HandlerTarget', description: 'handler log', handler: 'log' },
    },
    {
      schedule: { __typename: 'CronSchedule', expression: '@daily', timezone: 'UTC' },
      target: { __typename: 'CommandTarget', description: '/bin/echo a b', executable: '/bin/echo', args: ['a', 'b'] },
    },
    {
      schedule: { __typename: 'OnceSchedule', at: '2027-01-01T00:00:00.000Z' },
      target: { __typename: 'HttpTarget', description: 'POST https://example.com', expectStatus: ['2xx'] },
    },
  ])
})

test('a job is found by id, by name and as a node; what is unknown is null', async (t) => {
  const api = await openApi(t)
  const id = await api.create({ name: 'found' })
  const data = await api.get(
    `query ($id: ID!) {
      byId: job(by: { id: $id }) { name } byName: job(by: { name: "found" }) { id } asNode: node(id: $id) { __typename id ... on Job { name } }
      noId: job(by: { id: "job_none" }) { id } noName: job(by: { name: "none" }) { id } empty: job(by: { id: "" }) { id }
      noNode: node(id: "job_none") { id } noPrefix: node(id: "SGVsbG8=") { id } noRun: run(id: "run_none") { id }
      nodes(ids: ["run_none", $id, "x", $id]) { id }
    }`,
    { id },
  )
  assert.deepEqual(data, {
    byId: { name: 'found' },
    byName: { id },
    asNode: { __typename: 'Job', id, name: 'found' },
    noId: null,
    noName: null,
    empty: null,
    noNode: null,
    noPrefix: null,
    noRun: null,
    nodes: [null, { id }, null, { id }],
  })
  assert.deepEqual(await api.refusal('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids: Array.from({ length: 101 }, () => id) }), {
    code: 'BAD_USER_INPUT',
    message: '`ids` has 101 ids; accepted: at most 100.',
  })
})

const NAMES = 'query ($filter: JobFilter, $orderBy: JobOrder) { jobs(filter: $filter, orderBy: $orderBy) { totalCount nodes { name } } }'

test('jobs are listed by what their filter says', async (t) => {
  const api = await openApi(t)
  await api.create({ name: 'Alpha', tags: ['red', 'blue'], description: 'Größe' })
  await api.create({ name: 'beta', tags: ['red'], pause: { note: 'later' } })
  await api.create({ name: 'gamma', target: { handler: { handler: 'noop' } }, schedule: { once: { at: NOON + 1_000 } } })
  const names = async (filter: object): Promise<string[]> => {
    const { jobs } = await api.get(NAMES, { filter })
    assert.equal(jobs.totalCount, jobs.nodes.length)
    return jobs.nodes.map((job: { name: string }) => job.name)
  }
  assert.deepEqual(await names({}), ['Alpha', 'beta', 'gamma'])
  assert.deepEqual(await names({ state: ['PAUSED'] }), ['beta'])
  assert.deepEqual(await names({ state: ['ACTIVE', 'PAUSED'] }), ['Alpha', 'beta', 'gamma'])
  assert.deepEqual(await names({ state: ['COMPLETED'] }), [])
  assert.deepEqual(await names({ search: 'ALPH' }), ['Alpha'])
  assert.deepEqual(await names({ search: 'GRÖ' }), ['Alpha'])
  assert.deepEqual(await names({ search: '%' }), [])
  assert.deepEqual(await names({ tags: ['red'] }), ['Alpha', 'beta'])
  assert.deepEqual(await names({ tags: ['red', 'blue'] }), ['Alpha'])
  assert.deepEqual(await names({ handler: 'noop' }), ['gamma'])
  assert.deepEqual(await names({ tags: ['red'], state: ['ACTIVE'] }), ['Alpha'])
  assert.deepEqual(await names({ lastRunStatus: ['QUEUED'] }), [])
  assert.deepEqual(await names({ state: [] }), [], 'any of none is none')
  assert.deepEqual(await names({ tags: [] }), ['Alpha', 'beta', 'gamma'], 'all of none is no condition')
  assert.deepEqual(await names({ state: null, search: null, tags: null, handler: null, lastRunStatus: null }), ['Alpha', 'beta', 'gamma'])
  assert.equal((await api.refusal(NAMES, { filter: { tags: Array.from({ length: 1_001 }, () => 'a') } })).code, 'BAD_USER_INPUT')
  assert.equal((await api.refusal(NAMES, { filter: { search: 'a'.repeat(201) } })).code, 'BAD_USER_INPUT')
})

test('jobs are paged in every order, forward and backward, without a gap', async (t) => {
  const api = await openApi(t)
  for (const name of ['a', 'b', 'C', 'd', 'É', 'f', 'g']) {
    const once = name === 'd' || name === 'f'
    const id = await api.create({
      name,
      schedule: once ? { once: { at: NOON + 1_000_000 } } : { interval: { every: 60_000 } },
      ...(name === 'g' ? { pause: { note: 'n' } } : {}),
    })
    if (name === 'b') await api.commands.triggerJob({ id }, { name: 'ada' })
    api.clock.forward(1_000)
  }
  const document = `query ($first: Int, $after: String, $last: Int, $before: String, $orderBy: JobOrder) {
    jobs(first: $first, after: $after, last: $last, before: $before, orderBy: $orderBy) { edges { cursor node { name } } nodes { name } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }
  }`
  for (const field of ['NAME', 'NEXT_RUN_AT', 'LAST_RUN_AT', 'CREATED_AT', 'UPDATED_AT']) {
    for (const direction of ['ASC', 'DESC']) {
      const orderBy = { field, direction }
      const all = (await api.get(document, { orderBy })).jobs
      const expected = all.nodes.map((node: { name: string }) => node.name)
      assert.equal(expected.length, 7)
      const forward: string[] = []
      const backward: string[] = []
      for (
        let page = (await api.get(document, { first: 3, orderBy })).jobs;
        ;
        page = (await api.get(document, { first: 3, after: page.pageInfo.endCursor, orderBy })).jobs
      ) {
        assert.equal(page.pageInfo.hasPreviousPage, forward.length > 0)
        forward.push(...page.edges.map((edge: { node: { name: string } }) => edge.node.name))
        if (!page.pageInfo.hasNextPage) break
      }
      for (
        let page = (await api.get(document, { last: 3, orderBy })).jobs;
        ;
        page = (await api.get(document, { last: 3, before: page.pageInfo.startCursor, orderBy })).jobs
      ) {
        assert.equal(page.pageInfo.hasNextPage, backward.length > 0)
        backward.unshift(...page.nodes.map((node: { name: string }) => node.name))
        if (!page.pageInfo.hasPreviousPage) break
      }
      assert.deepEqual(forward, expected, `${field} ${direction}`)
      assert.deepEqual(backward, expected, `${field} ${direction} backward`)
    }
  }
  const byName = (await api.get(document, {})).jobs
  assert.deepEqual(
    byName.nodes.map((node: { name: string }) => node.name),
    ['C', 'a', 'b', 'd', 'f', 'g', 'É'],
    'text by bytes',
  )
  const wrong = await api.refusal(document, { after: byName.pageInfo.endCursor, orderBy: { field: 'NAME', direction: 'DESC' } })
  assert.deepEqual([wrong.code, /another order/.test(wrong.message)], ['BAD_USER_INPUT', true])
  assert.equal((await api.refusal(document, { first: 101 })).code, 'BAD_USER_INPUT')
})

test('one list that cannot be read costs its field alone', async (t) => {
  const api = await openApi(t)
  const { data, errors } = await api.ask('{ jobs(first: 101) { totalCount } system { version } }')
  assert.deepEqual(data, { jobs: null, system: { version: '1.2.3' } })
  assert.deepEqual(
    errors.map((error) => error.path),
    [['jobs']],
  )
})

const UPCOMING =
  'query ($id: ID!, $count: Int!) { job(by: { id: $id }) { state nextRunAt upcoming(count: $count) pause { since until note by } } }'

test('upcoming ends with maxRuns, endAt and the schedule itself', async (t) => {
  const api = await openApi(t)
  const upcoming = async (schedule: object, count = 5) => {
    const { createJob } = await api.get(CREATE, { input: { name: `${Math.random()}`, schedule } })
    return (await api.get(UPCOMING, { id: createJob.job.id, count })).job.upcoming
  }
  const minutes = (...numbers: number[]) => numbers.map((number) => iso(NOON + number * 60_000))
  assert.deepEqual(await upcoming({ interval: { every: '1m', maxRuns: 2 } }), minutes(1, 2))
  assert.deepEqual(await upcoming({ interval: { every: '1m', endAt: iso(NOON + 180_000) } }), minutes(1, 2, 3))
  assert.deepEqual(await upcoming({ once: { at: iso(NOON + 60_000) } }), minutes(1))
  assert.deepEqual(await upcoming({ interval: { every: '1m' } }, 0), [])
  assert.equal((await upcoming({ interval: { every: '1m' } }, 1_000)).length, 1_000)
  const id = await api.create({})
  for (const count of [-1, 1_001]) assert.equal((await api.refusal(UPCOMING, { id, count })).code, 'BAD_USER_INPUT')
})

test('a pause is shown while it lasts, and upcoming begins after it', async (t) => {
  const api = await openApi(t)
  const id = await api.create({})
  const until = NOON + 10 * 60_000
  const pause = `mutation ($input: PauseJobInput!) { pauseJob(input: $input) { job { state } errors { code path } } }`
  assert.deepEqual((await api.get(pause, { input: { id, note: 'moving house' } })).pauseJob, { job: { state: 'PAUSED' }, errors: [] })
  assert.deepEqual((await api.get(UPCOMING, { id, count: 2 })).job, {
    state: 'PAUSED',
    nextRunAt: null,
    upcoming: [],
    pause: { since: iso(NOON), until: null, note: 'moving house', by: 'ada' },
  })
  await api.get(pause, { input: { id, note: 'short', until: iso(until) } })
  const { job } = await api.get(UPCOMING, { id, count: 2 })
  assert.deepEqual([job.nextRunAt, job.upcoming], [iso(until), [iso(until), iso(until + 60_000)]], 'until itself fires')
  api.clock.instant = until
  assert.deepEqual((await api.get('query ($id: ID!) { job(by: { id: $id }) { state pause { note } } }', { id })).job, {
    state: 'ACTIVE',
    pause: null,
  })
  api.clock.instant = NOON + 1_000
  const resumed = await api.get(
    'mutation ($id: ID!) { resumeJob(input: { id: $id }) { job { state pause { note } nextRunAt } errors { code } } }',
    { id },
  )
  assert.deepEqual(resumed.resumeJob, { job: { state: 'ACTIVE', pause: null, nextRunAt: iso(NOON + 60_000) }, errors: [] })
})
