import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ROLES } from '../../src/engine/store/store.ts'
import { Presence } from '../../src/worker/presence.ts'
import { keepingLog, NOON, openParts } from '../support/parts.ts'

const NOOP = { name: 'noop', description: 'Does nothing.', payloadSchema: null }

test('a process tells that it is up from its start, with every beat, until its stop', async (t) => {
  const { engine, clock } = await openParts(t)
  let running = 0
  let skew: number | null = null
  const shown = { id: 'ins_a', roles: ROLES, host: 'h', version: '1.2.3', capacity: 64 }
  const instance = { ...shown, handlers: [NOOP] }
  const presence = new Presence({
    store: engine.store,
    log: keepingLog().log as never,
    now: clock.now,
    instance,
    running: () => running,
    skew: () => skew,
    alone: true,
  })
  const dead = { ...instance, id: 'ins_dead', startedAt: 0, lastSeenAt: NOON, running: 9, skew: null }
  await engine.store.registerInstance(dead, { alone: false })

  await presence.start()
  assert.deepEqual(await engine.store.instances(0), [{ ...shown, startedAt: NOON, lastSeenAt: NOON, running: 0, skew: null }])
  assert.deepEqual(await engine.store.handlers(0), [NOOP])
  running = 5
  skew = -7
  clock.forward(10_000)
  await presence.beat()
  assert.deepEqual(await engine.store.instances(0), [{ ...shown, startedAt: NOON, lastSeenAt: NOON + 10_000, running: 5, skew: -7 }])
  await presence.stop()
  assert.deepEqual(await engine.store.instances(0), [])
})

test('a process that cannot tell that it is up starts all the same, and tells with a later beat', async (t) => {
  const { engine, clock } = await openParts(t)
  const { entries, log } = keepingLog()
  let full = true
  const store = {
    ...engine.store,
    registerInstance: (...row: Parameters<typeof engine.store.registerInstance>) =>
      full ? Promise.reject(new Error('the disk is full')) : engine.store.registerInstance(...row),
  }
  const shown = { id: 'ins_a', roles: ROLES, host: 'h', version: '1.2.3', capacity: 64 }
  const instance = { ...shown, handlers: [NOOP] }
  const presence = new Presence({ store, log: log as never, now: clock.now, instance, running: () => 1, skew: () => 3, alone: true })
  await presence.start()
  assert.deepEqual(
    entries.map(({ level, message }) => [level, message]),
    [['warn', 'could not tell that this process is up']],
  )
  full = false
  clock.forward(10_000)
  await presence.beat()
  assert.deepEqual(await engine.store.instances(0), [{ ...shown, startedAt: NOON, lastSeenAt: NOON + 10_000, running: 1, skew: 3 }])
})

test('a process that was taken for dead is there again with its next beat, with all that it told', async (t) => {
  const { engine, clock } = await openParts(t)
  const { entries, log } = keepingLog()
  const shown = { id: 'ins_a', roles: ROLES, host: 'h', version: '1.2.3', capacity: 64 }
  const instance = { ...shown, handlers: [NOOP] }
  const { store } = engine
  const presence = new Presence({
    store,
    log: log as never,
    now: clock.now,
    instance,
    running: () => 1,
    skew: () => null,
    alone: false,
  })
  await presence.start()
  await store.removeInstances(['ins_a'])
  clock.forward(10_000)
  await presence.beat()
  assert.deepEqual(await store.instances(0), [{ ...shown, startedAt: NOON, lastSeenAt: NOON + 10_000, running: 1, skew: null }])
  assert.deepEqual(await store.handlers(0), [NOOP])
  assert.deepEqual(
    entries.map(({ level, message }) => [level, message]),
    [['info', 'this process was taken for dead; it is up, and says so']],
  )
})

test('a clock that is off by more than a second is told once for every change', async (t) => {
  const { engine, clock } = await openParts(t)
  const { entries, log } = keepingLog()
  let skew: number | null = 900
  const presence = new Presence({
    store: engine.store,
    log: log as never,
    now: clock.now,
    instance: { id: 'ins_a', roles: ROLES, host: 'h', version: '1.2.3', capacity: 1, handlers: [] },
    running: () => 0,
    skew: () => skew,
    alone: false,
  })
  await presence.start()
  const told: unknown[] = []
  for (skew of [1_001, 1_400, 2_100, 1_900, -1_500, null, 500, -3_000]) {
    entries.length = 0
    await presence.beat()
    told.push(entries.map(({ level, fields }) => [level, (fields as { skewMs: number }).skewMs]))
  }
  assert.deepEqual(told, [[['warn', 1_001]], [], [['warn', 2_100]], [], [['warn', -1_500]], [['info', 0]], [], [['warn', -3_000]]])
})
