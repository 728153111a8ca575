import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { percentile, readHistogram } from '../../../src/domain/histogram.ts'
import type { Engine } from '../../../src/engine/engine.ts'
import {
  beginAll,
  changeJob,
  createJob,
  failed,
  LATER,
  MINUTE,
  manualRunOf,
  NOON,
  planOf,
  planRun,
  positionOf,
  settleOne,
  spanEntry,
  spanOf,
  succeeded,
} from '../factories.ts'

type Open = (t: TestContext) => Promise<Engine>

async function minutesOf(engine: Engine, jobId: string) {
  const rows = await engine.prisma.jobMinute.findMany({ where: { jobId }, orderBy: { minute: 'asc' } })
  return rows.map((row) => ({
    ...row,
    minute: (row.minute.getTime() - LATER) / MINUTE,
    lag: readHistogram(row.lag),
    duration: readHistogram(row.duration),
  }))
}

export function figureContract(open: Open): void {
  describe('figures', () => {
    it('count how runs ended, by job and the minute of their end, for this instance', async (t) => {
      const engine = await open(t)
      const { store } = engine
      const [job, other] = [await createJob(store), await createJob(store)]
      for (const [owner, outcome, end] of [
        [job, succeeded, LATER],
        [job, succeeded, LATER + MINUTE - 1],
        [job, failed(), LATER + 5],
        [job, { kind: 'CANCELLED' }, LATER + MINUTE],
        [other, succeeded, LATER],
        [job, succeeded, LATER + 1],
      ] as const) {
        await planRun(store, owner)
        await settleOne(store, (await beginAll(store))[0]!, outcome, end)
      }
      const counts = async (id: string) =>
        (await minutesOf(engine, id)).map(({ minute, instanceId, succeeded: s, failed: f, timedOut, cancelled, skipped }) => [
          minute,
          instanceId,
          s,
          f,
          timedOut,
          cancelled,
          skipped,
        ])
      assert.deepEqual(await counts(job.id), [
        [0, 'ins_test', 3, 1, 0, 0, 0],
        [1, 'ins_test', 0, 0, 0, 1, 0],
      ])
      assert.deepEqual(await counts(other.id), [[0, 'ins_test', 1, 0, 0, 0, 0]])
    })

    it('keep lags and durations within 5 %; attempts that go on are counted when their run has ended', async (t) => {
      const engine = await open(t)
      const { store } = engine
      const job = await createJob(store)
      const run = await planRun(store, job, { dueAt: LATER - 250 })
      await settleOne(store, (await beginAll(store))[0]!, { kind: 'LOST' }, LATER + 500)
      assert.deepEqual(await minutesOf(engine, job.id), [])
      await settleOne(store, (await beginAll(store, LATER + 600))[0]!, succeeded, LATER + 1_000)
      const [minute] = await minutesOf(engine, job.id)
      const near = (found: number | null, value: number) =>
        assert.ok(found !== null && Math.abs(found - value) <= 0.05 * value, `${found} is not ${value}`)
      near(percentile(minute!.lag, 0.5), 250)
      near(percentile(minute!.duration, 0.5), 1_000)
      assert.equal(run.dueAt, LATER - 250)
    })

    it('count a run that never started without a lag', async (t) => {
      const engine = await open(t)
      const job = await createJob(engine.store)
      const run = await planRun(engine.store, job)
      await engine.store.changeRun(run.id, () => ({ kind: 'cancel', now: LATER }))
      const [minute] = await minutesOf(engine, job.id)
      assert.deepEqual([minute?.cancelled, minute?.lag.size, minute?.duration.size], [1, 0, 0])
    })

    it('count skipped instants in the minute of their verdict, and missed ones not', async (t) => {
      const engine = await open(t)
      const { store } = engine
      const job = await createJob(store)
      const entries = [
        spanEntry(spanOf({ verdict: 'SKIPPED_OVERLAP', count: 2, last: NOON + 2 * MINUTE })),
        spanEntry(spanOf({ verdict: 'SKIPPED_PAUSED', count: 5, first: NOON + 3 * MINUTE })),
        spanEntry(spanOf({ verdict: 'MISSED', count: 7, first: NOON + 4 * MINUTE })),
      ]
      await store.commitPlans([planOf(await positionOf(store, job.id), entries)], LATER + 1)
      assert.deepEqual(
        (await minutesOf(engine, job.id)).map(({ minute, skipped }) => [minute, skipped]),
        [[0, 7]],
      )
    })

    it('a call that was taken back counts nothing, and the others count right', async (t) => {
      const engine = await open(t)
      const { store } = engine
      const job = await createJob(store)
      const runs = [await planRun(store, job), await planRun(store, job)]
      const begun = await beginAll(store)
      await settleOne(store, begun[0]!)
      const waiting = await planRun(store, job)
      const doomed = changeJob(store, job.id, () => ({ cancels: [waiting.id], runs: [manualRunOf(job, { id: runs[0]!.id })] }))
      await Promise.all([assert.rejects(doomed), settleOne(store, begun[1]!)])
      const [minute] = await minutesOf(engine, job.id)
      assert.deepEqual([minute?.succeeded, minute?.cancelled], [2, 0])
    })
  })
}
