import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { percentile, readHistogram } from '../../../src/domain/histogram.ts'
import type { Job } from '../../../src/domain/job.ts'
import type { Outcome } from '../../../src/domain/run.ts'
import type { Engine } from '../../../src/engine/engine.ts'
import type { Figures } from '../../../src/engine/store/store.ts'
import type { OpenTestDatabase } from '../contract.ts'
import {
  beginAll,
  changeJob,
  claimAt,
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

export function figureContract(open: Open, openTestDatabase: OpenTestDatabase): void {
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

    it('count a backfilled run without a lag', async (t) => {
      const engine = await open(t)
      const job = await createJob(engine.store)
      await planRun(engine.store, job, { trigger: 'BACKFILL' })
      await settleOne(engine.store, (await beginAll(engine.store))[0]!)
      const [minute] = await minutesOf(engine, job.id)
      assert.deepEqual([minute?.succeeded, minute?.lag.size, minute?.duration.size], [1, 0, 1])
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
  describe('reading figures', () => {
    /** Ends one run of the job at each of these instants. */
    async function endAt({ store }: Engine, job: Job, instants: readonly number[], outcome: Outcome = succeeded) {
      for (const instant of instants) {
        await planRun(store, job, { dueAt: instant - 1_000 })
        await settleOne(store, (await beginAll(store, instant - 500))[0]!, outcome, instant)
      }
    }
    const countsOf = (figures: readonly Figures[]) =>
      figures.map(({ succeeded: s, failed: f, timedOut, cancelled, skipped }) => [s, f, timedOut, cancelled, skipped])

    it('sums a job over a window: the minute that was under way at its beginning counts, as does the one of its end', async (t) => {
      const engine = await open(t)
      const [job, other] = [await createJob(engine.store), await createJob(engine.store)]
      await endAt(engine, job, [LATER - 1, LATER + 5, LATER + MINUTE, LATER + 2 * MINUTE])
      await endAt(engine, other, [LATER + MINUTE])
      await endAt(engine, job, [LATER + MINUTE], failed())
      const read = (from: number, to: number) => engine.store.figures({ jobId: job.id, from, to, buckets: 1 })
      assert.deepEqual(countsOf(await read(LATER + 30_000, LATER + MINUTE)), [[2, 1, 0, 0, 0]])
      assert.deepEqual(countsOf(await read(LATER - 24 * 60 * MINUTE, LATER + 2 * MINUTE)), [[4, 1, 0, 0, 0]])
      assert.deepEqual(countsOf(await read(LATER - 24 * 60 * MINUTE, LATER - MINUTE - 1)), [[0, 0, 0, 0, 0]])
    })

    it('tells of all jobs together, in equal buckets', async (t) => {
      const engine = await open(t)
      const [job, other] = [await createJob(engine.store), await createJob(engine.store)]
      await endAt(engine, job, [LATER, LATER + 3 * MINUTE])
      await endAt(engine, other, [LATER + 1, LATER + 9 * MINUTE])
      const figures = await engine.store.figures({ jobId: null, from: LATER, to: LATER + 10 * MINUTE, buckets: 5 })
      assert.deepEqual(
        countsOf(figures).map(([s]) => s),
        [2, 1, 0, 0, 1],
      )
      assert.deepEqual(
        figures.map(({ lag }) => [...lag.values()].reduce((sum, n) => sum + n, 0)),
        [2, 1, 0, 0, 1],
      )
    })

    it('puts a minute into the one bucket that it begins in, where buckets are shorter', async (t) => {
      const engine = await open(t)
      await endAt(engine, await createJob(engine.store), [LATER + 59_000, LATER + MINUTE + 1])
      const figures = await engine.store.figures({ jobId: null, from: LATER + 15_000, to: LATER + 75_000, buckets: 4 })
      assert.deepEqual(
        countsOf(figures).map(([s]) => s),
        [1, 0, 0, 1],
      )
    })

    it('sums the rows of all processes', async (t) => {
      const database = await openTestDatabase(t)
      const engine = await database.open()
      const job = await createJob(engine.store)
      await endAt(engine, job, [LATER])
      await engine.close()
      const again = await database.open('ins_other')
      await endAt(again, job, [LATER + 1])
      assert.deepEqual(countsOf(await again.store.figures({ jobId: job.id, from: LATER, to: LATER, buckets: 1 })), [[2, 0, 0, 0, 0]])
    })
  })

  describe('the population', () => {
    it('counts the jobs that live by their state, and the runs that wait or run', async (t) => {
      const { store } = await open(t)
      const pause = { since: NOON, until: null, note: 'n', by: null }
      const job = await createJob(store)
      await createJob(store, { pause })
      await createJob(store, { pause: { ...pause, until: LATER } })
      await createJob(store, { pause }, { completed: true })
      const [gone, pausedGone] = [await createJob(store, {}, { completed: true }), await createJob(store, { pause })]
      for (const { id } of [gone, pausedGone]) await changeJob(store, id, () => ({ delete: true, event: 'DELETED' }))
      for (let i = 0; i < 3; i++) await planRun(store, job)
      await store.beginReady(claimAt(LATER), 1)
      assert.deepEqual(await store.population(LATER), { jobs: 4, active: 2, paused: 1, queued: 2, running: 1 })
    })

    it('is remembered for a while, whatever is committed', async (t) => {
      const { store } = await open(t)
      const before = store.population(NOON)
      await createJob(store)
      assert.deepEqual(await store.population(NOON), await before)
    })
  })
}
