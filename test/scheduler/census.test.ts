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
  /** Has it look every ten seconds up to an instant; answers how many it found dead. */
  async function watch(until: number): Promise<number> {
    let dead = await census.runOnce()
    while (parts.clock.now() < until) {
      parts.clock.instant = Math.min(parts.clock.now() + 10_000, until)
      dead += await census.runOnce()
    }
    return dead
  }
  return { ...parts, store: parts.engine.store, census, watch, released, logged: entries }
}

const idsOf = (rows: readonly { readonly id: string }[]) => rows.map(({ id }) => id)

test('the oldest living scheduler takes those for dead that were not seen for one and a half leases, and frees what they held', async (t) => {
  const { store, clock, census, watch, released, logged } = await openCensus(t, 'ins_b')
  for (const instance of [
    instanceOf('ins_a', ['SCHEDULER'], NOON - 1),
    instanceOf('ins_b', ['SCHEDULER'], NOON + 5_000),
    instanceOf('ins_c', ['SCHEDULER'], NOON + 5_000),
    instanceOf('ins_d', ['WORKER'], NOON - 1),
    instanceOf('ins_e', ['WORKER'], NOON),
    instanceOf('ins_0', ['API', 'WORKER'], NOON + 5_000),
  ])
    await store.registerInstance(instance, { alone: false })
  assert.equal(await watch(NOON + 1.5 * LEASE - 1), 0)
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

test('when the database was away, nobody is taken for dead before each that lives could say so', async (t) => {
  const { store, clock, census, watch, released } = await openCensus(t, 'ins_a')
  for (const id of ['ins_a', 'ins_b', 'ins_c']) await store.registerInstance(instanceOf(id, ['SCHEDULER']), { alone: false })
  const alive = (id: string) => store.beatInstances([{ id, lastSeenAt: clock.now(), running: 0, skew: null }])
  await watch(NOON + 10_000)
  clock.forward(60_000)
  assert.equal(await census.runOnce(), 0)
  await alive('ins_b')
  assert.equal(await watch(clock.now() + LEASE - 1), 0)
  assert.deepEqual(released, [])
  // Its own beats are not among them: it lives all the same.
  assert.equal(await watch(clock.now() + 1), 1)
  assert.deepEqual(released, ['ins_c'])
})

test('one that begins takes nobody for dead before it has watched for a lease', async (t) => {
  const { store, census, watch, released } = await openCensus(t, 'ins_z')
  await store.registerInstance(instanceOf('ins_a', ['API'], NOON - 100_000), { alone: false })
  await census.start()
  assert.equal(await watch(NOON + LEASE - 1), 0)
  assert.equal(await watch(NOON + LEASE), 1)
  assert.deepEqual(released, ['ins_a'])
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
