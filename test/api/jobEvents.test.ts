import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openApi } from './api.ts'

const WATCH = `subscription ($filter: JobFilter, $after: Cursor, $checkpoints: Boolean! = false) {
  jobChanges(filter: $filter, after: $after, checkpoints: $checkpoints) {
    cursor at change jobId matches job { id name state version lastRun { status } }
  }
}`

test('jobs are watched: created, changed, deleted; each event shows the job as it then stands', async (t) => {
  const api = await openApi(t)
  const events = await api.subscribe(WATCH)
  const next = async () => (await events.next()).value.data.jobChanges
  const created = next()
  const id = await api.create({ name: 'a' })
  const { cursor, at, ...rest } = await created
  assert.deepEqual(rest, {
    change: 'CREATED',
    jobId: id,
    matches: true,
    job: { id, name: 'a', state: 'ACTIVE', version: 1, lastRun: null },
  })
  assert.equal(at, new Date(api.clock.now()).toISOString())
  await api.commands.triggerJob({ id }, { name: 'ada' })
  await api.commands.pauseJob({ id, note: 'n' }, { name: 'ada' })
  assert.deepEqual((await next()).job, { id, name: 'a', state: 'PAUSED', version: 2, lastRun: { status: 'QUEUED' } })
  await api.begin()
  await api.commands.resumeJob({ id }, { name: 'ada' })
  assert.deepEqual((await next()).job, { id, name: 'a', state: 'ACTIVE', version: 3, lastRun: { status: 'RUNNING' } })
  await api.commands.deleteJob({ id }, { name: 'ada' })
  const { change, jobId, job } = await next()
  assert.deepEqual([change, jobId, job], ['DELETED', id, null])
  const again = await api.subscribe(WATCH, { after: cursor })
  assert.equal((await again.next()).value.data.jobChanges.change, 'UPDATED')
})

test('a checkpoint has a cursor and no change', async (t) => {
  const api = await openApi(t)
  await api.create({ name: 'a' })
  const { streamPosition } = await api.get('{ streamPosition }')
  const events = await api.subscribe(WATCH, { checkpoints: true })
  const { at, ...rest } = (await events.next()).value.data.jobChanges
  assert.deepEqual(rest, { cursor: streamPosition, change: null, jobId: null, matches: null, job: null })
  assert.ok(at)
})

test('only what the filter says is told; a filter that is too long is refused by name', async (t) => {
  const api = await openApi(t)
  const events = await api.subscribe(WATCH, { filter: { tags: ['red'] } })
  const next = events.next()
  await api.create({ name: 'blue' })
  await api.create({ name: 'red', tags: ['red'] })
  assert.equal((await next).value.data.jobChanges.job.name, 'red')
  await assert.rejects(api.subscribe(WATCH, { filter: { search: 'x'.repeat(201) } }), /filter\.search/)
})
