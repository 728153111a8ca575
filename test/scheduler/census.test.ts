import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NewInstance } from '../../src/engine/store/store.ts'
import { Census } from '../../src/scheduler/census.ts'
import { keepingLog, NOON, openParts } from '../support/parts.ts'

const LEASE = 30_000

function instanceOf(id: string, roles: NewInstance['roles'], lastSeenAt = NOON): NewInstance {
  return { id, roles, host: 'h', version: '1', startedAt: NOON, lastSeenAt, running: 0, capacity: 1, skew: null, handlers: [] }
}

async function openCensus(t: Parameters<typeof openParts>[0], instanceId: string) {
  const parts = await openParts(t)
  const { entries, log } = keepingLog()
  const released: string[] = []
  const census = new Census({
    store: parts.engine.store,
    queue: {
      async release(ids) {
        released.push(...ids)
      },
    },
    log: log as never,
    now: parts.clock.now,
    lease: LEASE,
    instanceId,
  })
  return { ...parts, store: parts.engine.store, census, released, logged: entries }
}

const idsOf = (rows: readonly { readonly id: string }[]) => rows.map(({ id }) => id)

test('the oldest living scheduler takes those for dead that were not seen for one and a half leases, and frees what they held', async (t) => {
  const { store, clock, census, released, logged } = await openCensus(t, 'ins_b')
  for (const instance of [
    instanceOf('ins_a', ['SCHEDULER'], NOON - 1),
    instanceOf('ins_b', ['SCHEDULER'], NOON + 5_000),
    instanceOf('ins_c', ['SCHEDULER'], NOON + 5_000),
    instanceOf('ins_d', ['WORKER'], NOON - 1),
    instanceOf('ins_e', ['WORKER'], NOON),
    instanceOf('ins_0', ['API', 'WORKER'], NOON + 5_000),
  ])
    await store.registerInstance(instance, { alone: false })
  clock.instant = NOON + 1.5 * LEASE - 1
  assert.equal(await census.runOnce(), 0)
  assert.deepEqual([census.oldest, released], [false, []], 'another scheduler is older, and lives')

  clock.instant = NOON + 1.5 * LEASE
  assert.equal(await census.runOnce(), 2)
  assert.deepEqual([census.oldest, released], [true, ['ins_a', 'ins_d']])
  assert.deepEqual(idsOf(await store.instances(0)), ['ins_0', 'ins_b', 'ins_c', 'ins_e'])
  assert.deepEqual(
    logged.map(({ level, fields }) => [level, fields]),
    [['warn', { instances: ['ins_a', 'ins_d'] }]],
  )
  assert.equal(await census.runOnce(), 0)
  assert.equal(logged.length, 1)
})

test('a scheduler that nobody knows of, or that is alone, keeps house from its start', async (t) => {
  const { store, census } = await openCensus(t, 'ins_b')
  await store.registerInstance(instanceOf('ins_c', ['SCHEDULER']), { alone: false })
  await census.start()
  assert.equal(census.oldest, true)
})

test('a database that is away at the start leaves it for the next round', async (t) => {
  const { engine, clock } = await openParts(t)
  const { entries, log } = keepingLog()
  let away = true
  const store = {
    ...engine.store,
    instances: (since: number) => (away ? Promise.reject(new Error('away')) : engine.store.instances(since)),
  }
  const census = new Census({ store, queue: engine.queue, log: log as never, now: clock.now, lease: LEASE, instanceId: 'ins_a' })
  await census.start()
  assert.deepEqual([census.oldest, entries.map(({ level }) => level)], [false, ['warn']])
  away = false
  await census.runOnce()
  assert.equal(census.oldest, true)
})
