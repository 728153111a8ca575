import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Engine } from '../../../src/engine/engine.ts'
import type { Store } from '../../../src/engine/store/store.ts'
import { beginAll, changeJob, createJob, LATER, MINUTE, manualRunOf, NOON, planRun, settleOne, statusOf } from '../factories.ts'

type Open = (t: TestContext) => Promise<Engine>

const statuses = (store: Store, runs: readonly { readonly id: string }[]) => Promise.all(runs.map(({ id }) => statusOf(store, id)))

export function holdContract(open: Open): void {
  describe('runs that wait for others of their job', () => {
    it('start one after the other, the earliest due first, when none of the job goes any more', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store)
      const first = await planRun(store, job)
      const late = await planRun(store, job, { heldBy: 'OVERLAP', dueAt: NOON + 9 * MINUTE })
      const early = await planRun(store, job, { heldBy: 'OVERLAP', dueAt: NOON + 5 * MINUTE })
      for (const [ended, expected] of [
        [first, ['SUCCEEDED', 'QUEUED held by OVERLAP', 'QUEUED']],
        [early, ['SUCCEEDED', 'QUEUED', 'SUCCEEDED']],
      ] as const) {
        const begun = await beginAll(store)
        assert.deepEqual(
          begun.map(({ runId }) => runId),
          [ended.id],
        )
        await settleOne(store, begun[0]!)
        assert.deepEqual(await statuses(store, [first, late, early]), expected)
      }
    })

    it('wait on while another run of the job goes, also one that will be tried again', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store)
      const [one, two] = [await planRun(store, job), await planRun(store, job)]
      const held = await planRun(store, job, { heldBy: 'OVERLAP' })
      const begun = await beginAll(store)
      await settleOne(store, begun.find(({ runId }) => runId === one.id)!)
      const retried = begun.find(({ runId }) => runId === two.id)!
      await settleOne(store, retried, { kind: 'LOST' })
      assert.deepEqual(await statuses(store, [one, two, held]), ['SUCCEEDED', 'RETRYING', 'QUEUED held by OVERLAP'])
      await settleOne(store, (await beginAll(store))[0]!)
      assert.deepEqual(await statuses(store, [two, held]), ['SUCCEEDED', 'QUEUED'])
    })

    it('do not wait for the runs of another job', async (t) => {
      const { store } = await open(t)
      const [job, other] = [await createJob(store), await createJob(store)]
      const mine = await planRun(store, job)
      await planRun(store, other)
      const held = await planRun(store, job, { heldBy: 'OVERLAP' })
      const begun = await beginAll(store)
      await settleOne(store, begun.find(({ runId }) => runId === mine.id)!)
      assert.equal(await statusOf(store, held.id), 'QUEUED')
    })

    it('start also where the run before them was cancelled', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store)
      const [first, held] = [await planRun(store, job), await planRun(store, job, { heldBy: 'OVERLAP' })]
      await store.changeRun(first.id, () => ({ kind: 'cancel', now: LATER }))
      assert.deepEqual(await statuses(store, [first, held]), ['CANCELLED', 'QUEUED'])
    })

    it('cancelled while they wait, let the next one stay where it is', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store)
      const runs = [
        await planRun(store, job),
        await planRun(store, job, { heldBy: 'OVERLAP' }),
        await planRun(store, job, { heldBy: 'OVERLAP' }),
      ]
      await store.changeRun(runs[1]!.id, () => ({ kind: 'cancel', now: LATER }))
      assert.deepEqual(await statuses(store, runs), ['QUEUED', 'CANCELLED', 'QUEUED held by OVERLAP'])
    })
  })

  describe('runs that share a concurrency key', () => {
    const keyed = (maxConcurrency: number | null, more = {}) => ({ policies: { concurrencyKey: 'k', maxConcurrency, ...more } })

    it('go as many as the least bound of them allows, over all jobs', async (t) => {
      const { store } = await open(t)
      const [wide, narrow, free] = [await createJob(store, keyed(3)), await createJob(store, keyed(2)), await createJob(store, keyed(null))]
      const runs = [await planRun(store, wide), await planRun(store, narrow), await planRun(store, free), await planRun(store, wide)]
      assert.deepEqual(await statuses(store, runs), ['QUEUED', 'QUEUED', 'QUEUED held by CONCURRENCY', 'QUEUED held by CONCURRENCY'])
      assert.deepEqual((await beginAll(store)).length, 2)
    })

    it('do not wait for those of another key, nor where nobody asks for a bound', async (t) => {
      const { store } = await open(t)
      const other = await createJob(store, { policies: { concurrencyKey: 'other', maxConcurrency: 1 } })
      const free = await createJob(store, keyed(null))
      const runs = [await planRun(store, other), await planRun(store, free), await planRun(store, free), await planRun(store, free)]
      assert.deepEqual(await statuses(store, runs), ['QUEUED', 'QUEUED', 'QUEUED', 'QUEUED'])
    })

    it('are released by the end of another: highest priority first, then earliest due', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store, keyed(1))
      const urgent = await createJob(store, keyed(1, { priority: 9 }))
      const first = await planRun(store, job)
      const late = await planRun(store, job, { dueAt: NOON + 8 * MINUTE })
      const early = await planRun(store, job, { dueAt: NOON + 3 * MINUTE })
      const before = await planRun(store, urgent, { dueAt: NOON + 9 * MINUTE })
      const order: string[] = []
      for (let begun = await beginAll(store); begun.length > 0; begun = await beginAll(store)) {
        assert.equal(begun.length, 1)
        order.push(begun[0]!.runId)
        await settleOne(store, begun[0]!)
      }
      assert.deepEqual(
        order,
        [first, before, early, late].map(({ id }) => id),
      )
    })

    it('keep their slot while they wait for their next attempt', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store, keyed(1))
      const [first, second] = [await planRun(store, job), await planRun(store, job)]
      await settleOne(store, (await beginAll(store))[0]!, { kind: 'LOST' })
      assert.deepEqual(await statuses(store, [first, second]), ['RETRYING', 'QUEUED held by CONCURRENCY'])
    })

    it('go more at once when the run with the least bound has ended', async (t) => {
      const { store } = await open(t)
      const [narrow, wide] = [await createJob(store, keyed(1)), await createJob(store, keyed(3))]
      const runs = [
        await planRun(store, narrow),
        await planRun(store, wide),
        await planRun(store, wide),
        await planRun(store, wide),
        await planRun(store, wide),
      ]
      await settleOne(store, (await beginAll(store))[0]!)
      assert.deepEqual(await statuses(store, runs), ['SUCCEEDED', 'QUEUED', 'QUEUED', 'QUEUED', 'QUEUED held by CONCURRENCY'])
    })

    it('wait for their job first and for the key then', async (t) => {
      const { store } = await open(t)
      const [job, other] = [await createJob(store, keyed(1)), await createJob(store, keyed(1))]
      const first = await planRun(store, job)
      const ofOther = await planRun(store, other, { dueAt: NOON })
      const held = await planRun(store, job, { heldBy: 'OVERLAP' })
      assert.deepEqual(await statuses(store, [first, ofOther, held]), ['QUEUED', 'QUEUED held by CONCURRENCY', 'QUEUED held by OVERLAP'])
      await settleOne(store, (await beginAll(store))[0]!)
      assert.deepEqual(await statuses(store, [ofOther, held]), ['QUEUED', 'QUEUED held by CONCURRENCY'])
      await settleOne(store, (await beginAll(store))[0]!)
      assert.deepEqual(await statuses(store, [ofOther, held]), ['SUCCEEDED', 'QUEUED'])
    })

    it('hold a manual run as any other, and release it when the one before is cancelled', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store, keyed(1))
      const first = await planRun(store, job)
      const manual = manualRunOf(job)
      await changeJob(store, job.id, () => ({ runs: [manual] }))
      assert.equal(await statusOf(store, manual.id), 'QUEUED held by CONCURRENCY')
      await store.changeRun(first.id, () => ({ kind: 'cancel', now: LATER }))
      assert.equal(await statusOf(store, manual.id), 'QUEUED')
    })

    it('are counted anew after a call that was taken back', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store, keyed(1))
      const doomed = changeJob(store, job.id, () => ({ runs: [manualRunOf(job), manualRunOf(job, { jobId: 'job_none' })] }))
      await Promise.all([assert.rejects(doomed), createJob(store)])
      const runs = [await planRun(store, job), await planRun(store, job)]
      assert.deepEqual(await statuses(store, runs), ['QUEUED', 'QUEUED held by CONCURRENCY'])
    })
  })
}
