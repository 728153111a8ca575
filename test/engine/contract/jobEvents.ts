import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Job } from '../../../src/domain/job.ts'
import type { Engine } from '../../../src/engine/engine.ts'
import type { Store } from '../../../src/engine/store/store.ts'
import { beginAll, changeJob, createJob, failed, LATER, MINUTE, NOON, planOf, planRun, positionOf, settleOne } from '../factories.ts'

type Open = (t: TestContext) => Promise<Engine>

/** What the stream holds of a job, without its places. */
async function eventsOf(store: Store, jobId: string) {
  const events = await store.jobChanges({ after: 0, upTo: await store.streamHead(), limit: 1_000 })
  return events.filter((event) => event.jobId === jobId).map(({ change, before }) => ({ change, before }))
}

export function jobEventContract(open: Open): void {
  describe('changes of jobs', () => {
    it('are answered in their order, in pages and between any bounds', async (t) => {
      const { store } = await open(t)
      const start = await store.streamHead()
      const [a, b] = [await createJob(store), await createJob(store)]
      const middle = await store.streamHead()
      await planRun(store, a)
      await changeJob(store, a.id, () => ({ event: 'UPDATED' }))
      await changeJob(store, b.id, () => ({ delete: true, event: 'DELETED', now: LATER + 5 }))
      const upTo = await store.streamHead()
      const read = async (query: Partial<Parameters<Store['jobChanges']>[0]>) =>
        (await store.jobChanges({ after: start, upTo, limit: 100, ...query })).map(({ jobId, change }) => `${change} ${jobId}`)
      const all = [`CREATED ${a.id}`, `CREATED ${b.id}`, `UPDATED ${a.id}`, `DELETED ${b.id}`]
      assert.deepEqual(await read({}), all)
      assert.deepEqual(await read({ limit: 3 }), all.slice(0, 3))
      assert.deepEqual(await read({ after: middle }), all.slice(2))
      assert.deepEqual(await read({ upTo: middle }), all.slice(0, 2))
      assert.deepEqual(await read({ after: upTo }), [])
      const last = (await store.jobChanges({ after: middle, upTo, limit: 100 })).at(-1)!
      assert.deepEqual([last.cursor, last.at], [upTo, LATER + 5])
    })

    it('say what filters look at, as it was before, as far as it was touched', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store, { name: 'Bill', description: 'Äpfel', tags: ['a', 'b'] })
      await changeJob(store, job.id, (before) => ({ job: { ...before, payload: '2' }, event: 'UPDATED' }))
      await changeJob(store, job.id, (before) => ({ job: { ...before, tags: ['a'] }, event: 'UPDATED' }))
      await changeJob(store, job.id, (before) => ({ job: { ...before, target: { kind: 'handler', handler: 'log' } }, event: 'UPDATED' }))
      const pause = { since: LATER, until: null, note: 'n', by: null }
      await changeJob(store, job.id, (before) => ({ job: { ...before, name: 'Will', pause }, event: 'UPDATED' }))
      await changeJob(store, job.id, () => ({ position: { completed: true }, event: 'UPDATED' }))
      await changeJob(store, job.id, () => ({ delete: true, event: 'DELETED' }))
      assert.deepEqual(await eventsOf(store, job.id), [
        { change: 'CREATED', before: null },
        { change: 'UPDATED', before: null },
        { change: 'UPDATED', before: { tags: ['a', 'b'] } },
        { change: 'UPDATED', before: { handler: 'noop' } },
        { change: 'UPDATED', before: { state: 'ACTIVE', searchText: 'bill\näpfel' } },
        { change: 'UPDATED', before: { state: 'PAUSED' } },
        { change: 'DELETED', before: { state: 'COMPLETED', searchText: 'will\näpfel', tags: ['a'], handler: 'log' } },
      ])
    })

    it('are told of pauses that end and that failures bring, and of schedules that run out, with the state before', async (t) => {
      const { store } = await open(t)
      const resting = await createJob(store, { pause: { since: NOON, until: NOON + MINUTE, note: 'n', by: null } })
      await store.commitPlans([planOf(await positionOf(store, resting.id), [], { position: { pauseEnds: true } })], NOON + MINUTE)
      assert.deepEqual((await eventsOf(store, resting.id)).slice(1), [{ change: 'UPDATED', before: { state: 'PAUSED' } }])
      const complete = async (job: Job) => {
        await store.commitPlans([planOf(await positionOf(store, job.id), [], { position: { completed: true } })], LATER)
        return (await eventsOf(store, job.id)).slice(1)
      }
      assert.deepEqual(await complete(await createJob(store)), [{ change: 'UPDATED', before: { state: 'ACTIVE' } }])
      const paused = await createJob(store, { pause: { since: NOON, until: null, note: 'n', by: null } })
      assert.deepEqual(await complete(paused), [{ change: 'UPDATED', before: { state: 'PAUSED' } }])
      const failing = await createJob(store, { policies: { pauseAfterFailures: 1 } })
      await planRun(store, failing)
      await settleOne(store, (await beginAll(store))[0]!, failed())
      assert.deepEqual((await eventsOf(store, failing.id)).slice(1), [{ change: 'UPDATED', before: { state: 'ACTIVE' } }])
    })
  })
}
