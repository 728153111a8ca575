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
  verdictsOf,
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
        const { runs, shared } = await store.ledger({ jobId: job.id, after, before, fromEnd, limit })
        const minute = (instant: number) => (instant - NOON) / MINUTE
        return [...runs.map(({ first }) => `run ${minute(first)}`), ...shared.map(({ first, last }) => `${minute(first)}-${minute(last)}`)]
      }
      return { store, job, runs, minutesOf }
    }

    it('has runs, and rows that instants share, each in their order', async (t) => {
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
      const row = { runId: null, counted: true }
      assert.deepEqual(await store.ledger({ jobId: job.id, after: 0, before: LATER, fromEnd: false, limit: 100 }), {
        runs: [run(0, 1), run(1, 5), run(2, 9)],
        shared: [
          { ...row, verdict: 'MISSED', first: at(2), last: at(4), count: 3, reason: 'Late.' },
          { ...row, verdict: 'SKIPPED_PAUSED', first: at(6), last: at(6), count: 1, reason: 'Paused.' },
          { ...row, verdict: 'COALESCED', first: at(7), last: at(8), count: 2, reason: null, runId: runs[2]!.id },
        ],
      })
    })

    it('answers what lies strictly between two instants, and rows over an edge whole', async (t) => {
      const { minutesOf } = await openLedger(t)
      for (const fromEnd of [false, true]) {
        assert.deepEqual(await minutesOf(at(1), at(9), fromEnd), ['run 5', '2-4', '6-6', '7-8'])
        assert.deepEqual(await minutesOf(at(3), at(8), fromEnd), ['run 5', '2-4', '6-6', '7-8'])
        assert.deepEqual(await minutesOf(at(4), at(7), fromEnd), ['run 5', '6-6'])
        assert.deepEqual(await minutesOf(at(2) + 1, at(3), fromEnd), ['2-4'])
        assert.deepEqual(await minutesOf(at(9), LATER, fromEnd), [])
      }
    })

    it('answers the first or the last of each', async (t) => {
      const { minutesOf } = await openLedger(t)
      assert.deepEqual(await minutesOf(at(1), LATER, false, 1), ['run 5', '2-4'])
      assert.deepEqual(await minutesOf(0, at(8), true, 2), ['run 1', 'run 5', '6-6', '7-8'])
      assert.deepEqual(await minutesOf(0, LATER, true, 2), ['run 5', 'run 9', '6-6', '7-8'])
    })

    it('of a job has nothing of another, nor runs that nobody planned', async (t) => {
      const { store, job, minutesOf } = await openLedger(t)
      const other = await createJob(store)
      await store.commitPlans([planOf(await positionOf(store, other.id), [spanEntry(spanOf({ first: at(20) }))])], LATER)
      await changeJob(store, job.id, () => ({ runs: [manualRunOf(job, { scheduledFor: at(10) })] }))
      assert.deepEqual(await minutesOf(at(8), LATER), ['run 9'])
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

  describe('taking instants out of a shared row', () => {
    /** A job with a trailing row for minutes 1 to 9. */
    const openRow = async (t: TestContext) => {
      const engine = await open(t)
      const { store } = engine
      const job = await createJob(store)
      const whole = spanOf({ first: at(1), last: at(9), count: 9, runId: 'run_x', reason: 'Late.' })
      await store.commitPlans([planOf(await positionOf(store, job.id), [spanEntry(whole)])], LATER)
      const [row] = await verdictsOf(engine, job.id)
      const split = (...parts: readonly (readonly [first: number, last: number])[]) =>
        changeJob(store, job.id, () => ({
          splits: [
            { rowId: row!.id, parts: parts.map(([first, last]) => ({ first: at(first), last: at(last), count: last - first + 1 })) },
          ],
        }))
      const rows = async () =>
        (await verdictsOf(engine, job.id)).map(({ first, last, count }) => [(first - NOON) / MINUTE, (last - NOON) / MINUTE, count])
      const trailing = async () => {
        const { trailingVerdictId } = await positionOf(store, job.id)
        return (await verdictsOf(engine, job.id)).findIndex(({ id }) => id === trailingVerdictId)
      }
      return { engine, store, job, row: row!, split, rows, trailing }
    }

    it('leaves the parts, which say what the row said', async (t) => {
      const { engine, job, row, split, rows } = await openRow(t)
      await split([1, 2], [4, 4], [6, 9])
      assert.deepEqual(await rows(), [
        [1, 2, 2],
        [4, 4, 1],
        [6, 9, 4],
      ])
      for (const { verdict, reason, runId, revision } of await verdictsOf(engine, job.id))
        assert.deepEqual([verdict, reason, runId, revision], [row.verdict, row.reason, row.runId, row.revision])
    })

    for (const [what, parts, expected] of [
      [
        'that ends with the last part stays with that',
        [
          [1, 2],
          [4, 9],
        ],
        1,
      ],
      ['that only lost its beginning stays', [[4, 9]], 0],
      [
        'whose last instant left is none any more',
        [
          [1, 2],
          [4, 8],
        ],
        -1,
      ],
      ['of which nothing is left is none any more', [], -1],
    ] as const) {
      it(`a trailing row ${what}`, async (t) => {
        const { split, rows, trailing } = await openRow(t)
        await split(...parts)
        assert.equal((await rows()).length, parts.length)
        assert.equal(await trailing(), expected)
      })
    }

    it('reads what stands there first: runs, and the row over an instant', async (t) => {
      const { store, job, row } = await openRow(t)
      const run = runOf(job, { occurrence: at(20), trigger: 'BACKFILL' })
      await changeJob(store, job.id, () => ({ runs: [run] }))
      const shared = { id: row.id, verdict: 'MISSED', first: at(1), last: at(9) }
      const instants = [at(0), at(1), at(5), at(5) + 1, at(9), at(9) + 1, at(20)]
      await store.changeJob(
        job.id,
        (current) => {
          assert.deepEqual(
            current!.ledger.map((moment) => [moment.at, moment.hasRun, moment.row]),
            instants.map((instant) => [instant, instant === at(20), instant >= at(1) && instant <= at(9) ? shared : null]),
          )
          return { event: null, now: LATER }
        },
        { ledgerAt: instants },
      )
    })

    it('a run that does not count is told apart', async (t) => {
      const { store, job } = await openRow(t)
      const runs = [runOf(job, { occurrence: at(20), counted: false }), runOf(job, { occurrence: at(21) })]
      await changeJob(store, job.id, () => ({ runs }))
      const part = await store.ledger({ jobId: job.id, after: at(10), before: LATER, fromEnd: false, limit: 9 })
      assert.deepEqual(
        part.runs.map(({ counted }) => counted),
        [false, true],
      )
    })
  })
}
