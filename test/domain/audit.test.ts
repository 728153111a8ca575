import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Sweep, type Tally } from '../../src/domain/audit.ts'
import { plannedBy } from '../../src/domain/planned.ts'
import { everyMinute, NOON } from './fixtures.ts'

const MINUTE = 60_000
/** Every minute, those of the first ten minutes decided. */
const planned = plannedBy([{ number: 1, schedule: everyMinute(), from: NOON, until: null }])
const DECIDED = NOON + 10 * MINUTE

interface Row {
  readonly first: number
  readonly last: number
  readonly count: number
  readonly counted: boolean
}

/** A row from one minute to another that counts all of them, unless it says otherwise. */
function row(first: number, last = first, count = last - first + 1): Row {
  return { first: NOON + first * MINUTE, last: NOON + last * MINUTE, count, counted: true }
}

/** The tally of rows over the minutes in (after, upTo], read in slices that end with `borders`. */
function tallyOf(rows: readonly Row[], upTo = 10, borders: readonly number[] = [], after = 0): Tally {
  const sweep = new Sweep({ planned, after: NOON + after * MINUTE, decidedUntil: DECIDED })
  let done = NOON + after * MINUTE
  for (const end of [...borders.filter((border) => border > after && border < upTo), upTo].map((minute) => NOON + minute * MINUTE)) {
    const touching = rows.filter(({ first, last }) => last > done && first <= end).sort((a, b) => a.first - b.first)
    for (const each of touching) sweep.add(each, end)
    sweep.endSlice(end)
    done = end
  }
  return sweep.tally
}

const clean = { pending: 0, missing: 0, duplicated: 0 }

describe('an audit', () => {
  for (const [what, rows, expected] of [
    ['of a whole ledger finds nothing', [row(1, 3), row(4), row(5, 10)], { ...clean, accounted: 10 }],
    ['of an empty ledger misses all', [], { ...clean, accounted: 0, missing: 10 }],
    ['finds a hole', [row(1, 3), row(5, 10)], { ...clean, accounted: 9, missing: 1 }],
    ['finds a hole at either end', [row(2, 9)], { ...clean, accounted: 8, missing: 2 }],
    ['finds a double', [row(1, 10), row(10)], { ...clean, accounted: 11, duplicated: 1 }],
    ['finds a run within a row', [row(1, 10), row(4)], { ...clean, accounted: 11, duplicated: 1 }],
    ['finds rows that overlap', [row(1, 6), row(4, 10)], { ...clean, accounted: 13, duplicated: 3 }],
    [
      'finds a hole and a double that cancel each other',
      [row(1, 4), row(4), row(6, 10)],
      { ...clean, accounted: 10, missing: 1, duplicated: 1 },
    ],
    ['finds a row that counts too few', [row(1, 10, 9)], { ...clean, accounted: 9, missing: 1 }],
    ['finds a row that counts too many', [row(1, 10, 12)], { ...clean, accounted: 12, duplicated: 2 }],
    ['finds an entry that nothing planned', [row(1, 4), row(4.5), row(5, 10)], { ...clean, accounted: 11, duplicated: 1 }],
    [
      'finds a row that begins beside the plan, though its count fits',
      [row(0.5, 10, 10)],
      { ...clean, accounted: 10, missing: 1, duplicated: 1 },
    ],
    ['leaves out what was backfilled beside the plan', [row(1, 10), { ...row(2.5), counted: false }], { ...clean, accounted: 10 }],
    [
      'sees through a backfill that covers up a hole',
      [row(1, 4), { ...row(5), counted: false }, row(6, 10)],
      { ...clean, accounted: 9, missing: 1 },
    ],
  ] as const) {
    it(what, () => assert.deepEqual(tallyOf(rows), expected))
  }

  it('finds no fault with what the planner has not come to', () => {
    assert.deepEqual(tallyOf([row(1, 10)], 13), { ...clean, accounted: 10, pending: 3 })
  })

  it('counts an entry after the cursor, and what it leaves between as pending', () => {
    assert.deepEqual(tallyOf([row(1, 10), row(12)], 13), { ...clean, accounted: 11, pending: 2 })
  })

  it('takes the part of a row that lies in the window, whatever it counts before it', () => {
    assert.deepEqual(tallyOf([row(1, 10)], 8, [], 3), { ...clean, accounted: 5 })
  })

  it('finds nothing in a window without instants', () => {
    assert.deepEqual(tallyOf([row(1, 10)], 3.9, [], 3.1), { ...clean, accounted: 0 })
  })

  const rows = fc.array(
    fc.tuple(
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 0, max: 6 }),
      fc.constantFrom(0, 0, 0, -1, 1),
      fc.constantFrom(0, 0, 0, 0.5),
    ),
    { maxLength: 8 },
  )

  it('agrees with counting one by one, and always adds up, in slices or not', () => {
    const toRow = ([first, more, off, beside]: [number, number, number, number]) =>
      beside > 0 ? row(first + beside) : row(first, first + more, Math.max(1, more + 1 + off))
    fc.assert(
      fc.property(rows, fc.uniqueArray(fc.integer({ min: 1, max: 19 }), { maxLength: 3 }), (drawn, borders) => {
        const all = drawn.map(toRow)
        const tally = tallyOf(
          all,
          20,
          borders.sort((a, b) => a - b),
        )
        assert.equal(tally.accounted + tally.pending + tally.missing - tally.duplicated, 20)
        assert.equal(
          tally.accounted,
          all.reduce((sum, { count }) => sum + count, 0),
        )
        const entries = Array.from(
          { length: 20 },
          (_, i) => all.filter(({ first, last }) => first <= NOON + (i + 1) * MINUTE && last >= NOON + (i + 1) * MINUTE).length,
        )
        const wrongCounts = all.map(
          ({ first, last, count }) => count - Math.floor((last - first) / MINUTE + (first % MINUTE === 0 ? 1 : 0)),
        )
        const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)
        assert.equal(tally.missing, entries.slice(0, 10).filter((n) => n === 0).length + sum(wrongCounts.map((off) => Math.max(-off, 0))))
        assert.equal(tally.pending, entries.slice(10).filter((n) => n === 0).length)
        assert.equal(tally.duplicated, sum(entries.map((n) => Math.max(n - 1, 0))) + sum(wrongCounts.map((off) => Math.max(off, 0))))
      }),
    )
  })
})
