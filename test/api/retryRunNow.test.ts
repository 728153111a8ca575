import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NOON } from '../support/parts.ts'
import { openApi, problems } from './api.ts'

const iso = (instant: number) => new Date(instant).toISOString()
const TRIGGER = 'mutation ($id: ID!) { triggerJob(input: { id: $id }) { run { id } } }'
const RETRY =
  'mutation ($id: ID!) { retryRunNow(input: { id: $id }) { run { id status nextAttemptAt attempt } errors { code message path } } }'

test('the next attempt of a run that waits for it starts now; of any other run there is none to start', async (t) => {
  const api = await openApi(t)
  const job = await api.create({ policies: { maxAttempts: 2 } })
  const { run } = (await api.get(TRIGGER, { id: job })).triggerJob
  const retry = async () => (await api.get(RETRY, { id: run.id })).retryRunNow

  const queued = await retry()
  assert.deepEqual([queued.run, problems(queued.errors)], [null, ['INVALID id']])
  assert.match(queued.errors[0].message, /QUEUED; accepted: .*RETRYING/)
  const [one] = await api.begin()
  assert.deepEqual(problems((await retry()).errors), ['INVALID id'])

  await api.fail(one!)
  assert.deepEqual(await api.begin(), [])
  assert.deepEqual(await retry(), { run: { id: run.id, status: 'RETRYING', nextAttemptAt: iso(NOON), attempt: 1 }, errors: [] })
  assert.deepEqual((await retry()).errors, [], 'a second time does no harm')
  const [two] = await api.begin()
  assert.equal(two!.attempt, 2)
  await api.fail(two!)
  assert.deepEqual(problems((await retry()).errors), ['ALREADY_FINISHED id'], 'its attempts were not made more')
  assert.deepEqual(problems((await api.get(RETRY, { id: 'run_none' })).retryRunNow.errors), ['NOT_FOUND id'])
})

test('starting an attempt now needs the scope OPERATE', async (t) => {
  const api = await openApi(t)
  const { errors } = await api.ask(RETRY, { id: 'run_none' }, { name: 'rita', scopes: ['READ'] })
  assert.equal(errors[0]?.extensions.code, 'FORBIDDEN')
})
