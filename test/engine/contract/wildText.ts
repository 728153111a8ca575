import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Engine } from '../../../src/engine/engine.ts'
import { allRuns, changeJob, createJob, LATER, manualRunOf } from '../factories.ts'

type Open = (t: TestContext) => Promise<Engine>

export function wildTextContract(open: Open): void {
  describe('text that no command lets in', () => {
    it('is looked for in vain, and harms nothing', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store, { name: 'a', tags: ['a'] })
      await changeJob(store, job.id, () => ({ runs: [manualRunOf(job)] }))
      for (const wild of ['\0', 'a\0', '\0a', 'a\ud800', `${job.id}\0`, '\\', '"', '{', "'"]) {
        assert.deepEqual([await store.job({ name: wild }), await store.job({ id: wild }), await store.run(wild)], [null, null, null])
        assert.deepEqual([await store.jobRows([wild, job.id]).then(([row]) => row), await store.runRows([wild])], [null, [null]])
        assert.deepEqual([await store.jobsById([wild]), await store.setting(wild), await store.revisions(wild)], [[], null, []])
        const filter = { state: null, search: null, tags: null, handler: null, lastRunStatus: null, now: LATER }
        for (const asked of [{ search: wild }, { tags: [wild] }, { handler: wild }])
          assert.equal(await store.countJobs({ ...filter, ...asked }), 0, JSON.stringify(asked))
        assert.equal(await store.countRuns({ ...allRuns, tags: [wild] }), 0)
        assert.equal(await store.countRuns({ ...allRuns, jobIds: [wild] }), 0)
        assert.deepEqual(await store.changeJob(wild, (current) => ({ refuse: current })), { kind: 'refused', refusal: null })
        assert.deepEqual(await store.changeRun(wild, (current) => ({ refuse: current })), { kind: 'refused', refusal: null })
        await store.changeJob(
          job.id,
          (current) => {
            assert.equal(current?.idempotent, null)
            return { event: null, now: LATER }
          },
          { idempotencyKey: wild },
        )
      }
    })
  })
}
