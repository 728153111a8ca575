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
  const watch = new UnhandledRuns({ store, log: log as never, now: parts.clock.now, lease: LEASE, elapsed: parts.clock.now })
  const jobId = await parts.create({ target: { handler: { handler } } })
  const { job } = (await store.job({ id: jobId }))!
  const queue = async (dueAt: number) => {
    const run = manualRunOf(job, { dueAt })
    await changeJob(store, jobId, () => ({ runs: [run] }))
    return run.id
  }
  const codeOf = async (runId: string) => (await store.run(runId))?.error?.code ?? null
  /** Has it look every ten seconds for so long; answers how many runs it marked. */
  const look = async (milliseconds: number) => {
    const until = parts.clock.now() + milliseconds
    let marked = await watch.runOnce(MARK)
    while (parts.clock.now() < until) {
      parts.clock.instant = Math.min(parts.clock.now() + 10_000, until)
      marked += await watch.runOnce(MARK)
    }
    return marked
  }
  return { ...parts, store, watch, look, queue, codeOf, logged: entries }
}

test('a run says that no worker has its handler once none has had it for two leases, however long it waited before', async (t) => {
  const { store, clock, watch, look, queue, codeOf, logged } = await openWatch(t)
  await store.registerInstance(workerOf('ins_a', NOON, 'report', 'other'), { alone: false })
  await store.registerInstance(workerOf('ins_b', NOON + 90_000, 'other'), { alone: false })
  const old = await queue(NOON - 500_000)
  // Seen at NOON, it counts as living for one and a half leases.
  assert.equal(await look(45_000), 0)
  assert.equal(await look(60_000), 0)
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
  const { store, clock, watch, look, queue, codeOf } = await openWatch(t)
  const run = await queue(NOON - 500_000)
  assert.equal(await look(59_999), 0)
  await store.registerInstance(workerOf('ins_a', clock.now(), 'report'), { alone: false })
  clock.forward(1)
  assert.equal(await watch.runOnce(MARK), 0)
  assert.equal(await codeOf(run), null)
})

test('many are marked in one round, and what every worker has is left', async (t) => {
  const { store, watch, look, queue } = await openWatch(t)
  await store.registerInstance(workerOf('ins_a', NOON + 60_000, 'other'), { alone: false })
  await look(60_000)
  for (let i = 0; i < 450; i++) await queue(NOON - 1 - i)
  assert.equal(await watch.runOnce(MARK), 450)
  assert.equal(await watch.runOnce(MARK), 0)
  const others = await openWatch(t, 'other')
  await others.store.registerInstance(workerOf('ins_a', NOON + 60_000, 'other'), { alone: false })
  const run = await others.queue(NOON - 1)
  assert.equal(await others.look(60_001), 0)
  assert.equal(await others.codeOf(run), null)
})

test('when the database was away, no run says so before the workers that live could say that they do', async (t) => {
  const { store, clock, watch, look, queue, codeOf } = await openWatch(t)
  await store.registerInstance(workerOf('ins_a', NOON, 'report'), { alone: false })
  const run = await queue(NOON)
  assert.equal(await look(20_000), 0)
  clock.forward(90_000)
  assert.equal(await watch.runOnce(MARK), 0)
  await store.beatInstances([{ id: 'ins_a', lastSeenAt: clock.now(), running: 0, skew: null }])
  assert.equal(await look(40_000), 0)
  assert.equal(await codeOf(run), null)
})

test('a round that took long is followed by rest in proportion', async () => {
  let elapsed = 0
  let rounds = 0
  const store = {
    handlers: async () => [],
    async markUnhandled() {
      rounds++
      elapsed += 1_000
      return 0
    },
  }
  let now = NOON
  const watch = new UnhandledRuns({ store, log: keepingLog().log as never, now: () => now, lease: LEASE, elapsed: () => elapsed })
  for (; rounds === 0; now += 10_000) await watch.runOnce(MARK)
  elapsed += 19_999
  await watch.runOnce(MARK)
  assert.equal(rounds, 1)
  elapsed += 1
  await watch.runOnce(MARK)
  assert.equal(rounds, 2)
})
