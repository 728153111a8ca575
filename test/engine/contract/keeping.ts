import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Engine } from '../../../src/engine/engine.ts'
import type { OpenTestDatabase } from '../contract.ts'
import { beginAll, changeJob, createJob, LATER, NOON, planOf, planRun, positionOf, settleOne, spanEntry, spanOf } from '../factories.ts'

type Open = (t: TestContext) => Promise<Engine>

/** A job with a bit of everything. */
async function fullJob({ store }: Engine) {
  const job = await createJob(store, { tags: ['a', 'b'] })
  for (let i = 0; i < 2; i++) await planRun(store, job)
  const [retried, ended] = await beginAll(store)
  await settleOne(store, retried!, { kind: 'LOST' })
  await settleOne(store, ended!)
  await store.appendLogs(
    Array.from({ length: 20 }, (_, i) => ({ runId: retried!.runId, attempt: 1, at: NOON, level: 'INFO', message: `${i}`, fields: null })),
  )
  await store.commitPlans([planOf(await positionOf(store, job.id), [spanEntry(spanOf())])], LATER)
  return job
}

async function rowsOf({ prisma }: Engine): Promise<number> {
  const counts = [
    prisma.job,
    prisma.jobPosition,
    prisma.jobTag,
    prisma.revision,
    prisma.run,
    prisma.attempt,
    prisma.logLine,
    prisma.verdict,
  ].map((table) => (table as unknown as { count(): Promise<number> }).count())
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0)
}

export function keepingContract(open: Open, openTestDatabase: OpenTestDatabase): void {
  describe('removing deleted jobs', () => {
    it('takes nothing of a job that lives, nor of one whose runs have not ended', async (t) => {
      const engine = await open(t)
      const { store } = engine
      const job = await fullJob(engine)
      assert.equal(await store.removeDeleted(1_000), 0)
      const running = (await beginAll(store)).map(({ runId, attempt }) => ({ runId, attempt }))
      await changeJob(store, job.id, () => ({ delete: true, event: 'DELETED' }))
      assert.equal(await store.removeDeleted(1_000), 0)
      for (const attempt of running) await settleOne(store, attempt, { kind: 'CANCELLED' })
      assert.ok((await store.removeDeleted(1_000)) > 0)
      assert.deepEqual([await rowsOf(engine), await store.jobRows([job.id])], [0, [null]])
    })

    it('goes on a few rows at a time until nothing is left, and leaves other jobs whole', async (t) => {
      const engine = await open(t)
      const { store } = engine
      const end = async () => {
        for (const attempt of await beginAll(store)) await settleOne(store, attempt)
      }
      const kept = await fullJob(engine)
      await end()
      const before = await rowsOf(engine)
      const gone = await fullJob(engine)
      await end()
      const all = await rowsOf(engine)
      await changeJob(store, gone.id, () => ({ delete: true, event: 'DELETED' }))
      let removed = 0
      for (let batch = await store.removeDeleted(3); batch > 0; batch = await store.removeDeleted(3)) {
        assert.ok(batch <= 3)
        removed += batch
      }
      assert.equal(all - removed, before)
      assert.notEqual(await store.job({ id: kept.id }), null)
      assert.equal(await engine.prisma.jobEvent.count({ where: { jobId: gone.id, change: 'DELETED' } }), 1)
    })

    it('never takes the stream back', async (t) => {
      const database = await openTestDatabase(t)
      const engine = await database.open()
      const job = await fullJob(engine)
      for (const { runId, attempt } of await beginAll(engine.store)) await settleOne(engine.store, { runId, attempt })
      await changeJob(engine.store, job.id, () => ({ delete: true, event: null }))
      const head = await engine.store.streamHead()
      await engine.store.removeDeleted(1_000)
      await engine.close()
      const again = await database.open()
      assert.equal(await again.store.streamHead(), head)
      assert.ok((await again.store.streamFloor()) <= head)
    })
  })

  describe('what has been removed by age', () => {
    it('is nothing in a new database', async (t) => {
      const { store } = await open(t)
      assert.deepEqual([await store.streamFloor(), await store.jobStreamFloor(), await store.ledgerBegins()], [0, 0, null])
    })
  })

  describe('settings', () => {
    it('keep the value that was there first', async (t) => {
      const { store } = await open(t)
      assert.equal(await store.setting('s'), null)
      assert.deepEqual(await Promise.all([store.settleSetting('s', 'one'), store.settleSetting('s', 'two')]), ['one', 'one'])
      assert.equal(await store.setting('s'), 'one')
    })
  })
}
