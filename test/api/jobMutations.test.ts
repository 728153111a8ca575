import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CREATE, EVERY_MINUTE, openApi, problems } from './api.ts'

test('an update changes what it names, and refuses what has moved on', async (t) => {
  const api = await openApi(t)
  const id = await api.create({ name: 'old', description: 'kept', payload: { a: 1 }, tags: ['x'] })
  const update =
    'mutation ($input: UpdateJobInput!) { updateJob(input: $input) { job { name description payload tags version target { description } } errors { code path } } }'
  const { updateJob } = await api.get(update, { input: { id, expectedVersion: 1, name: 'new', payload: null, tags: null } })
  assert.deepEqual(updateJob, {
    job: { name: 'new', description: 'kept', payload: null, tags: [], version: 2, target: { description: 'handler log' } },
    errors: [],
  })
  const stale = await api.get(update, { input: { id, expectedVersion: 1, name: 'newer' } })
  assert.deepEqual(stale.updateJob, { job: null, errors: [{ code: 'VERSION_CONFLICT', path: ['expectedVersion'] }] })
  const missing = await api.get(update, { input: { id, name: null } })
  assert.deepEqual(missing.updateJob.errors, [{ code: 'INVALID', path: ['name'] }])
})

test('every mutation of a document answers what it left behind', async (t) => {
  const api = await openApi(t)
  const id = await api.create({ name: 'first' })
  const data = await api.get(
    `mutation ($id: ID!) {
      a: updateJob(input: { id: $id, name: "second" }) { job { name version } }
      run: triggerJob(input: { id: $id }) { run { job { name } } }
      b: updateJob(input: { id: $id, name: "third" }) { job { name version lastRun { job { name } } } }
    }`,
    { id },
  )
  assert.deepEqual(data, {
    a: { job: { name: 'second', version: 2 } },
    run: { run: { job: { name: 'second' } } },
    b: { job: { name: 'third', version: 3, lastRun: { job: { name: 'third' } } } },
  })
})

test('onConflict says what becomes of a job of the same name', async (t) => {
  const api = await openApi(t)
  const create = async (onConflict: string, description: string) =>
    (await api.get(CREATE, { input: { name: 'one', description, schedule: EVERY_MINUTE, onConflict } })).createJob
  const first = await create('FAIL', 'a')
  assert.equal(first.created, true)
  assert.deepEqual(problems((await create('FAIL', 'b')).errors), ['NAME_TAKEN name'])
  assert.deepEqual(await create('KEEP', 'c'), { created: false, job: { id: first.job.id, name: 'one', version: 1 }, errors: [] })
  assert.deepEqual(await create('UPDATE', 'd'), { created: false, job: { id: first.job.id, name: 'one', version: 2 }, errors: [] })
})

test('a deleted job is gone from everywhere, and its name is free', async (t) => {
  const api = await openApi(t)
  const id = await api.create({ name: 'gone' })
  const remove =
    'mutation ($id: ID!, $version: Int) { deleteJob(input: { id: $id, expectedVersion: $version }) { deletedId errors { code path } } }'
  assert.deepEqual((await api.get(remove, { id, version: 9 })).deleteJob, {
    deletedId: null,
    errors: [{ code: 'VERSION_CONFLICT', path: ['expectedVersion'] }],
  })
  assert.deepEqual((await api.get(remove, { id })).deleteJob, { deletedId: id, errors: [] })
  assert.deepEqual((await api.get(remove, { id })).deleteJob, { deletedId: null, errors: [{ code: 'NOT_FOUND', path: ['id'] }] })
  const data = await api.get('query ($id: ID!) { job(by: { id: $id }) { id } node(id: $id) { id } jobs { totalCount nodes { id } } }', {
    id,
  })
  assert.deepEqual(data, { job: null, node: null, jobs: { totalCount: 0, nodes: [] } })
  await api.create({ name: 'gone' })
})
