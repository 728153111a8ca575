import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { describeSchedule } from '../../src/domain/describeSchedule.ts'
import { randomExpression } from './cronExpressions.ts'
import { at, cron, interval, once } from './scheduleFixtures.ts'

describe('a schedule in plain English', () => {
  for (const [expression, words] of [
    ['* * * * *', 'Every minute'],
    ['* * * * * *', 'Every second'],
    ['*/10 * * * * *', 'Every 10 seconds'],
    ['*/5 * * * *', 'Every 5 minutes'],
    ['*/1 * * * *', 'Every minute'],
    ['*/90 * * * *', 'Every hour'],
    ['5/15 * * * *', 'Every 15 minutes, starting at 5 minutes past the hour'],
    ['@hourly', 'Every hour'],
    ['@daily', 'At 00:00 every day'],
    ['@weekly', 'At 00:00 every Sunday'],
    ['@monthly', 'At 00:00 on day 1 of the month'],
    ['@yearly', 'At 00:00 on day 1 of the month in January'],
    ['30 2 * * *', 'At 02:30 every day'],
    ['15 30 2 * * *', 'At 02:30:15 every day'],
    ['30 2 * * 1', 'At 02:30 every Monday'],
    ['0,30 8,12 * * *', 'At 08:00, 08:30, 12:00 and 12:30 every day'],
    ['* 3,9 * * *', 'Every minute, in hours 3 and 9'],
    ['30 0-3,21,20,5-7 * * *', 'At 30 minutes past the hour, in hours 0 to 3, 5 to 7, 20 and 21'],
    ['9,1-5,3 * * * *', 'At 1 through 5 and 9 minutes past the hour'],
    ['0 */4 * * *', 'At 00:00, 04:00, 08:00, 12:00, 16:00 and 20:00 every day'],
    ['0 */2 * * *', 'On the hour, every 2 hours'],
    ['0 9-17 * * MON-FRI', 'Every hour, between 09:00 and 17:00, every Monday to Friday'],
    ['0 9 * * 1-5', 'At 09:00 every Monday to Friday'],
    ['0 9 * * 0,6', 'At 09:00 every Saturday and Sunday'],
    ['0 9 * * 5-7', 'At 09:00 every Friday to Sunday'],
    ['0 9 * * 0,7', 'At 09:00 every Sunday'],
    ['0 9 * * 1/2', 'At 09:00 every Monday, Wednesday, Friday and Sunday'],
    ['0 9 * * 0-6', 'At 09:00 every day of the week'],
    ['0 9 ? * MON', 'At 09:00 every Monday'],
    ['0 9 1,15 * *', 'At 09:00 on days 1 and 15 of the month'],
    ['0 9 1-7,L * *', 'At 09:00 on days 1 to 7 and the last day of the month'],
    ['0 9 L-2 * *', 'At 09:00 on the 3rd to last day of the month'],
    ['0 9 15W,LW * *', 'At 09:00 on the weekday nearest to day 15 and the last weekday of the month'],
    ['0 9 */10 * *', 'At 09:00 on every 10th day of the month from day 1'],
    ['0 9 */1 * *', 'At 09:00 on every day of the month'],
    ['0 9 * * MON#1', 'At 09:00 on the 1st Monday of the month'],
    ['0 9 * * 5L,TUE', 'At 09:00 every Tuesday and on the last Friday of the month'],
    ['0 9 1 * MON', 'At 09:00 on day 1 of the month and also every Monday'],
    ['0 9 * 6-8,12 *', 'At 09:00 in June to August and December'],
    ['0 * * 1 MON', 'Every hour, every Monday in January'],
  ] as const) {
    it(`${expression}: ${words}`, () => assert.equal(describeSchedule(cron(expression)), `${words}, UTC`))
  }

  it('says how both day fields are joined', () => {
    assert.equal(describeSchedule(cron('0 9 13 * FRI', { dayMatch: 'ALL' })), 'At 09:00 on day 13 of the month if it is Friday, UTC')
    assert.equal(
      describeSchedule(cron('0 9 8-14 * MON,FRIL', { dayMatch: 'ALL' })),
      'At 09:00 on days 8 to 14 of the month if it is Monday or the last Friday of the month, UTC',
    )
  })

  it('names the zone as given', () => {
    assert.equal(describeSchedule(cron('30 2 * * 1', { timezone: 'Asia/Kathmandu' })), 'At 02:30 every Monday, Asia/Kathmandu')
  })

  it('of an interval says its length in words', () => {
    for (const [every, words] of [
      [1_000, 'Every second'],
      [10_000, 'Every 10 seconds'],
      [60_000, 'Every minute'],
      [5_400_000, 'Every 1 hour 30 minutes'],
      [86_400_000, 'Every day'],
      [604_800_000, 'Every 7 days'],
      [1_500, 'Every 1 second 500 milliseconds'],
    ] as const) {
      assert.equal(describeSchedule(interval(every)), words)
    }
  })

  it('of once says when', () => {
    assert.equal(describeSchedule(once(at('2026-12-01T09:00:00Z'))), 'Once at 2026-12-01T09:00:00Z')
    assert.equal(
      describeSchedule(once(at('2026-12-01T09:00:00.250Z'), 30_000)),
      'Once at 2026-12-01T09:00:00.250Z, delayed by up to 30 seconds',
    )
  })

  it('says its bounds', () => {
    const bounds = { startAt: at('2026-12-01T00:00:00Z'), endAt: at('2027-01-01T00:00:00Z'), maxRuns: 3, jitter: 90_000 }
    assert.equal(
      describeSchedule(interval(60_000, bounds)),
      'Every minute, from 2026-12-01T00:00:00Z, until 2027-01-01T00:00:00Z, at most 3 runs, delayed by up to 1 minute 30 seconds',
    )
    assert.equal(describeSchedule(interval(60_000, { maxRuns: 1, jitter: 0 })), 'Every minute, at most 1 run')
  })

  it('exists for every accepted expression', () => {
    fc.assert(
      fc.property(
        fc.boolean().chain((seconds) => randomExpression({ seconds })),
        ({ text }) => {
          const words = describeSchedule(cron(text))
          assert.match(words, /^[A-Z0-9].*, UTC$/)
          assert.doesNotMatch(words, /undefined|null|NaN| {2}/, text)
        },
      ),
      { numRuns: 2_000, seed: 6 },
    )
  })
})
