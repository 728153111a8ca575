import assert from 'node:assert/strict'
import { randomFillSync } from 'node:crypto'
import { describe, it } from 'node:test'
import type { Outcome } from '../../src/domain/run.ts'
import type { Store } from '../../src/engine/store/store.ts'
import { Scheduler } from '../../src/scheduler/scheduler.ts'
import { Worker } from '../../src/worker/worker.ts'
import { caller, keepingLog, NOON, openParts, type Parts } from '../support/parts.ts'

/** A worker whose attempts go on until they are asked to end. */
async function openBusyWorker({ engine, clock, atEnd }: Parts): Promise<Worker> {
  const perform = (_target: unknown, { signal }: { readonly signal: AbortSignal }) =>
    new Promise<Outcome>((resolve) => signal.addEventListener('abort', () => resolve({ kind: 'CANCELLED' })))
  const worker = new Worker({
    store: engine.store,
    queue: engine.queue,
    bus: engine.bus,
    performers: { http: { perform }, command: { perform }, handler: { perform } },
    log: keepingLog().log as never,
    instanceId: 'ins_test',
    handlers: null,
    concurrency: 1,
    lease: 30_000,
    drainTimeout: 10,
    now: clock.now,
    leaseNow: clock.now,
    random: () => 0.5,
  })
  await worker.start()
  atEnd(() => worker.stop())
  return worker
}

describe('a hint that was lost', () => {
  it('costs some seconds: the scheduler looks by itself', async (t) => {
    const parts = await openParts(t)
    const { store } = parts.engine
    const asleep = Promise.withResolvers<void>()
    const nextWakeAt = async () => {
      const next = await store.nextWakeAt()
      // It sleeps in the turn after it was answered.
      setImmediate(() => asleep.resolve())
      return next
    }
    const { log } = keepingLog()
    const scheduler = new Scheduler({
      store: { ...store, nextWakeAt },
      bus: { ...parts.engine.bus, subscribe: () => () => {} },
      log: log as never,
      now: parts.clock.now,
      randomBytes: (bytes) => randomFillSync(bytes),
    })
    t.mock.timers.enable({ apis: ['setTimeout'] })
    await scheduler.start()
    await asleep.promise
    const id = await parts.create({ schedule: { interval: { every: 1_000 } }, target: { handler: { handler: 'noop' } } })
    const planned = new Promise<void>((resolve) => parts.engine.bus.subscribe(({ kind }) => kind === 'runs' && resolve()))
    parts.clock.forward(5_000)
    t.mock.timers.tick(5_000)
    await planned
    await scheduler.stop()
    const { runs } = await store.ledger({ jobId: id, after: NOON, before: NOON + 60_000, fromEnd: false, limit: 10 })
    assert.equal(runs.length, 1)
  })
})

describe('a database that was slow', () => {
  it('has a lease prolonged once more whose prolongation took most of it', async (t) => {
    const parts = await openParts(t)
    const { store } = parts.engine
    const until: number[] = []
    const renewLeases: Store['renewLeases'] = async (attempts, holder, leaseUntil) => {
      until.push(leaseUntil)
      if (until.length === 1) parts.clock.forward(25_000)
      return store.renewLeases(attempts, holder, leaseUntil)
    }
    const slow = { ...parts, engine: { ...parts.engine, store: { ...store, renewLeases } } }
    const worker = await openBusyWorker(slow)
    const id = await parts.create({})
    assert.ok((await parts.commands.triggerJob({ id }, caller)).ok)
    while (worker.running === 0) await new Promise((resolve) => setImmediate(resolve))
    await worker.renewLeases()
    assert.deepEqual(until, [NOON + 30_000, NOON + 55_000])
  })
})
