import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { noHandler } from '../../../src/domain/run.ts'
import type { Engine } from '../../../src/engine/engine.ts'
import type { HandlerRow, NewInstance, Store } from '../../../src/engine/store/store.ts'
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
  planRun,
  runRow,
  settleOne,
  statusOf,
} from '../factories.ts'
import { TestConsumer } from './queue.ts'

type Open = (t: TestContext) => Promise<Engine>

const handlerOf = (name: string, description: string | null = null, payloadSchema: unknown = null): HandlerRow => ({
  name,
  description,
  payloadSchema,
})

const targeting = (handler: string) => ({ target: { kind: 'handler' as const, handler } })
const can = (...handlers: readonly string[]) => new Set(handlers)

function workerOf(id: string, handlers: readonly HandlerRow[], overrides: Partial<NewInstance> = {}): NewInstance {
  const fixed = { host: 'h', version: '1', running: 0, capacity: 1, skew: null }
  return { id, roles: ['WORKER'], ...fixed, startedAt: NOON, lastSeenAt: NOON, handlers, ...overrides }
}

async function begin(store: Store, handlers: ReadonlySet<string> | null, limit = 100, now = LATER): Promise<readonly string[]> {
  return (await store.beginReady(claimAt(now, { handlers }), limit)).map(({ runId }) => runId)
}

/** Marks at LATER what might have started a minute before. */
function mark(store: Store, handlers: ReadonlySet<string>, overrides: { since?: number; now?: number; limit?: number } = {}) {
  return store.markUnhandled({ handlers, since: LATER - MINUTE, now: LATER, limit: 100, ...overrides })
}

export function handlerContract(open: Open): void {
  describe('handlers of the system', () => {
    it('are those of all workers that are up, by name; the newest started one is right about what it describes', async (t) => {
      const { store } = await open(t)
      const schema = { type: 'object', properties: { ä: { enum: ["it's", null] } } }
      const workers = [
        workerOf('ins_b', [handlerOf('report', 'new', schema), handlerOf('b')], { startedAt: NOON + 2 }),
        workerOf('ins_a', [handlerOf('report', 'old'), handlerOf('a', 'of a')], { startedAt: NOON + 1 }),
        workerOf('ins_c', [handlerOf('report', 'of one that is dead'), handlerOf('gone')], { startedAt: NOON + 3, lastSeenAt: NOON - 1 }),
        workerOf('ins_d', [handlerOf('none')], { roles: ['API', 'SCHEDULER'] }),
      ]
      for (const worker of workers) await store.registerInstance(worker, { alone: false })
      assert.deepEqual(await store.handlers(NOON), [handlerOf('a', 'of a'), handlerOf('b'), handlerOf('report', 'new', schema)])
      await store.removeInstances(['ins_b'])
      assert.deepEqual(await store.handlers(NOON), [handlerOf('a', 'of a'), handlerOf('report', 'old')])
      assert.deepEqual(await store.handlers(NOON + 1), [])
    })
  })

  describe('a worker', () => {
    it('leaves runs of handlers that it has not to others, whatever their priority, and begins what is behind them', async (t) => {
      const { store } = await open(t)
      const [theirs, ours] = [await createJob(store, targeting('theirs')), await createJob(store, targeting('ours'))]
      const http = { kind: 'http' as const, url: 'http://x', method: 'GET' as const, headers: [], expectStatus: ['2xx'], secret: null }
      const anybodys = await createJob(store, { target: http })
      const left = [await planRun(store, theirs, { priority: 9 }), await planRun(store, theirs), await planRun(store, theirs)]
      const first = await planRun(store, ours)
      const second = await planRun(store, anybodys, { dueAt: LATER })
      assert.deepEqual(await begin(store, can('ours'), 1), [first.id])
      assert.deepEqual(await begin(store, can('ours'), 1), [second.id])
      assert.deepEqual(await begin(store, can('ours')), [])
      assert.deepEqual(
        await begin(store, can('theirs')),
        left.map(({ id }) => id),
      )
    })

    it('finds what comes in front of runs that it left, and in each priority', async (t) => {
      const { store } = await open(t)
      const handlers = can('ours')
      const [theirs, ours] = [await createJob(store, targeting('theirs')), await createJob(store, targeting('ours'))]
      for (const priority of [9, 4, 0]) await planRun(store, theirs, { priority, dueAt: NOON + 10 })
      assert.deepEqual(await begin(store, handlers), [])
      for (const [priority, dueAt] of [
        [4, NOON + 10],
        [9, NOON + 9],
        [2, NOON],
        [4, NOON + 11],
        [0, LATER + 1],
      ] as const) {
        const run = await planRun(store, ours, { priority, dueAt })
        assert.deepEqual(await begin(store, handlers, 100, LATER + 1), [run.id], `priority ${priority}`)
      }
      const late = await planRun(store, ours, { priority: 4, dueAt: LATER + 5 })
      assert.deepEqual(await begin(store, handlers), [])
      assert.deepEqual(await begin(store, handlers, 100, LATER + 5), [late.id])
    })

    it('finds runs whose hold has ended in front of those that it left', async (t) => {
      const { store } = await open(t)
      const handlers = can('ours')
      const ours = await createJob(store, targeting('ours'))
      const goes = await planRun(store, ours)
      const held = await planRun(store, ours, { heldBy: 'OVERLAP', dueAt: NOON })
      const [attempt] = await store.beginReady(claimAt(LATER, { handlers }), 9)
      assert.equal(attempt?.runId, goes.id)
      await planRun(store, await createJob(store, targeting('theirs')))
      assert.deepEqual(await begin(store, handlers), [])
      await settleOne(store, attempt!)
      assert.deepEqual(await begin(store, handlers), [held.id])
    })

    it('finds all of many runs among more that it has to leave', async (t) => {
      const { store } = await open(t)
      const handlers = can('ours')
      const [theirs, ours] = [await createJob(store, targeting('theirs')), await createJob(store, targeting('ours'))]
      const made = Array.from({ length: 2_500 }, (_, i) => manualRunOf(i % 250 === 249 ? ours : theirs, { dueAt: NOON + i }))
      for (const job of [theirs, ours]) await changeJob(store, job.id, () => ({ runs: made.filter(({ jobId }) => jobId === job.id) }))
      const found: string[] = []
      // A look may end before it has seen all; it goes on at the next.
      for (let looks = 0; looks < 20 && found.length < 10; looks++) found.push(...(await begin(store, handlers, 3)))
      assert.deepEqual(
        found,
        made.filter(({ jobId }) => jobId === ours.id).map(({ id }) => id),
      )
    })

    it('goes by the handler that the job names now', async (t) => {
      const { store } = await open(t)
      const handlers = can('ours')
      const job = await createJob(store, targeting('theirs'))
      const run = await planRun(store, job)
      assert.deepEqual(await begin(store, handlers), [])
      await changeJob(store, job.id, (stands) => ({ job: { ...stands, ...targeting('ours'), version: 2 } }))
      assert.deepEqual(await begin(store, handlers), [run.id])
    })

    it('leaves attempts to others that follow a failed one', async (t) => {
      const { store } = await open(t)
      const policies = { backoff: { initial: 1, factor: 1, max: 1, jitter: false } }
      const run = await planRun(store, await createJob(store, { ...targeting('theirs'), policies }))
      await settleOne(store, (await beginAll(store))[0]!, failed({ retryable: true }))
      assert.equal(await statusOf(store, run.id), 'RETRYING')
      assert.deepEqual(await begin(store, can('ours'), 100, LATER + 10), [])
      assert.deepEqual(await begin(store, can('theirs'), 100, LATER + 10), [run.id])
    })

    it('has only runs delivered that it can perform, and those past others that wait', async (t) => {
      const { store, queue } = await open(t)
      const [theirs, ours] = [await createJob(store, targeting('theirs')), await createJob(store, targeting('ours'))]
      const waited = await planRun(store, theirs, { priority: 9 })
      const worker = new TestConsumer(10, can('ours'))
      queue.start(worker)
      const planned = await planRun(store, ours)
      await worker.came(1)
      const left = await planRun(store, theirs)
      const last = await planRun(store, ours)
      await worker.came(2)
      await queue.stop()
      assert.deepEqual(
        worker.delivered.all.map(({ runId }) => runId),
        [planned.id, last.id],
      )
      for (const { id } of [waited, left]) assert.equal(await statusOf(store, id), 'QUEUED')
    })

    it('that waits for the next instant is not disturbed by what nobody can perform', async (t) => {
      const { store, queue } = await open(t)
      const [theirs, ours] = [await createJob(store, targeting('theirs')), await createJob(store, targeting('ours'))]
      await planRun(store, theirs)
      const worker = new TestConsumer(10, can('ours'))
      queue.start(worker)
      const dueAt = Date.now() + 60
      const later = manualRunOf(ours, { dueAt })
      await changeJob(store, ours.id, () => ({ runs: [later] }))
      await worker.came(1)
      // Long before the next poll.
      assert.ok(Date.now() < dueAt + 3_000)
      await queue.stop()
    })
  })

  describe('runs whose handler nobody has', () => {
    it('say so once they have waited, each once, as a change in the stream; their first attempt takes it back', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store, targeting('gone'))
      const run = await planRun(store, job, { dueAt: LATER - MINUTE - 1 })
      const young = await planRun(store, job, { dueAt: LATER - MINUTE })
      const held = await planRun(store, job, { heldBy: 'OVERLAP', dueAt: NOON })
      const other = await planRun(store, await createJob(store, targeting('log')))
      const head = await store.streamHead()
      assert.equal(await mark(store, can('log', 'noop')), 1)
      assert.equal(await mark(store, can('log', 'noop')), 0)
      const row = await runRow(store, run.id)
      assert.deepEqual([row.status, row.error, row.changedAt], ['QUEUED', noHandler('gone'), LATER])
      assert.equal(row.error?.code, 'NO_HANDLER')
      const told = await store.runChanges({ after: head, upTo: await store.streamHead(), jobIds: null, limit: 9 })
      assert.deepEqual(
        told.map(({ id, cursor }) => [id, cursor]),
        [[run.id, row.cursor]],
      )
      for (const { id } of [young, held, other]) assert.equal((await runRow(store, id)).error, null)
      assert.deepEqual(await begin(store, can('gone'), 1), [run.id])
      assert.equal((await runRow(store, run.id)).error, null)
      assert.equal((await store.attempts([run.id])).get(run.id)?.[0]?.error, null)
    })

    it('say so while they wait for another attempt, which keeps what the last one failed with', async (t) => {
      const { store } = await open(t)
      const run = await planRun(store, await createJob(store, targeting('gone')))
      await settleOne(store, (await beginAll(store))[0]!, { kind: 'LOST' })
      assert.deepEqual(
        [await mark(store, can()), await mark(store, can(), { since: LATER + 1 }), await mark(store, can(), { since: LATER + 1 })],
        [0, 1, 0],
      )
      const lost = (await store.attempts([run.id])).get(run.id)![0]!.error
      const row = await runRow(store, run.id)
      assert.deepEqual([row.status, row.error?.code, lost?.code], ['RETRYING', 'NO_HANDLER', 'WORKER_LOST'])
      await beginAll(store, LATER + 1)
      assert.equal((await runRow(store, run.id)).error, null)
    })

    it('are marked up to a limit, those of every handler, and none of a job that is gone', async (t) => {
      const { store } = await open(t)
      const jobs = [await createJob(store, targeting('a')), await createJob(store, targeting('b')), await createJob(store, targeting('c'))]
      for (const job of jobs) for (let i = 0; i < 2; i++) await planRun(store, job)
      await changeJob(store, jobs[2]!.id, () => ({ delete: true }))
      assert.deepEqual(
        [await mark(store, can(), { limit: 3 }), await mark(store, can(), { limit: 3 }), await mark(store, can())],
        [3, 1, 0],
      )
    })
  })
}
