import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Pause } from '../../../src/domain/job.ts'
import type { Engine } from '../../../src/engine/engine.ts'
import type { JobSnapshot } from '../../../src/engine/store/store.ts'
import type { OpenTestDatabase } from '../contract.ts'
import { createJob, NOON } from '../factories.ts'

type Open = (t: TestContext) => Promise<Engine>

const first: Pause = { since: NOON, until: NOON + 10, note: 'disks ✓', by: 'ada' }
const second: Pause = { since: NOON + 20, until: null, note: 'network', by: null }
const written = (pause: Pause, forgetBefore = 0) => ({ pause, forgetBefore })

export function maintenanceContract(open: Open, openTestDatabase: OpenTestDatabase): void {
  describe('pauses of the whole scheduling', () => {
    it('are kept in their order, and the newest is shown to whoever decides', async (t) => {
      const { store } = await open(t)
      assert.deepEqual(await store.maintenance(), [])
      const seen: (Pause | null)[] = []
      for (const pause of [first, second]) {
        await store.changeMaintenance((newest) => {
          seen.push(newest)
          return written(pause)
        })
      }
      assert.deepEqual(seen, [null, first])
      assert.deepEqual(await store.maintenance(), [first, second])
    })

    it('are replaced under the same beginning; null changes nothing', async (t) => {
      const { store } = await open(t)
      await store.changeMaintenance(() => written(first))
      const again = { ...first, until: null, note: 'longer', by: 'bob' }
      await store.changeMaintenance(() => written(again))
      await store.changeMaintenance(() => null)
      assert.deepEqual(await store.maintenance(), [again])
    })

    it('go when they ended before the moment given, but never one without an end', async (t) => {
      const { store } = await open(t)
      await store.changeMaintenance(() => written(first))
      await store.changeMaintenance(() => written(second, NOON + 10))
      assert.deepEqual(await store.maintenance(), [first, second], 'what ended at that very moment stays')
      await store.changeMaintenance((newest) => written(newest!, NOON + 1_000))
      assert.deepEqual(await store.maintenance(), [second])
    })

    it('that were not stored are not remembered', async (t) => {
      const { store } = await open(t)
      await store.changeMaintenance(() => written(first))
      const failing = store.changeMaintenance(() => {
        throw new Error('no')
      })
      const beside = store.changeMaintenance(() => written(second))
      await assert.rejects(failing, /no/)
      await beside
      assert.deepEqual(await store.maintenance(), [first, second])
    })

    it('are shown to whoever decides on a job', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store)
      await store.changeMaintenance(() => written(first))
      let seen: JobSnapshot | null = null
      await store.changeJob(job.id, (current) => {
        seen = current
        return { refuse: 'enough' }
      })
      assert.deepEqual((seen as JobSnapshot | null)?.maintenance, [first])
    })

    it('are there after the database was closed and opened', async (t) => {
      const database = await openTestDatabase(t)
      const engine = await database.open()
      await engine.store.changeMaintenance(() => written(second))
      await engine.close()
      assert.deepEqual(await (await database.open()).store.maintenance(), [second])
    })
  })
}
