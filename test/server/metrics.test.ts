import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMetrics, type Metrics } from '../../src/metrics.ts'
import { addSystemMetrics } from '../../src/server/systemMetrics.ts'
import { NOON, openParts } from '../support/parts.ts'
import { changeJob, manualRunOf } from '../engine/factories.ts'
import { startTestServer } from './testServer.ts'

/** The values that are told, by name and labels. */
async function valuesOf(metrics: Metrics): Promise<Readonly<Record<string, number>>> {
  const lines = (await metrics.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.lastIndexOf(' ')
      return [line.slice(0, at), Number(line.slice(at + 1))]
    }),
  )
}

test('metrics are read when they are asked for; what is not known or cannot be read is left out', async () => {
  const metrics = createMetrics()
  let value: number | null = 1
  metrics.add({ kind: 'gauge', name: 'orrery_a', help: 'A', read: () => value })
  metrics.add({ kind: 'counter', name: 'orrery_b_total', help: 'B', read: async () => value })
  metrics.add({
    kind: 'gauge',
    name: 'orrery_c',
    help: 'C',
    labels: ['of'],
    read: () => (value === null ? null : [{ labels: { of: 'x"y' }, value }]),
  })
  metrics.add({ kind: 'gauge', name: 'orrery_d', help: 'D', read: () => Promise.reject(new Error('no')) })
  for (value of [1, 3, null, 2]) {
    const expected = value === null ? {} : { orrery_a: value, orrery_b_total: value, 'orrery_c{of="x\\"y"}': value }
    assert.deepEqual(await valuesOf(metrics), expected)
  }
  assert.match(await metrics.text(), /# HELP orrery_b_total B\n# TYPE orrery_b_total counter\n/)
})

test('a process tells of itself and of the system, and that the database is away, without waiting for it', async (t) => {
  const parts = await openParts(t)
  const { engine } = parts
  const metrics = createMetrics()
  let away = false
  let opened = false
  let asked = 0
  const store = new Proxy(engine.store, {
    get(target, verb) {
      if (verb === 'waiting') asked += 1
      return away ? () => new Promise(() => {}) : Reflect.get(target, verb)
    },
  })
  const clock = { now: parts.clock.now, leaseNow: parts.clock.now, skew: () => -1_500 }
  addSystemMetrics(metrics, {
    engine: () => (opened ? { store, clock } : null),
    lease: 30_000,
    worker: () => ({ running: 3, capacity: 64 }),
    plans: () => ({ stood: 7, overtaken: 1 }),
  })
  const lag = ['0.5', '0.99', '1'].map((quantile) => `orrery_event_loop_lag_seconds{quantile="${quantile}"}`)
  const before = await valuesOf(metrics)
  const planned = ['overtaken', 'stood'].map((result) => `orrery_jobs_planned_total{result="${result}"}`)
  assert.deepEqual(Object.keys(before).sort(), [
    'orrery_attempts_capacity',
    'orrery_attempts_running',
    'orrery_database_up',
    ...lag,
    ...planned,
  ])
  assert.deepEqual([before.orrery_database_up, before.orrery_attempts_running, before.orrery_attempts_capacity], [0, 3, 64])

  opened = true
  const jobId = await parts.create({})
  const job = (await engine.store.job({ id: jobId }))!.job
  await changeJob(engine.store, jobId, () => ({ runs: [manualRunOf(job, { dueAt: NOON - 5_000 }), manualRunOf(job, { dueAt: NOON })] }))
  const instance = { host: 'h', version: '1', startedAt: NOON, running: 0, capacity: 1, skew: null, handlers: [] }
  await engine.store.registerInstance({ ...instance, id: 'ins_a', roles: ['API', 'WORKER'], lastSeenAt: NOON }, { alone: false })
  await engine.store.registerInstance({ ...instance, id: 'ins_b', roles: ['WORKER'], lastSeenAt: NOON }, { alone: false })
  await engine.store.registerInstance({ ...instance, id: 'ins_dead', roles: ['WORKER'], lastSeenAt: NOON - 45_001 }, { alone: false })
  const { [lag[0]!]: _, [lag[1]!]: __, [lag[2]!]: ___, ...values } = await valuesOf(metrics)
  assert.deepEqual(values, {
    orrery_database_up: 1,
    orrery_runs_waiting: 2,
    orrery_runs_waiting_seconds: 5,
    'orrery_instances{role="api"}': 1,
    'orrery_instances{role="scheduler"}': 0,
    'orrery_instances{role="worker"}': 2,
    orrery_attempts_running: 3,
    orrery_attempts_capacity: 64,
    'orrery_jobs_planned_total{result="stood"}': 7,
    'orrery_jobs_planned_total{result="overtaken"}': 1,
    orrery_clock_skew_seconds: -1.5,
  })
  await valuesOf(metrics)
  assert.equal(asked, 1, 'what was just read is told again')

  const hung = createMetrics()
  away = true
  addSystemMetrics(hung, { engine: () => ({ store, clock }), lease: 30_000, worker: () => null, plans: () => null })
  const told = await valuesOf(hung)
  assert.equal(told.orrery_database_up, 0)
  assert.ok(!('orrery_runs_waiting' in told) && !('orrery_attempts_running' in told))
})

test('metrics are answered as Prometheus wants them', async () => {
  const metrics = createMetrics()
  metrics.add({ kind: 'gauge', name: 'orrery_a', help: 'Ä', read: () => 7 })
  await using server = await startTestServer({}, { metrics })
  const answer = await fetch(`${server.url}/metrics`)
  assert.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
  assert.match(await answer.text(), /^# HELP orrery_a Ä\n# TYPE orrery_a gauge\norrery_a 7\n/)
})
