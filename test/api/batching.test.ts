import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Api, openApi } from './api.ts'

/** A manual run of a job that allows any number at once. */
async function triggered(api: Api, id: string): Promise<void> {
  const { triggerJob } = await api.get('mutation ($id: ID!) { triggerJob(input: { id: $id, overlap: ALLOW_ALL }) { errors { code } } }', {
    id,
  })
  assert.deepEqual(triggerJob.errors, [])
}

test('a page of runs with jobs and attempts costs one read of each', async (t) => {
  const api = await openApi(t)
  for (let index = 0; index < 5; index++) await triggered(api, await api.create({ name: `job ${index}` }))
  const calls: string[] = []
  const { store, prisma } = api.services
  Object.assign(api.services, { store: noting(store, calls), prisma: { attempt: noting(prisma.attempt, calls) } })
  const { runs } = await api.get('{ runs { nodes { id job { name lastRun { id } } attempts { number } rerunOf { id } } } }')
  assert.equal(runs.nodes.length, 5)
  assert.deepEqual(calls.sort(), ['findMany', 'jobRows', 'listRuns', 'runRows'])
})

test('a page of jobs with the newest runs of each costs one read of each, and counts nothing', async (t) => {
  const api = await openApi(t)
  for (let index = 0; index < 5; index++) {
    const job = await api.create({ name: `job ${index}` })
    for (let run = 0; run < 4; run++) await triggered(api, job)
  }
  const calls: string[] = []
  Object.assign(api.services, { store: noting(api.services.store, calls) })
  const { jobs } = await api.get(
    '{ jobs(first: 50) { nodes { lastRun { id } runs(first: 3) { nodes { id } pageInfo { hasNextPage } } } } }',
  )
  for (const { lastRun, runs } of jobs.nodes) {
    assert.equal(runs.nodes[0].id, lastRun.id)
    assert.deepEqual([runs.nodes.length, runs.pageInfo.hasNextPage], [3, true])
  }
  // The pauses of the scheduling come from memory.
  assert.deepEqual(calls.sort(), ['listJobs', 'maintenance', 'newestRuns', 'runRows'])
})

/** The same object; the names of the functions called on it are noted. */
function noting<T extends object>(object: T, calls: string[]): T {
  return new Proxy(object, {
    get(target, name) {
      const value = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        calls.push(String(name))
        return value.apply(target, args)
      }
    },
  })
}
