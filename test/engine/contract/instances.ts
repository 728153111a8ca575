import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Engine } from '../../../src/engine/engine.ts'
import { type InstanceRow, type NewInstance, ROLES } from '../../../src/engine/store/store.ts'
import { NOON } from '../factories.ts'

type Open = (t: TestContext) => Promise<Engine>

function instanceOf(overrides: Partial<NewInstance> = {}): NewInstance {
  return {
    id: 'ins_a',
    roles: ROLES,
    host: 'höst',
    version: '1.2.3',
    startedAt: NOON,
    lastSeenAt: NOON,
    running: 0,
    capacity: 64,
    skew: null,
    handlers: [],
    ...overrides,
  }
}

/** What is shown of it. */
function shown({ handlers: _, ...row }: NewInstance): InstanceRow {
  return row
}

export function instanceContract(open: Open): void {
  describe('instances', () => {
    it('are those seen since a moment, by id', async (t) => {
      const { store } = await open(t)
      const [a, b] = [instanceOf({ skew: -3 }), instanceOf({ id: 'ins_b', roles: ['WORKER'], lastSeenAt: NOON + 10, running: 3 })]
      await store.registerInstance(b, { alone: false })
      await store.registerInstance(a, { alone: false })
      assert.deepEqual(await store.instances(NOON), [shown(a), shown(b)])
      assert.deepEqual(await store.instances(NOON + 1), [shown(b)])
    })

    it('tell that they are up, and learn whether they are known', async (t) => {
      const { store } = await open(t)
      for (const id of ['ins_a', 'ins_b']) await store.registerInstance(instanceOf({ id }), { alone: false })
      const known = await store.beatInstances([
        { id: 'ins_b', lastSeenAt: NOON + 6, running: 2, skew: null },
        { id: 'ins_none', lastSeenAt: NOON + 5, running: 1, skew: 0 },
        { id: 'ins_a', lastSeenAt: NOON + 5, running: 7, skew: 1_200 },
      ])
      assert.deepEqual(known, ['ins_b', 'ins_a'])
      assert.deepEqual(await store.instances(0), [
        shown(instanceOf({ lastSeenAt: NOON + 5, running: 7, skew: 1_200 })),
        shown(instanceOf({ id: 'ins_b', lastSeenAt: NOON + 6, running: 2 })),
      ])
    })

    it('that register again stand there once, as they were told last', async (t) => {
      const { store } = await open(t)
      await store.registerInstance(instanceOf({ running: 3 }), { alone: false })
      await store.registerInstance(instanceOf({ lastSeenAt: NOON + 9 }), { alone: false })
      assert.deepEqual(await store.instances(0), [shown(instanceOf({ lastSeenAt: NOON + 9 }))])
    })

    it('remove themselves', async (t) => {
      const { store } = await open(t)
      for (const id of ['ins_a', 'ins_b']) await store.registerInstance(instanceOf({ id }), { alone: false })
      await store.removeInstances(['ins_a', 'ins_none'])
      assert.deepEqual(await store.instances(0), [shown(instanceOf({ id: 'ins_b' }))])
    })

    it('are dead when they were last seen before a moment', async (t) => {
      const { store } = await open(t)
      for (const [id, lastSeenAt] of [
        ['ins_c', NOON - 1],
        ['ins_a', NOON],
        ['ins_b', NOON - 9],
      ] as const) {
        await store.registerInstance(instanceOf({ id, lastSeenAt }), { alone: false })
      }
      assert.deepEqual(await store.deadInstances(NOON), ['ins_b', 'ins_c'])
      assert.deepEqual(await store.deadInstances(NOON - 9), [])
    })

    it('that are alone remove what dead ones left', async (t) => {
      const { store } = await open(t)
      await store.registerInstance(instanceOf({ id: 'ins_dead' }), { alone: false })
      await store.registerInstance(instanceOf(), { alone: true })
      assert.deepEqual(await store.instances(0), [shown(instanceOf())])
    })
  })
}
