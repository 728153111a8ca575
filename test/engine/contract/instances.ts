import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Engine } from '../../../src/engine/engine.ts'
import { type InstanceRow, ROLES } from '../../../src/engine/store/store.ts'
import { NOON } from '../factories.ts'

type Open = (t: TestContext) => Promise<Engine>

function instanceOf(overrides: Partial<InstanceRow> = {}): InstanceRow {
  return {
    id: 'ins_a',
    roles: ROLES,
    host: 'höst',
    version: '1.2.3',
    startedAt: NOON,
    lastSeenAt: NOON,
    running: 0,
    capacity: 64,
    ...overrides,
  }
}

export function instanceContract(open: Open): void {
  describe('instances', () => {
    it('are those seen since a moment, by id', async (t) => {
      const { store } = await open(t)
      const [a, b] = [instanceOf(), instanceOf({ id: 'ins_b', roles: ['WORKER'], lastSeenAt: NOON + 10, running: 3 })]
      await store.registerInstance(b, { alone: false })
      await store.registerInstance(a, { alone: false })
      assert.deepEqual(await store.instances(NOON), [a, b])
      assert.deepEqual(await store.instances(NOON + 1), [b])
    })

    it('tell that they are up; one that is not registered tells nothing', async (t) => {
      const { store } = await open(t)
      await store.registerInstance(instanceOf(), { alone: false })
      await store.beatInstances([
        { id: 'ins_a', lastSeenAt: NOON + 5, running: 7 },
        { id: 'ins_none', lastSeenAt: NOON + 5, running: 1 },
      ])
      assert.deepEqual(await store.instances(0), [instanceOf({ lastSeenAt: NOON + 5, running: 7 })])
    })

    it('remove themselves', async (t) => {
      const { store } = await open(t)
      for (const id of ['ins_a', 'ins_b']) await store.registerInstance(instanceOf({ id }), { alone: false })
      await store.removeInstances(['ins_a', 'ins_none'])
      assert.deepEqual(await store.instances(0), [instanceOf({ id: 'ins_b' })])
    })

    it('that are alone remove what dead ones left', async (t) => {
      const { store } = await open(t)
      await store.registerInstance(instanceOf({ id: 'ins_dead' }), { alone: false })
      await store.registerInstance(instanceOf(), { alone: true })
      assert.deepEqual(await store.instances(0), [instanceOf()])
    })
  })
}
