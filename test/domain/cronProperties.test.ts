import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { occurrencesOf } from '../../src/domain/occurrences.ts'
import { type CronSchedule, DAY_MATCHES, FOLD_POLICIES, GAP_POLICIES } from '../../src/domain/schedule.ts'
import { randomExpression } from './cronExpressions.ts'
import { at, cron } from './scheduleFixtures.ts'

const ZONES = ['UTC', 'America/New_York', 'Australia/Lord_Howe', 'Pacific/Apia', 'Africa/Casablanca', 'Asia/Kathmandu', 'Europe/Dublin']

const schedules: fc.Arbitrary<CronSchedule> = fc
  .record({
    expression: fc.tuple(fc.boolean(), fc.constantFrom(0, 3, 12)).chain(([seconds, anyDay]) => randomExpression({ seconds, anyDay })),
    timezone: fc.constantFrom(...ZONES),
    dayMatch: fc.constantFrom(...DAY_MATCHES),
    gap: fc.constantFrom(...GAP_POLICIES),
    fold: fc.constantFrom(...FOLD_POLICIES),
  })
  .map(({ expression, ...rest }) => cron(expression.text, rest))

/** Most of the clock changes of these zones, and more often than others the day that Apia skipped. */
const ourTime = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: at('2010-01-01T00:00Z'), max: at('2035-01-01T00:00Z') }) },
  { weight: 1, arbitrary: fc.integer({ min: at('2011-12-28T00:00Z'), max: at('2012-01-02T00:00Z') }) },
)
const anyTime = fc.integer({ min: at('0000-01-01T00:00Z'), max: at('9999-12-31T23:59Z') })
const moments = fc.oneof({ weight: 5, arbitrary: ourTime }, { weight: 1, arbitrary: anyTime })

/** No single question may take longer. Most take microseconds; the slowest read a century of clock changes for the first time. */
const LONGEST = 5_000

function timed<T>(question: () => T): T {
  const start = performance.now()
  const answer = question()
  const took = performance.now() - start
  assert.ok(took < LONGEST, `took ${took} ms`)
  return answer
}

describe('the instants of any accepted cron schedule', () => {
  it('are strictly increasing, the same backwards, and as many as counted', () => {
    fc.assert(
      fc.property(schedules, moments, fc.integer({ min: 1, max: 60 }), (schedule, start, steps) => {
        const occurrences = occurrencesOf(schedule)
        const forwards: number[] = []
        for (let from = start; forwards.length < steps; ) {
          const next = timed(() => occurrences.next(from))
          if (next === null) break
          assert.ok(next > from)
          forwards.push(next)
          from = next
        }
        const last = forwards.at(-1)
        if (last === undefined) return
        assert.equal(
          timed(() => occurrences.count(start, last)),
          forwards.length,
        )
        assert.equal(occurrences.count(start, last - 1), forwards.length - 1)
        assert.equal(occurrences.count(last, last), 0)
        const backwards: number[] = []
        for (let from: number | null = last; from !== null && from > start; ) {
          const previous: number | null = timed(() => occurrences.previous(from as number))
          if (previous !== null && previous > start) backwards.unshift(previous)
          from = previous === null ? null : previous - 1
        }
        assert.deepEqual(backwards, forwards)
      }),
      { numRuns: 1_000, seed: 11 },
    )
  })

  for (const [windows, moment, numRuns] of [
    ['windows of our time', ourTime, 400],
    ['windows of any width', anyTime, 25],
  ] as const) {
    it(`are counted alike whole and in parts, over ${windows}`, () => {
      fc.assert(
        fc.property(schedules, moment, moment, moment, (schedule, a, b, c) => {
          const occurrences = occurrencesOf(schedule)
          const [first, middle, last] = [a, b, c].sort((x, y) => x - y) as [number, number, number]
          const whole = timed(() => occurrences.count(first, last))
          assert.equal(timed(() => occurrences.count(first, middle)) + timed(() => occurrences.count(middle, last)), whole)
          const next = timed(() => occurrences.next(first))
          const previous = timed(() => occurrences.previous(last))
          assert.equal(whole > 0, next !== null && next <= last)
          assert.equal(whole > 0, previous !== null && previous > first)
        }),
        { numRuns, seed: 12 },
      )
    })
  }

  it('are found in bounded time where there is none for long, or none at all', () => {
    const leapMondays = occurrencesOf(cron('0 0 29 2 MON', { dayMatch: 'ALL', timezone: 'America/New_York' }))
    assert.equal(
      timed(() => leapMondays.next(at('2072-03-01T00:00Z'))),
      at('2112-02-29T05:00Z'),
    )
    // Every second Sunday of March since 2007, 02:30 has been skipped, and will be as long as the rules stand.
    const alwaysSkipped = occurrencesOf(cron('30 2 * 3 SUN#2', { gap: 'SKIP', timezone: 'America/New_York' }))
    assert.equal(
      timed(() => alwaysSkipped.next(at('2026-01-01T00:00Z'))),
      null,
    )
    assert.equal(
      timed(() => alwaysSkipped.next(at('9000-01-01T00:00Z'))),
      null,
    )
    assert.equal(
      timed(() => alwaysSkipped.previous(at('9000-01-01T00:00Z'))),
      at('2006-03-12T07:30Z'),
    )
    assert.equal(
      timed(() => alwaysSkipped.count(at('2007-01-01T00:00Z'), at('9999-01-01T00:00Z'))),
      0,
    )
    const never = occurrencesOf(cron('0 0 30 2 *'))
    assert.equal(
      timed(() => never.next(0)),
      null,
    )
    assert.equal(
      timed(() => never.previous(0)),
      null,
    )
    assert.equal(
      timed(() => never.count(at('0000-01-01T00:00Z'), at('9999-12-31T00:00Z'))),
      0,
    )
  })

  it('are counted without enumeration: 10,000 years of seconds', () => {
    const everySecond = occurrencesOf(cron('* * * * * *'))
    const [from, to] = [at('0000-01-01T00:00:00Z'), at('9999-12-31T23:59:59Z')]
    assert.equal(
      timed(() => everySecond.count(from, to)),
      (to - from) / 1_000,
    )
  })
})
