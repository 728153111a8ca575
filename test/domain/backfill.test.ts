import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { planBackfill } from '../../src/domain/backfill.ts'
import { plannedBy } from '../../src/domain/planned.ts'
import { everyMinute, jobOf, NOON } from './fixtures.ts'

const MINUTE = 60_000
const at = (minute: number) => NOON + minute * MINUTE
const planned = plannedBy([{ number: 1, schedule: everyMinute(), from: NOON, until: null }])
const row = { id: 'ver_x', verdict: 'MISSED', first: at(1), last: at(9) } as const

function backfill(minutes: readonly number[], more: Partial<Parameters<typeof planBackfill>[0]> = {}) {
  return planBackfill({
    job: jobOf(),
    active: [],
    own: new Set(),
    moments: minutes.map((minute) => ({ at: at(minute), hasRun: false, row: minute >= 1 && minute <= 9 ? row : null })),
    planned,
    overlap: 'ALLOW_ALL',
    by: 'ada',
    now: at(60),
    newRunId: () => 'run_x',
    ...more,
  })
}

it('what leaves a row and what stays are the row, each instant once', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (drawn) => {
      const leaving = drawn.sort((a, b) => a - b)
      const [split] = backfill(leaving).splits
      const staying = split!.parts.flatMap(({ first, last, count }) => {
        assert.equal(count, (last - first) / MINUTE + 1)
        return Array.from({ length: count }, (_, i) => (first - NOON) / MINUTE + i)
      })
      assert.deepEqual(
        [...leaving, ...staying].sort((a, b) => a - b),
        [1, 2, 3, 4, 5, 6, 7, 8, 9],
      )
      // Parts that touch would be one.
      assert.ok(split!.parts.every(({ first }, i) => i === 0 || first - split!.parts[i - 1]!.last > MINUTE))
    }),
  )
})

it('an instant between those of a row is made beside it, uncounted, and splits nothing', () => {
  const { runs, splits } = backfill([3.5])
  assert.deepEqual([runs[0]!.counted, splits], [false, []])
})

it('an instant that has a run, or had one, gets none', () => {
  const moments = [
    { at: at(3), hasRun: true, row: null },
    { at: at(4), hasRun: false, row: { ...row, verdict: 'RUN' as const } },
  ]
  assert.deepEqual(backfill([], { moments }), { runs: [], cancels: [], splits: [] })
})

it('a row of removed runs says nothing of an instant between those it stands for', () => {
  const moments = [{ at: at(3.5), hasRun: false, row: { ...row, verdict: 'RUN' as const } }]
  assert.deepEqual(
    backfill([], { moments }).runs.map(({ counted }) => counted),
    [false],
  )
})

it('an instant that the overlap policy skips stays in its row', () => {
  const { runs, splits } = backfill([3, 4], { overlap: 'SKIP' })
  assert.deepEqual([runs.map(({ occurrence }) => occurrence), splits[0]!.parts.map(({ first }) => first)], [[at(3)], [at(1), at(4)]])
})
