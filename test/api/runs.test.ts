import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attemptsOf } from '../../src/api/attempt.ts'
import { NOON } from '../support/parts.ts'
import { type Api, openApi, problems } from './api.ts'

const iso = (instant: number) => new Date(instant).toISOString()

const TRIGGER = `mutation ($input: TriggerJobInput!) {
  triggerJob(input: $input) { replayed run { id status } errors { code message path } }
}`

/** A manual run of a job that allows any number at once. */
async function triggered(api: Api, id: string, more: object = {}): Promise<string> {
  const { triggerJob } = await api.get(TRIGGER, { input: { id, overlap: 'ALLOW_ALL', ...more } })
  assert.deepEqual(triggerJob.errors, [])
  return triggerJob.run.id
}

const RUN = `query ($id: ID!) { run(id: $id) {
  __typename id job { id name } trigger status scheduledFor dueAt queuedAt startedAt finishedAt cancelRequestedAt lag duration coalesced payload output
  error { code message stack retryable } progress attempt nextAttemptAt rerunOf { id } triggeredBy
  attempts { number status startedAt finishedAt duration error { code retryable } instanceId jobVersion }
} }`

test('a run tells its life: queued, retried, succeeded', async (t) => {
  const api = await openApi(t)
  const job = await api.create({ payload: { a: 1 } })
  const id = await triggered(api, job)
  const first = (await api.get(RUN, { id })).run
  assert.deepEqual(first, {
    __typename: 'JobRun',
    id,
    job: { id: job, name: 'minutely' },
    trigger: 'MANUAL',
    status: 'QUEUED',
    scheduledFor: iso(NOON),
    dueAt: iso(NOON),
    queuedAt: iso(NOON),
    startedAt: null,
    finishedAt: null,
    cancelRequestedAt: null,
    lag: null,
    duration: null,
    coalesced: 0,
    payload: { a: 1 },
    output: null,
    error: null,
    progress: null,
    attempt: 0,
    nextAttemptAt: null,
    rerunOf: null,
    triggeredBy: 'ada',
    attempts: [],
  })

  api.clock.forward(250)
  const [one] = await api.begin()
  const running = (await api.get(RUN, { id })).run
  assert.deepEqual([running.status, running.startedAt, running.lag, running.attempt], ['RUNNING', iso(NOON + 250), 'PT0.25S', 1])
  assert.deepEqual(running.attempts, [
    {
      number: 1,
      status: 'RUNNING',
      startedAt: iso(NOON + 250),
      finishedAt: null,
      duration: null,
      error: null,
      instanceId: 'ins_test',
      jobVersion: 1,
    },
  ])

  api.clock.forward(1_000)
  await api.fail(one!)
  const retrying = (await api.get(RUN, { id })).run
  assert.deepEqual(
    [retrying.status, retrying.nextAttemptAt, retrying.error],
    ['RETRYING', iso(NOON + 2_250), { code: 'BROKEN', message: 'It broke.', stack: null, retryable: true }],
  )
  assert.deepEqual(
    retrying.attempts.map((attempt: { number: number; status: string }) => [attempt.number, attempt.status]),
    [[1, 'FAILED']],
  )

  api.clock.forward(1_000)
  const [two] = await api.begin()
  api.clock.forward(500)
  await api.succeed(two!, { sent: true })
  const done = (await api.get(RUN, { id })).run
  assert.deepEqual(
    [done.status, done.duration, done.output, done.error, done.nextAttemptAt, done.attempt],
    ['SUCCEEDED', 'PT2.5S', { sent: true }, null, null, 2],
  )
  assert.deepEqual(done.attempts, [
    {
      number: 1,
      status: 'FAILED',
      startedAt: iso(NOON + 250),
      finishedAt: iso(NOON + 1_250),
      duration: 'PT1S',
      error: { code: 'BROKEN', retryable: true },
      instanceId: 'ins_test',
      jobVersion: 1,
    },
    {
      number: 2,
      status: 'SUCCEEDED',
      startedAt: iso(NOON + 2_250),
      finishedAt: iso(NOON + 2_750),
      duration: 'PT0.5S',
      error: null,
      instanceId: 'ins_test',
      jobVersion: 1,
    },
  ])
})

test('an attempt shows its own status and error in every state of its run', async (t) => {
  const api = await openApi(t)
  const id = await triggered(api, await api.create({}))
  const attempts = async () => {
    const { run } = await api.get('query ($id: ID!) { run(id: $id) { attempts { number status finishedAt error { code } } } }', { id })
    return run.attempts.map(({ number, status, finishedAt, error }: Record<string, unknown>) => [
      number,
      status,
      finishedAt !== null,
      (error as { code: string } | null)?.code ?? null,
    ])
  }
  assert.deepEqual(await attempts(), [])
  const [one] = await api.begin()
  assert.deepEqual(await attempts(), [[1, 'RUNNING', false, null]])
  await api.fail(one!)
  assert.deepEqual(await attempts(), [[1, 'FAILED', true, 'BROKEN']])
  api.clock.forward(60_000)
  const [two] = await api.begin()
  assert.deepEqual(await attempts(), [
    [1, 'FAILED', true, 'BROKEN'],
    [2, 'RUNNING', false, null],
  ])
  await api.fail(two!, false)
  assert.deepEqual(await attempts(), [
    [1, 'FAILED', true, 'BROKEN'],
    [2, 'FAILED', true, 'BROKEN'],
  ])
})

test('a run that was cancelled while it waited keeps the attempts it had', async (t) => {
  const api = await openApi(t)
  const id = await triggered(api, await api.create({}))
  const [one] = await api.begin()
  await api.fail(one!)
  const { cancelRun } = await api.get(
    'mutation ($id: ID!) { cancelRun(input: { id: $id }) { run { status nextAttemptAt attempts { number status } } } }',
    { id },
  )
  assert.deepEqual(cancelRun.run, { status: 'CANCELLED', nextAttemptAt: null, attempts: [{ number: 1, status: 'FAILED' }] })
})

test('a row that is older than the stored attempts is not told beside them', () => {
  const stored = [1, 2].map((number) => ({
    runId: 'run_1',
    number,
    status: 'FAILED',
    startedAt: new Date(number),
    finishedAt: new Date(number),
    error: null,
    instanceId: null,
    jobVersion: 1,
  }))
  const row = { id: 'run_1', attempt: 1, attemptStatus: 'RUNNING', attemptStartedAt: 1, finishedAt: null } as never
  assert.deepEqual(attemptsOf(row, stored), stored)
})

test('a job shows its newest run and its runs, newest first', async (t) => {
  const api = await openApi(t)
  const one = await api.create({ name: 'one' })
  const two = await api.create({ name: 'two' })
  const ids: string[] = []
  for (let index = 0; index < 4; index++) {
    ids.push(await triggered(api, one))
    api.clock.forward(1_000)
  }
  const [first] = await api.begin()
  await api.succeed(first!)
  const document = `{ jobs { nodes { name lastRun { id job { name } } runs(first: 3) { totalCount pageInfo { hasNextPage } nodes { id status job { name } } } done: runs(filter: { status: [SUCCEEDED] }) { nodes { id } } } } }`
  const { jobs } = await api.get(document)
  assert.deepEqual(jobs.nodes, [
    {
      name: 'one',
      lastRun: { id: ids[3], job: { name: 'one' } },
      runs: {
        totalCount: 4,
        pageInfo: { hasNextPage: true },
        nodes: [3, 2, 1].map((index) => ({ id: ids[index], status: 'RUNNING', job: { name: 'one' } })),
      },
      done: { nodes: [{ id: ids[0] }] },
    },
    { name: 'two', lastRun: null, runs: { totalCount: 0, pageInfo: { hasNextPage: false }, nodes: [] }, done: { nodes: [] } },
  ])
  const other = await api.get(
    'query ($id: ID!, $other: ID!) { job(by: { id: $id }) { mine: runs(filter: { jobIds: [$id] }) { totalCount } none: runs(filter: { jobIds: [$other] }) { totalCount nodes { id } } } }',
    { id: one, other: two },
  )
  assert.deepEqual(other.job, { mine: { totalCount: 4 }, none: { totalCount: 0, nodes: [] } })
})

test('runs are listed by what their filter says', async (t) => {
  const api = await openApi(t)
  const one = await api.create({ name: 'one', tags: ['red', 'blue'] })
  const two = await api.create({ name: 'two', tags: ['red'] })
  const a = await triggered(api, one)
  api.clock.forward(1_000)
  const b = await triggered(api, two)
  api.clock.forward(1_000)
  const [begun] = await api.begin()
  await api.succeed(begun!)
  const ids = async (filter: object): Promise<string[]> => {
    const { runs } = await api.get('query ($filter: JobRunFilter) { runs(filter: $filter) { totalCount nodes { id } } }', { filter })
    assert.equal(runs.totalCount, runs.nodes.length)
    return runs.nodes.map((run: { id: string }) => run.id)
  }
  assert.deepEqual(await ids({}), [b, a])
  assert.deepEqual(await ids({ jobIds: [one] }), [a])
  assert.deepEqual(await ids({ jobIds: [one, two, 'job_none'] }), [b, a])
  assert.deepEqual(await ids({ jobIds: [] }), [])
  assert.deepEqual(await ids({ status: ['SUCCEEDED', 'FAILED'] }), [a])
  assert.deepEqual(await ids({ trigger: ['MANUAL'] }), [b, a])
  assert.deepEqual(await ids({ trigger: ['SCHEDULE'] }), [])
  assert.deepEqual(await ids({ tags: ['red', 'blue'] }), [a])
  assert.deepEqual(await ids({ scheduledFrom: iso(NOON), scheduledTo: iso(NOON + 1_000) }), [a], 'from inclusive, to exclusive')
  assert.deepEqual(await ids({ scheduledFrom: iso(NOON + 1) }), [b])
})

test('runs are paged in every order, forward and backward, without a gap', async (t) => {
  const api = await openApi(t)
  const job = await api.create({})
  for (let index = 0; index < 7; index++) {
    await triggered(api, job)
    if (index % 2 === 0) api.clock.forward(1_000)
  }
  for (const begun of (await api.begin()).slice(0, 4)) {
    await api.succeed(begun)
    api.clock.forward(10)
  }
  const document = `query ($first: Int, $after: String, $last: Int, $before: String, $orderBy: JobRunOrder) {
    runs(first: $first, after: $after, last: $last, before: $before, orderBy: $orderBy) { nodes { id finishedAt } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }
  }`
  for (const field of ['SCHEDULED_FOR', 'QUEUED_AT', 'FINISHED_AT']) {
    for (const direction of ['ASC', 'DESC']) {
      const orderBy = { field, direction }
      const nodes: { id: string; finishedAt: string | null }[] = (await api.get(document, { orderBy })).runs.nodes
      if (field === 'FINISHED_AT')
        assert.deepEqual(
          nodes.map((node) => node.finishedAt === null),
          [false, false, false, false, true, true, true],
          'nulls last, both ways',
        )
      const forward: string[] = []
      const backward: string[] = []
      for (
        let page = (await api.get(document, { first: 3, orderBy })).runs;
        ;
        page = (await api.get(document, { first: 3, after: page.pageInfo.endCursor, orderBy })).runs
      ) {
        forward.push(...page.nodes.map((node: { id: string }) => node.id))
        if (!page.pageInfo.hasNextPage) break
      }
      for (
        let page = (await api.get(document, { last: 3, orderBy })).runs;
        ;
        page = (await api.get(document, { last: 3, before: page.pageInfo.startCursor, orderBy })).runs
      ) {
        backward.unshift(...page.nodes.map((node: { id: string }) => node.id))
        if (!page.pageInfo.hasPreviousPage) break
      }
      const expected = nodes.map((node) => node.id)
      assert.deepEqual(forward, expected, `${field} ${direction}`)
      assert.deepEqual(backward, expected, `${field} ${direction} backward`)
    }
  }
})

test('a trigger is replayed by its idempotency key, and refused with another input', async (t) => {
  const api = await openApi(t)
  const id = await api.create({})
  const call = async (input: object) => (await api.get(TRIGGER, { input: { id, ...input } })).triggerJob
  const first = await call({ idempotencyKey: 'k', payload: { a: 1 } })
  assert.deepEqual([first.replayed, first.errors], [false, []])
  const again = await call({ idempotencyKey: 'k', payload: { a: 1 } })
  assert.deepEqual([again.replayed, again.run.id], [true, first.run.id])
  const other = await call({ idempotencyKey: 'k', payload: { a: 2 } })
  assert.deepEqual([other.run, other.replayed, problems(other.errors)], [null, false, ['IDEMPOTENCY_MISMATCH idempotencyKey']])
  assert.deepEqual(problems((await call({})).errors), ['OVERLAP overlap'], 'the first run is still active')
})

test('a run is cancelled once, and repeated as another', async (t) => {
  const api = await openApi(t)
  const id = await triggered(api, await api.create({}), { payload: { a: 1 } })
  const cancel = 'mutation ($id: ID!) { cancelRun(input: { id: $id }) { run { id status finishedAt } errors { code path } } }'
  assert.deepEqual((await api.get(cancel, { id })).cancelRun, { run: { id, status: 'CANCELLED', finishedAt: iso(NOON) }, errors: [] })
  assert.deepEqual((await api.get(cancel, { id })).cancelRun, { run: null, errors: [{ code: 'ALREADY_FINISHED', path: ['id'] }] })
  const { rerun } = await api.get(
    'mutation ($id: ID!) { rerun(input: { id: $id }) { run { trigger payload triggeredBy rerunOf { id status } } errors { code } } }',
    { id },
  )
  assert.deepEqual(rerun, {
    run: { trigger: 'RERUN', payload: { a: 1 }, triggeredBy: 'ada', rerunOf: { id, status: 'CANCELLED' } },
    errors: [],
  })
})
