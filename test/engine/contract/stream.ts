import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Hint } from '../../../src/engine/bus/bus.ts'
import type { Engine } from '../../../src/engine/engine.ts'
import type { OpenTestDatabase } from '../contract.ts'
import { beginAll, changeJob, createJob, LATER, manualRunOf, newJobOf, planRun, runRow, settleOne } from '../factories.ts'

type Open = (t: TestContext) => Promise<Engine>

export function streamContract(open: Open, openTestDatabase: OpenTestDatabase): void {
  describe('the stream of changes', () => {
    it('gives every change of a run, and every command, the next position', async (t) => {
      const engine = await open(t)
      const { store } = engine
      const positions: number[] = [await store.streamHead()]
      const note = async () => positions.push(await store.streamHead())
      const job = await createJob(store)
      await note()
      const run = await planRun(store, job)
      await note()
      const [begun] = await beginAll(store)
      await note()
      await settleOne(store, begun!, { kind: 'LOST' })
      await note()
      await settleOne(store, (await beginAll(store))[0]!)
      await note()
      assert.equal((await runRow(store, run.id)).cursor, await store.streamHead())
      await changeJob(store, job.id, () => ({ event: 'UPDATED' }))
      await note()
      await changeJob(store, job.id, () => ({ delete: true, event: 'DELETED' }))
      await note()
      assert.deepEqual(
        positions,
        [...positions].sort((a, b) => a - b),
      )
      assert.equal(new Set(positions).size, positions.length)
      const events = await engine.prisma.jobEvent.findMany({ orderBy: { cursor: 'asc' } })
      assert.deepEqual(
        events.map(({ change, jobId }) => [change, jobId]),
        ['CREATED', 'UPDATED', 'DELETED'].map((change) => [change, job.id]),
      )
    })

    it('answers the runs that changed, by their newest change, in pages and of some jobs', async (t) => {
      const { store } = await open(t)
      const [a, b] = [await createJob(store), await createJob(store)]
      const start = await store.streamHead()
      const runs = [await planRun(store, a), await planRun(store, b), await planRun(store, a), await planRun(store, b)]
      const middle = await store.streamHead()
      await store.changeRun(runs[0]!.id, () => ({ kind: 'cancel', now: LATER }))
      const upTo = await store.streamHead()
      const changes = async (query: Partial<Parameters<typeof store.runChanges>[0]>) =>
        (await store.runChanges({ after: start, upTo, jobIds: null, limit: 100, ...query })).map(({ id }) =>
          runs.findIndex((run) => run.id === id),
        )
      assert.deepEqual(await changes({}), [1, 2, 3, 0])
      assert.deepEqual(await changes({ limit: 2 }), [1, 2])
      assert.deepEqual(await changes({ after: (await runRow(store, runs[2]!.id)).cursor }), [3, 0])
      assert.deepEqual(await changes({ upTo: middle }), [1, 2, 3])
      assert.deepEqual(await changes({ jobIds: [a.id] }), [2, 0])
      assert.deepEqual(await changes({ jobIds: [b.id, 'job_none'], limit: 1 }), [1])
      assert.deepEqual(await changes({ jobIds: [] }), [])
      assert.deepEqual(await changes({ after: upTo }), [])
    })

    it('finds the few runs of a job among thousands of others', async (t) => {
      const { store } = await open(t)
      const [many, few] = [await createJob(store), await createJob(store)]
      const wanted: string[] = []
      for (let i = 0; i < 3; i++) {
        wanted.push((await planRun(store, few)).id)
        await changeJob(store, many.id, (job) => ({ runs: Array.from({ length: 1_500 }, () => manualRunOf(job)) }))
      }
      const found = await store.runChanges({ after: 0, upTo: await store.streamHead(), jobIds: [few.id], limit: 100 })
      assert.deepEqual(
        found.map(({ id }) => id),
        wanted,
      )
    })

    it('is told of after the commit, up to the new head; a reader who then looks misses nothing', async (t) => {
      const { store, bus } = await open(t)
      const seen: Promise<number>[] = []
      const hints: Hint[] = []
      const end = bus.subscribe((hint) => {
        hints.push(hint)
        if (hint.kind === 'changes') seen.push(store.streamHead())
      })
      const job = await createJob(store, {}, { wakeAt: LATER + 7 })
      assert.deepEqual(hints, [
        { kind: 'changes', upTo: await store.streamHead() },
        { kind: 'jobs', wakeAt: LATER + 7 },
      ])
      await planRun(store, job)
      assert.deepEqual(hints.slice(2), [{ kind: 'changes', upTo: await store.streamHead() }, { kind: 'runs' }])
      end()
      await planRun(store, job)
      assert.equal(hints.length, 4)
      assert.deepEqual(
        (await Promise.all(seen)).map((head, i) => head >= hints.filter(({ kind }) => kind === 'changes')[i]!['upTo' as never]),
        [true, true],
      )
    })

    it('tells nothing of a call that was taken back', async (t) => {
      const { store, bus } = await open(t)
      const job = await createJob(store)
      await planRun(store, job)
      const [begun] = await beginAll(store)
      const hints: Hint[] = []
      bus.subscribe((hint) => hints.push(hint))
      const doomed = changeJob(store, job.id, () => ({
        cancels: [begun!.runId],
        position: { wakeAt: 1 },
        runs: [manualRunOf(job, { jobId: 'job_none' })],
      }))
      await Promise.all([assert.rejects(doomed), store.createJobs([newJobOf({}, { wakeAt: LATER })])])
      assert.deepEqual(
        hints.map((hint) => (hint.kind === 'jobs' ? hint : hint.kind)),
        ['changes', { kind: 'jobs', wakeAt: LATER }],
      )
    })

    it('goes on after the database was closed and opened again, and names the same database', async (t) => {
      const database = await openTestDatabase(t)
      const first = await database.open()
      const job = await createJob(first.store)
      await planRun(first.store, job)
      const [head, name] = [await first.store.streamHead(), first.store.databaseId]
      await first.close()
      const second = await database.open()
      assert.deepEqual([await second.store.streamHead(), second.store.databaseId], [head, name])
      assert.deepEqual((await second.store.job({ id: job.id }))?.job, job)
      await planRun(second.store, job)
      assert.equal(await second.store.streamHead(), head + 1)
      const other = await open(t)
      assert.notEqual(other.store.databaseId, name)
    })
  })
}
