import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { dateOfDay, firstDayOfMonth, kindOfYear, weekdayOf, YEAR_KINDS, YEARS_TO_SEE_EVERY_KIND } from '../../src/domain/cron/calendar.ts'
import { wallTimesOf } from '../../src/domain/cron/walls.ts'
import { occurrencesOf } from '../../src/domain/occurrences.ts'
import type { DayMatch } from '../../src/domain/schedule.ts'
import { randomExpression } from './cronExpressions.ts'
import { cron } from './scheduleFixtures.ts'

const DAY = 86_400_000

describe('the calendar', () => {
  it('agrees with Date on every day of 2,000 years', () => {
    for (let day = Math.floor(Date.UTC(1000, 0) / DAY); day < Date.UTC(3000, 0) / DAY; day += 1) {
      const date = new Date(day * DAY)
      const { year, month, day: dayOfMonth } = dateOfDay(day)
      if (year !== date.getUTCFullYear() || month !== date.getUTCMonth() + 1 || dayOfMonth !== date.getUTCDate()) assert.fail(String(date))
      if (weekdayOf(day) !== date.getUTCDay()) assert.fail(String(date))
      if (dayOfMonth === 1 && firstDayOfMonth(year, month) !== day) assert.fail(String(date))
    }
  })

  it('has all 14 kinds of years in any 40 in a row, and not in any 39', () => {
    const kindsFrom = (year: number, years: number) => new Set(Array.from({ length: years }, (_, index) => kindOfYear(year + index))).size
    const starts = Array.from({ length: 400 }, (_, index) => 2000 + index)
    assert.ok(starts.every((year) => kindsFrom(year, YEARS_TO_SEE_EVERY_KIND) === YEAR_KINDS))
    assert.ok(starts.some((year) => kindsFrom(year, YEARS_TO_SEE_EVERY_KIND - 1) < YEAR_KINDS))
  })
})

/** The dates on which an expression fires, from the start of a month or year. */
function dates(days: string, from: string, count: number, dayMatch: DayMatch = 'ANY'): string[] {
  const occurrences = occurrencesOf(cron(`0 0 ${days}`, { dayMatch }))
  const found: string[] = []
  let at: number | null = Date.parse(from) - 1
  while (found.length < count) {
    at = occurrences.next(at)
    assert.ok(at !== null)
    found.push(new Date(at).toISOString().slice(0, 10))
  }
  return found
}

describe('the days of a cron expression', () => {
  for (const [what, days, from, expected] of [
    ['L is the last day of each month', 'L * *', '2027-12-01', ['2027-12-31', '2028-01-31', '2028-02-29', '2028-03-31', '2028-04-30']],
    ['L-3 is three days before the last', 'L-3 * *', '2027-01-01', ['2027-01-28', '2027-02-25', '2027-03-28']],
    ['L-30 is the first day of the months of 31', 'L-30 * *', '2027-01-01', ['2027-01-01', '2027-03-01', '2027-05-01']],
    ['L-28 is 1 February in leap years', 'L-28 2 *', '2027-01-01', ['2028-02-01', '2032-02-01']],
    ['15W moves from Saturday to Friday', '15W * *', '2026-08-01', ['2026-08-14']],
    ['15W moves from Sunday to Monday', '15W * *', '2026-11-01', ['2026-11-16']],
    ['15W stays on a weekday', '15W * *', '2026-12-01', ['2026-12-15']],
    ['1W of a Saturday is the third, not the month before', '1W * *', '2026-08-01', ['2026-08-03']],
    ['1W of a Sunday is the second', '1W * *', '2026-11-01', ['2026-11-02']],
    ['31W of a Sunday is the 29th, not the month after', '31W * *', '2027-01-01', ['2027-01-29']],
    ['30W of a Sunday in a month of 30 is the 28th', '30W * *', '2028-04-01', ['2028-04-28']],
    ['31W is skipped in shorter months', '31W * *', '2026-02-01', ['2026-03-31', '2026-05-29', '2026-07-31']],
    ['29W in February fires in leap years only', '29W 2 *', '2026-01-01', ['2028-02-29', '2032-02-27']],
    ['LW is the last weekday', 'LW * *', '2026-01-01', ['2026-01-30', '2026-02-27', '2026-03-31', '2026-04-30', '2026-05-29']],
    ['lists mix special days with others', '1,LW,15 * *', '2026-05-01', ['2026-05-01', '2026-05-15', '2026-05-29', '2026-06-01']],
    ['MON#2 is the second Monday', '* * MON#2', '2026-01-01', ['2026-01-12', '2026-02-09', '2026-03-09']],
    ['5#5 skips months without a fifth Friday', '* * 5#5', '2026-01-01', ['2026-01-30', '2026-05-29', '2026-07-31']],
    ['5L is the last Friday', '* * 5L', '2026-01-01', ['2026-01-30', '2026-02-27', '2026-03-27']],
    ['7L is the last Sunday', '* * 7L', '2026-01-01', ['2026-01-25', '2026-02-22']],
    ['places in the month can be listed', '* * MON#1,FRIL', '2026-01-01', ['2026-01-05', '2026-01-30', '2026-02-02', '2026-02-27']],
    ['31 is skipped in shorter months', '31 * *', '2026-02-01', ['2026-03-31', '2026-05-31', '2026-07-31', '2026-08-31']],
    ['29 February waits for leap years, across 2100', '29 2 *', '2093-01-01', ['2096-02-29', '2104-02-29']],
    ['? leaves the other day field alone', '? * FRI', '2026-01-01', ['2026-01-02', '2026-01-09']],
    ['? leaves the other day field alone, too', '13 * ?', '2026-01-01', ['2026-01-13', '2026-02-13']],
    [
      'ANY fires on days that match either',
      '13 * FRI',
      '2026-02-01',
      ['2026-02-06', '2026-02-13', '2026-02-20', '2026-02-27', '2026-03-06'],
    ],
    [
      'ANY: a step restricts, so */2 is joined',
      '*/20 * FRI',
      '2026-02-01',
      ['2026-02-01', '2026-02-06', '2026-02-13', '2026-02-20', '2026-02-21'],
    ],
  ] as const) {
    it(what, () => assert.deepEqual(dates(days, `${from}T00:00:00Z`, expected.length), expected))
  }

  it('ALL fires on days that match both', () => {
    assert.deepEqual(dates('13 * FRI', '2026-01-01T00:00:00Z', 3, 'ALL'), ['2026-02-13', '2026-03-13', '2026-11-13'])
    assert.deepEqual(dates('8-14 * MON', '2026-01-01T00:00:00Z', 2, 'ALL'), ['2026-01-12', '2026-02-09'])
    assert.deepEqual(dates('L * 5L', '2026-01-01T00:00:00Z', 2, 'ALL'), ['2026-07-31', '2027-04-30'])
  })

  it('ALL finds 29 February on a Monday 28 and, across 2100, 40 years later', () => {
    assert.deepEqual(dates('29 2 MON', '2026-01-01T00:00:00Z', 4, 'ALL'), ['2044-02-29', '2072-02-29', '2112-02-29', '2140-02-29'])
  })

  for (const [days, dayMatch, some] of [
    ['30 2 *', 'ANY', false],
    ['31 2,4,6,9,11 *', 'ANY', false],
    ['30W 2 *', 'ANY', false],
    ['L-30 4 *', 'ANY', false],
    ['L-29 2 *', 'ANY', false],
    ['30 2 MON', 'ALL', false],
    ['15 * MON#1', 'ALL', false],
    ['1-7 * 5L', 'ALL', false],
    ['LW * SAT,SUN', 'ALL', false],
    ['30 2 MON', 'ANY', true],
    ['29 2 *', 'ANY', true],
    ['29 2 MON#5', 'ALL', true],
    ['L-28 2 *', 'ANY', true],
  ] as const) {
    it(`of ${days} (${dayMatch}) ${some ? 'exist' : 'never exist'}, which is known without a search`, () => {
      assert.equal(wallTimesOf(`0 0 ${days}`, dayMatch).days.some, some)
      assert.equal(occurrencesOf(cron(`0 0 ${days}`, { dayMatch })).next(0) !== null, some)
      assert.equal(occurrencesOf(cron(`0 0 ${days}`, { dayMatch })).previous(Date.UTC(2500, 0)) !== null, some)
    })
  }

  it('equal those of a naive reading, day by day over years of every kind', () => {
    fc.assert(
      fc.property(
        randomExpression({ anyDay: 1 }),
        fc.constantFrom<DayMatch>('ANY', 'ALL'),
        fc.integer({ min: 1890, max: 2410 }),
        ({ text, matches }, dayMatch, year) => {
          const { days, fields } = wallTimesOf(text, dayMatch)
          const time = ((fields.hours[0] as number) * 60 + (fields.minutes[0] as number)) * 60_000
          const first = Math.floor(Date.UTC(year, 0) / DAY)
          const last = Math.floor(Date.UTC(year + 2, 0) / DAY)
          const expected: number[] = []
          for (let day = first; day < last; day++) if (matches(day * DAY + time, dayMatch)) expected.push(day)
          const forwards: number[] = []
          for (let day = days.atOrAfter(first); day !== null && day < last; day = days.atOrAfter(day + 1)) forwards.push(day)
          const backwards: number[] = []
          for (let day = days.atOrBefore(last - 1); day !== null && day >= first; day = days.atOrBefore(day - 1)) backwards.unshift(day)
          assert.deepEqual(forwards, expected, text)
          assert.deepEqual(backwards, expected, text)
          assert.equal(days.count(first, last), expected.length, text)
          const middle = first + ((year * 37) % (last - first))
          assert.equal(days.count(first, middle), expected.filter((day) => day < middle).length, text)
          assert.equal(days.has(middle), expected.includes(middle), text)
        },
      ),
      { numRuns: 400, seed: 9 },
    )
  })
})
