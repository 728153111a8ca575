import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Engine } from '../../../src/engine/engine.ts'
import type { Consumer } from '../../../src/engine/queue/queue.ts'
import type { BegunAttempt } from '../../../src/engine/store/store.ts'
import { Recorder } from '../../support/recorder.ts'
import { changeJob, createJob, manualRunOf, planOf, planRun, positionOf, runEntry, runOf, settleOne, statusOf } from '../factories.ts'

type Open = (t: TestContext) => Promise<Engine>

/** A worker with so much room that only takes what it is given. */
export class TestConsumer implements Consumer {
  readonly instanceId = 'ins_worker'
  readonly delivered = new Recorder<BegunAttempt>()
  readonly can: ReadonlySet<string> | null
  room: number

  constructor(room: number, can: ReadonlySet<string> | null = null) {
    this.room = room
    this.can = can
  }

  free(): number {
    return this.room
  }

  handlers(): ReadonlySet<string> | null {
    return this.can
  }

  leaseUntil(now: number): number {
    return now + 30_000
  }

  deliver(attempts: readonly BegunAttempt[]): void {
    this.room -= attempts.length
    assert.ok(this.room >= 0, 'more was delivered than there was room for')
    for (const attempt of attempts) this.delivered.add(attempt)
  }

  came(count: number): Promise<void> {
    return this.delivered.until(`${count} attempts`, (all) => all.length >= count)
  }
}

export function queueContract(open: Open): void {
  describe('the queue', () => {
    it('delivers what waited before it started, and what comes later, each run once and begun', async (t) => {
      const { store, queue } = await open(t)
      const job = await createJob(store)
      const waiting = await planRun(store, job)
      const worker = new TestConsumer(10)
      queue.start(worker)
      await worker.came(1)
      const planned = await planRun(store, job)
      await worker.came(2)
      const manual = manualRunOf(job)
      await changeJob(store, job.id, () => ({ runs: [manual] }))
      await worker.came(3)
      assert.deepEqual(
        worker.delivered.all.map(({ runId }) => runId),
        [waiting.id, planned.id, manual.id],
      )
      assert.equal(worker.delivered.all[0]?.jobName, job.name)
      for (const { runId } of worker.delivered.all) assert.equal(await statusOf(store, runId), 'RUNNING')
      await queue.stop()
    })

    it('delivers no more than there is room for, the highest priority first, and goes on when room is made', async (t) => {
      const { store, queue } = await open(t)
      const worker = new TestConsumer(2)
      queue.start(worker)
      const jobs = await Promise.all([1, 5, 3, 9].map((priority) => createJob(store, { policies: { priority } })))
      const plans = await Promise.all(jobs.map(async (job) => planOf(await positionOf(store, job.id), [runEntry(runOf(job))])))
      await Promise.all([store.commitPlans(plans.slice(0, 3), Date.now()), store.commitPlans(plans.slice(3), Date.now())])
      await worker.came(2)
      assert.equal(worker.delivered.all.length, 2)
      worker.room = 2
      queue.pull()
      await worker.came(4)
      await queue.stop()
      const priorities = worker.delivered.all.map(({ policies }) => policies.priority)
      assert.deepEqual(
        [priorities.slice(0, 2), priorities.slice(2)],
        [
          [5, 3],
          [9, 1],
        ],
      )
    })

    it('lets new runs queue up behind those that wait already', async (t) => {
      const { store, queue } = await open(t)
      const [low, high] = [await createJob(store), await createJob(store, { policies: { priority: 9 } })]
      const first = await planRun(store, high)
      const second = await planRun(store, high)
      const worker = new TestConsumer(1)
      queue.start(worker)
      const third = await planRun(store, low)
      await worker.came(1)
      for (const next of [2, 3]) {
        worker.room = 1
        queue.pull()
        await worker.came(next)
      }
      assert.deepEqual(
        worker.delivered.all.map(({ runId }) => runId),
        [first.id, second.id, third.id],
      )
      await queue.stop()
    })

    it('starts runs that are due later when they are due, and those that others release when they end', async (t) => {
      const { store, queue } = await open(t)
      const job = await createJob(store, { policies: { backoff: { initial: 30, factor: 1, max: 30, jitter: false } } })
      const worker = new TestConsumer(10)
      queue.start(worker)
      const dueAt = Date.now() + 60
      const later = manualRunOf(job, { dueAt })
      await changeJob(store, job.id, () => ({ runs: [later] }))
      await worker.came(1)
      const [begun] = worker.delivered.all
      assert.ok(begun!.startedAt >= dueAt && begun!.runId === later.id)
      const held = manualRunOf(job, { heldBy: 'OVERLAP', dueAt })
      await changeJob(store, job.id, () => ({ runs: [held] }))
      await settleOne(store, begun!, { kind: 'TIMED_OUT', error: { code: 'T', message: '', stack: null, retryable: true } }, Date.now())
      await worker.came(2)
      assert.deepEqual([worker.delivered.all[1]?.runId, worker.delivered.all[1]?.attempt], [later.id, 2])
      await settleOne(store, worker.delivered.all[1]!, undefined, Date.now())
      await worker.came(3)
      assert.equal(worker.delivered.all[2]?.runId, held.id)
      await queue.stop()
    })

    it('frees what dead processes held of it, also where they held nothing', async (t) => {
      const { store, queue } = await open(t)
      await queue.release(['ins_dead', 'ins_none'])
      const worker = new TestConsumer(10)
      queue.start(worker)
      const run = await planRun(store, await createJob(store))
      await worker.came(1)
      await queue.release(['ins_dead'])
      assert.equal(worker.delivered.all[0]?.runId, run.id)
      await queue.stop()
    })

    it('delivers nothing more once it has stopped', async (t) => {
      const { store, queue } = await open(t)
      const worker = new TestConsumer(10)
      queue.start(worker)
      await queue.stop()
      const job = await createJob(store)
      const run = await planRun(store, job)
      queue.pull()
      assert.deepEqual([await statusOf(store, run.id), worker.delivered.all.length], ['QUEUED', 0])
    })
  })

  describe('the bus', () => {
    it('tells every listener, also when one of them fails, until it ends its subscription', async (t) => {
      const { bus } = await open(t)
      const heard: string[] = []
      const endFirst = bus.subscribe(() => heard.push('first'))
      bus.subscribe(() => {
        throw new Error('a bad listener')
      })
      const again = () => heard.push('second')
      const endSecond = bus.subscribe(again)
      const endThird = bus.subscribe(again)
      bus.publish({ kind: 'runs' })
      assert.deepEqual(heard.splice(0), ['first', 'second', 'second'])
      endFirst()
      endSecond()
      endSecond()
      bus.publish({ kind: 'runs' })
      assert.deepEqual(heard, ['second'])
      endThird()
    })
  })
}
