import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NewInstance } from '../../src/engine/store/store.ts'
import { UnhandledRuns } from '../../src/scheduler/unhandledRuns.ts'
import { changeJob, manualRunOf } from '../engine/factories.ts'
import { keepingLog, NOON, openParts } from '../support/parts.ts'

const LEASE = 30_000
const MARK = { mark: true }

function workerOf(id: string, lastSeenAt: number, ...names: readonly string[]): NewInstance {
  const handlers = names.map((name) => ({ name, description: null, payloadSchema: null }))
  return { id, roles: ['WORKER'], host: 'h', version: '1', startedAt: NOON, lastSeenAt, running: 0, capacity: 1, skew: null, handlers }
}

async function openWatch(t: Parameters<typeof openParts>[0], handler = 'report') {
  const parts = await openParts(t)
  const { store } = parts.engine
  const { entries, log } = keepingLog()
  const watch = new UnhandledRuns({ store, log: log as never, now: parts.clock.now, lease: LEASE })
  const jobId = await parts.create({ target: { handler: { handler } } })
  const { job } = (await store.job({ id: jobId }))!
  const queue = async (dueAt: number) => {
    const run = manualRunOf(job, { dueAt })
    await changeJob(store, jobId, () => ({ runs: [run] }))
    return run.id
  }
  const codeOf = async (runId: string) => (await store.run(runId))?.error?.code ?? null
  return { ...parts, store, watch, queue, codeOf, logged: entries }
}

test('a run says that no worker has its handler once none has had it for two leases, however long it waited before', async (t) => {
  const { store, clock, watch, queue, codeOf, logged } = await openWatch(t)
  await store.registerInstance(workerOf('ins_a', NOON, 'report', 'other'), { alone: false })
  await store.registerInstance(workerOf('ins_b', NOON + 90_000, 'other'), { alone: false })
  const old = await queue(NOON - 500_000)
  assert.equal(await watch.runOnce(MARK), 0)
  // Seen at NOON, it counts as living for one and a half leases.
  clock.instant = NOON + 45_000
  assert.equal(await watch.runOnce(MARK), 0)
  clock.instant = NOON + 45_000 + 60_000
  const young = await queue(clock.now() - 60_000)
  assert.equal(await watch.runOnce(MARK), 0)
  clock.forward(1)
  assert.equal(await watch.runOnce({ mark: false }), 0)
  assert.equal(await watch.runOnce(MARK), 2)
  assert.deepEqual([await codeOf(old), await codeOf(young)], ['NO_HANDLER', 'NO_HANDLER'])
  assert.deepEqual(
    logged.map(({ level, fields }) => [level, fields]),
    [['warn', { runs: 2 }]],
  )
  assert.equal(await watch.runOnce(MARK), 0)
})

test('one that has just begun to look marks nothing: workers may be starting like itself', async (t) => {
  const { store, clock, watch, queue, codeOf } = await openWatch(t)
  const run = await queue(NOON - 500_000)
  assert.equal(await watch.runOnce(MARK), 0)
  clock.forward(59_999)
  assert.equal(await watch.runOnce(MARK), 0)
  await store.registerInstance(workerOf('ins_a', clock.now(), 'report'), { alone: false })
  clock.forward(1)
  assert.equal(await watch.runOnce(MARK), 0)
  assert.equal(await codeOf(run), null)
})

test('many are marked in one round, and what every worker has is left', async (t) => {
  const { store, clock, watch, queue } = await openWatch(t)
  await store.registerInstance(workerOf('ins_a', NOON + 60_000, 'other'), { alone: false })
  for (let i = 0; i < 450; i++) await queue(NOON - i)
  await watch.runOnce(MARK)
  clock.forward(60_001)
  assert.equal(await watch.runOnce(MARK), 450)
  assert.equal(await watch.runOnce(MARK), 0)
  const others = await openWatch(t, 'other')
  await others.store.registerInstance(workerOf('ins_a', NOON + 60_000, 'other'), { alone: false })
  const run = await others.queue(NOON - 1)
  await others.watch.runOnce(MARK)
  others.clock.forward(60_001)
  assert.equal(await others.watch.runOnce(MARK), 0)
  assert.equal(await others.codeOf(run), null)
})
