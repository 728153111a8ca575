import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NOON } from '../support/parts.ts'
import { openApi } from './api.ts'

const WATCH = `subscription ($filter: JobRunStreamFilter, $after: Cursor, $checkpoints: Boolean! = false) {
  jobRuns(filter: $filter, after: $after, checkpoints: $checkpoints) { cursor at run { id status job { name } attempts { number status } } }
}`

test('a run is watched live, through its changes', async (t) => {
  const api = await openApi(t)
  const job = await api.create({})
  const events = await api.subscribe(WATCH, { filter: { jobIds: [job] } })
  const next = async () => {
    const { data, errors } = (await events.next()).value
    assert.deepEqual(errors, [])
    return data.jobRuns
  }
  await api.commands.triggerJob({ id: job }, { name: 'ada' })
  const queued = await next()
  assert.deepEqual([queued.at, queued.run.status, queued.run.attempts], [new Date(NOON).toISOString(), 'QUEUED', []])
  const [begun] = await api.begin()
  assert.deepEqual((await next()).run.attempts, [{ number: 1, status: 'RUNNING' }])
  await api.succeed(begun!)
  assert.equal((await next()).run.status, 'SUCCEEDED')
})

test('what is read for one event is not shown for the next', async (t) => {
  const api = await openApi(t)
  const job = await api.create({ name: 'before' })
  const events = await api.subscribe(WATCH)
  const jobName = async () => (await events.next()).value.data.jobRuns.run.job.name
  await api.commands.triggerJob({ id: job }, { name: 'ada' })
  assert.equal(await jobName(), 'before')
  await api.commands.updateJob({ id: job, name: 'after' }, { name: 'ada' })
  const [begun] = await api.begin()
  assert.equal(await jobName(), 'after')
  await api.succeed(begun!)
  assert.equal(await jobName(), 'after')
})

test('a subscriber goes on from a cursor: nothing is lost', async (t) => {
  const api = await openApi(t)
  const job = await api.create({})
  const { streamPosition } = await api.get('{ streamPosition }')
  await api.commands.triggerJob({ id: job }, { name: 'ada' })
  const events = await api.subscribe(WATCH, { after: streamPosition, checkpoints: true })
  const missed = (await events.next()).value.data.jobRuns
  assert.equal(missed.run.status, 'QUEUED')
  const caughtUp = (await events.next()).value.data.jobRuns
  assert.equal(caughtUp.run, null, 'a checkpoint')
  assert.equal(caughtUp.cursor, (await api.get('{ streamPosition }')).streamPosition)
})

test('only what the filter says is told', async (t) => {
  const api = await openApi(t)
  const red = await api.create({ name: 'red', tags: ['red'] })
  const blue = await api.create({ name: 'blue' })
  const events = await api.subscribe(WATCH, { filter: { tags: ['red'], trigger: ['MANUAL'], finalOnly: true } })
  await api.commands.triggerJob({ id: blue }, { name: 'ada' })
  await api.commands.triggerJob({ id: red }, { name: 'ada' })
  for (const begun of await api.begin()) await api.succeed(begun)
  const { run } = (await events.next()).value.data.jobRuns
  assert.deepEqual([run.job.name, run.status], ['red', 'SUCCEEDED'])
})

test('a cursor that cannot be resumed from is refused', async (t) => {
  const api = await openApi(t)
  const events = await api.subscribe(WATCH, { after: 'nonsense' })
  await assert.rejects(async () => events.next(), { name: 'StreamError', code: 'CURSOR_INVALID' })
})

test('a subscriber that leaves before its first event leaves nothing behind', async (t) => {
  const api = await openApi(t)
  const source = api.services.stream.jobRuns({ jobIds: null, tags: null, trigger: null, finalOnly: false, after: null, checkpoints: false })
  await source.return?.()
  for (let index = 0; index < 20; index++) {
    const events = await api.subscribe(WATCH)
    await events.return?.()
  }
  assert.equal(api.services.stream.readers, 0)
})
