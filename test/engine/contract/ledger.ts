import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { LedgerEntry } from '../../../src/domain/ledger.ts'
import type { Engine } from '../../../src/engine/engine.ts'
import {
  changeJob,
  createJob,
  LATER,
  MINUTE,
  manualRunOf,
  minutely,
  NOON,
  planOf,
  positionOf,
  runEntry,
  runOf,
  spanEntry,
  spanOf,
} from '../factories.ts'

type Open = (t: TestContext) => Promise<Engine>

const at = (minute: number) => NOON + minute * MINUTE

export function ledgerContract(open: Open): void {
  describe('the ledger', () => {
    /** A job with a run at minutes 1, 5 and 9, and rows for 2 to 4, 6, and 7 to 8. */
    const openLedger = async (t: TestContext) => {
      const { store } = await open(t)
      const job = await createJob(store)
      const runs = [1, 5, 9].map((minute) => runOf(job, { occurrence: at(minute) }))
      const entries: LedgerEntry[] = [
        runEntry(runs[0]!),
        spanEntry(spanOf({ first: at(2), last: at(4), count: 3, reason: 'Late.' })),
        runEntry(runs[1]!),
        spanEntry(spanOf({ first: at(6), verdict: 'SKIPPED_PAUSED', reason: 'Paused.' })),
        spanEntry(spanOf({ first: at(7), last: at(8), count: 2, verdict: 'COALESCED', reason: null, runId: runs[2]!.id })),
        runEntry(runs[2]!),
      ]
      await store.commitPlans([planOf(await positionOf(store, job.id), entries)], LATER)
      const minutesOf = async (after: number, before: number, fromEnd = false, limit = 100) => {
        const rows = await store.ledgerRows({ jobId: job.id, after, before, fromEnd, limit })
        return rows.map(({ first, last }) => `${(first - NOON) / MINUTE}-${(last - NOON) / MINUTE}`)
      }
      return { store, job, runs, minutesOf }
    }

    it('has runs and shared rows in the order of instants', async (t) => {
      const { store, job, runs } = await openLedger(t)
      const run = (index: number, minute: number) => ({
        verdict: 'RUN',
        first: at(minute),
        last: at(minute),
        count: 1,
        reason: null,
        runId: runs[index]!.id,
        counted: true,
      })
      const shared = { runId: null, counted: true }
      assert.deepEqual(await store.ledgerRows({ jobId: job.id, after: 0, before: LATER, fromEnd: false, limit: 100 }), [
        run(0, 1),
        { ...shared, verdict: 'MISSED', first: at(2), last: at(4), count: 3, reason: 'Late.' },
        run(1, 5),
        { ...shared, verdict: 'SKIPPED_PAUSED', first: at(6), last: at(6), count: 1, reason: 'Paused.' },
        { ...shared, verdict: 'COALESCED', first: at(7), last: at(8), count: 2, reason: null, runId: runs[2]!.id },
        run(2, 9),
      ])
    })

    it('answers what lies strictly between two instants, and rows over an edge whole', async (t) => {
      const { minutesOf } = await openLedger(t)
      for (const fromEnd of [false, true]) {
        assert.deepEqual(await minutesOf(at(1), at(9), fromEnd), ['2-4', '5-5', '6-6', '7-8'])
        assert.deepEqual(await minutesOf(at(3), at(8), fromEnd), ['2-4', '5-5', '6-6', '7-8'])
        assert.deepEqual(await minutesOf(at(4), at(7), fromEnd), ['5-5', '6-6'])
        assert.deepEqual(await minutesOf(at(2) + 1, at(3), fromEnd), ['2-4'])
        assert.deepEqual(await minutesOf(at(9), LATER, fromEnd), [])
      }
    })

    it('answers the first or the last of them', async (t) => {
      const { minutesOf } = await openLedger(t)
      assert.deepEqual(await minutesOf(at(1), LATER, false, 3), ['2-4', '5-5', '6-6'])
      assert.deepEqual(await minutesOf(0, at(8), true, 3), ['5-5', '6-6', '7-8'])
      assert.deepEqual(await minutesOf(0, LATER, true, 1), ['9-9'])
    })

    it('of a job has nothing of another, nor runs that nobody planned', async (t) => {
      const { store, job, minutesOf } = await openLedger(t)
      const other = await createJob(store)
      await store.commitPlans([planOf(await positionOf(store, other.id), [spanEntry(spanOf({ first: at(20) }))])], LATER)
      await changeJob(store, job.id, () => ({ runs: [manualRunOf(job, { scheduledFor: at(10) })] }))
      assert.deepEqual(await minutesOf(at(8), LATER), ['9-9'])
    })

    it('knows the schedules of a job as they stood', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store)
      const schedule = { ...minutely, every: 2 * MINUTE }
      await changeJob(store, job.id, () => ({
        job: { ...job, schedule, revision: 2, version: 2 },
        newRevision: { closeAt: at(7), open: { number: 2, schedule, from: at(7), until: null } },
      }))
      assert.deepEqual(await store.revisions(job.id), [
        { number: 1, schedule: minutely, from: NOON, until: at(7) },
        { number: 2, schedule, from: at(7), until: null },
      ])
      assert.deepEqual(await store.revisions('job_none'), [])
    })
  })
}
