import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { occurrencesOf } from '../../src/domain/occurrences.ts'
import type { CronSchedule } from '../../src/domain/schedule.ts'
import { at, cron } from './scheduleFixtures.ts'

/** What fires in (after, upTo], in UTC. Asked forwards, backwards and by count, which must agree. */
function fired(schedule: CronSchedule, after: string, upTo: string): string[] {
  const occurrences = occurrencesOf(schedule)
  const [from, to] = [at(after), at(upTo)]
  const forwards: number[] = []
  for (let instant = occurrences.next(from); instant !== null && instant <= to; instant = occurrences.next(instant)) forwards.push(instant)
  const backwards: number[] = []
  for (let instant = occurrences.previous(to); instant !== null && instant > from; instant = occurrences.previous(instant - 1)) {
    backwards.unshift(instant)
  }
  assert.deepEqual(backwards, forwards)
  assert.equal(occurrences.count(from, to), forwards.length)
  return forwards.map((instant) => new Date(instant).toISOString().replace(/:00\.000Z$/, 'Z'))
}

interface Case {
  readonly zone: string
  readonly expression: string
  readonly policies?: Partial<Pick<CronSchedule, 'gap' | 'fold'>>
  readonly window: readonly [string, string]
  readonly expected: readonly string[]
}

function holds(what: string, { zone, expression, policies = {}, window, expected }: Case): void {
  it(what, () => assert.deepEqual(fired(cron(expression, { timezone: zone, ...policies }), ...window), expected))
}

describe('a gap, where clocks go forward', () => {
  const newYork = { zone: 'America/New_York', window: ['2026-03-07T12:00Z', '2026-03-09T12:00Z'] } as const
  holds('FIRE_AFTER fires at its end', { ...newYork, expression: '30 2 * * *', expected: ['2026-03-08T07:00Z', '2026-03-09T06:30Z'] })
  holds('FIRE_AFTER makes several skipped times one occurrence', {
    ...newYork,
    expression: '*/10 2 * * SUN',
    expected: ['2026-03-08T07:00Z'],
  })
  holds('FIRE_AFTER adds nothing where a regular time comes at that instant', {
    ...newYork,
    expression: '0 2,3 * * SUN',
    expected: ['2026-03-08T07:00Z'],
  })
  holds('FIRE_AFTER does not move the times before and after it', {
    ...newYork,
    expression: '59 1,2,3 * * SUN',
    expected: ['2026-03-08T06:59Z', '2026-03-08T07:00Z', '2026-03-08T07:59Z'],
  })
  holds('SHIFT fires later by its length', {
    ...newYork,
    expression: '30 2 * * *',
    policies: { gap: 'SHIFT' },
    expected: ['2026-03-08T07:30Z', '2026-03-09T06:30Z'],
  })
  holds('SHIFT keeps the order and the distances of several skipped times', {
    ...newYork,
    expression: '0,20,40 2 * * SUN',
    policies: { gap: 'SHIFT' },
    expected: ['2026-03-08T07:00Z', '2026-03-08T07:20Z', '2026-03-08T07:40Z'],
  })
  holds('SHIFT onto a regular time is one occurrence', {
    ...newYork,
    expression: '0,30 2,3 * * SUN',
    policies: { gap: 'SHIFT' },
    expected: ['2026-03-08T07:00Z', '2026-03-08T07:30Z'],
  })
  holds('SHIFT mixes with regular times in order', {
    ...newYork,
    expression: '10,40 2-3/1 * * SUN',
    policies: { gap: 'SHIFT' },
    expected: ['2026-03-08T07:10Z', '2026-03-08T07:40Z'],
  })
  holds('SKIP does not fire', { ...newYork, expression: '30 2 * * *', policies: { gap: 'SKIP' }, expected: ['2026-03-09T06:30Z'] })
  holds('a periodic expression goes on by real time', {
    ...newYork,
    expression: '30 * * * *',
    window: ['2026-03-08T05:00Z', '2026-03-08T08:00Z'],
    expected: ['2026-03-08T05:30Z', '2026-03-08T06:30Z', '2026-03-08T07:30Z'],
  })
  holds('a periodic expression has no time in it, whatever the policy', {
    ...newYork,
    expression: '0 */2 * * *',
    window: ['2026-03-08T04:30Z', '2026-03-08T10:30Z'],
    expected: ['2026-03-08T05:00Z', '2026-03-08T08:00Z', '2026-03-08T10:00Z'],
  })
  holds('in Berlin', {
    zone: 'Europe/Berlin',
    expression: '30 2 * * *',
    window: ['2026-03-28T12:00Z', '2026-03-30T12:00Z'],
    expected: ['2026-03-29T01:00Z', '2026-03-30T00:30Z'],
  })
  holds('of 30 minutes, on Lord Howe', {
    zone: 'Australia/Lord_Howe',
    expression: '15 2 * * *',
    window: ['2026-10-02T16:00Z', '2026-10-04T16:00Z'],
    expected: ['2026-10-03T15:30Z', '2026-10-04T15:15Z'],
  })
  holds('of 30 minutes, shifted', {
    zone: 'Australia/Lord_Howe',
    expression: '15 2 * * *',
    policies: { gap: 'SHIFT' },
    window: ['2026-10-02T16:00Z', '2026-10-04T16:00Z'],
    expected: ['2026-10-03T15:45Z', '2026-10-04T15:15Z'],
  })
  holds('of 30 minutes: a time behind it is regular', {
    zone: 'Australia/Lord_Howe',
    expression: '45 2 * * *',
    window: ['2026-10-02T17:00Z', '2026-10-04T16:00Z'],
    expected: ['2026-10-03T15:45Z', '2026-10-04T15:45Z'],
  })
  holds('at midnight, in Santiago', {
    zone: 'America/Santiago',
    expression: '0 0 * * *',
    window: ['2026-09-05T12:00Z', '2026-09-07T12:00Z'],
    expected: ['2026-09-06T04:00Z', '2026-09-07T03:00Z'],
  })
  holds('at midnight, of a day field: it belongs to the day that begins late', {
    zone: 'America/Santiago',
    expression: '30 0 6 9 *',
    window: ['2026-09-01T00:00Z', '2026-09-30T00:00Z'],
    expected: ['2026-09-06T04:00Z'],
  })
  holds('at midnight, in Cairo', {
    zone: 'Africa/Cairo',
    expression: '0 0 * * *',
    window: ['2026-04-23T12:00Z', '2026-04-25T12:00Z'],
    expected: ['2026-04-23T22:00Z', '2026-04-24T21:00Z'],
  })
  holds('at midnight, in Sao Paulo', {
    zone: 'America/Sao_Paulo',
    expression: '15 0 * * *',
    policies: { gap: 'SHIFT' },
    window: ['2018-11-03T12:00Z', '2018-11-05T12:00Z'],
    expected: ['2018-11-04T03:15Z', '2018-11-05T02:15Z'],
  })
})

describe('a fold, where clocks go back', () => {
  const newYork = { zone: 'America/New_York', expression: '30 1 * * *', window: ['2026-10-31T12:00Z', '2026-11-02T12:00Z'] } as const
  holds('FIRST fires the first time', { ...newYork, expected: ['2026-11-01T05:30Z', '2026-11-02T06:30Z'] })
  holds('SECOND fires the second time', {
    ...newYork,
    policies: { fold: 'SECOND' },
    expected: ['2026-11-01T06:30Z', '2026-11-02T06:30Z'],
  })
  holds('BOTH fires twice', {
    ...newYork,
    policies: { fold: 'BOTH' },
    expected: ['2026-11-01T05:30Z', '2026-11-01T06:30Z', '2026-11-02T06:30Z'],
  })
  holds('FIRST fires all times of the hour, then none, then goes on', {
    ...newYork,
    expression: '0,30 1-2 * * SUN',
    expected: ['2026-11-01T05:00Z', '2026-11-01T05:30Z', '2026-11-01T07:00Z', '2026-11-01T07:30Z'],
  })
  holds('a periodic expression fires both times, whatever the policy', {
    ...newYork,
    expression: '30 * * * *',
    window: ['2026-11-01T05:00Z', '2026-11-01T08:00Z'],
    expected: ['2026-11-01T05:30Z', '2026-11-01T06:30Z', '2026-11-01T07:30Z'],
  })
  holds('a fixed expression of every hour is silent for one', {
    ...newYork,
    expression: '30 0-23 * * *',
    window: ['2026-11-01T04:00Z', '2026-11-01T08:00Z'],
    expected: ['2026-11-01T04:30Z', '2026-11-01T05:30Z', '2026-11-01T07:30Z'],
  })
  holds('of 30 minutes, on Lord Howe', {
    zone: 'Australia/Lord_Howe',
    expression: '15,45 1 * * *',
    policies: { fold: 'BOTH' },
    window: ['2026-04-04T13:00Z', '2026-04-05T13:00Z'],
    expected: ['2026-04-04T14:15Z', '2026-04-04T14:45Z', '2026-04-04T15:15Z'],
  })
  holds('at midnight, in Santiago: 23:30 happens twice', {
    zone: 'America/Santiago',
    expression: '30 23 * * *',
    policies: { fold: 'BOTH' },
    window: ['2026-04-04T12:00Z', '2026-04-05T12:00Z'],
    expected: ['2026-04-05T02:30Z', '2026-04-05T03:30Z'],
  })
  holds('at midnight, in Cairo: 23:00 happens twice', {
    zone: 'Africa/Cairo',
    expression: '0 23 * * *',
    policies: { fold: 'SECOND' },
    window: ['2026-10-29T12:00Z', '2026-10-30T12:00Z'],
    expected: ['2026-10-29T21:00Z'],
  })
  holds('where the second midnight is no second midnight', {
    zone: 'Africa/Cairo',
    expression: '0 0 * * *',
    policies: { fold: 'BOTH' },
    window: ['2026-10-29T12:00Z', '2026-10-30T23:00Z'],
    expected: ['2026-10-29T22:00Z', '2026-10-30T22:00Z'],
  })
})

describe('a change that is more than an hour', () => {
  const apia = { zone: 'Pacific/Apia', window: ['2011-12-29T00:00Z', '2011-12-31T12:00Z'] } as const
  holds('Apia had no 30 December 2011: FIRE_AFTER fires as 31 December begins', {
    ...apia,
    expression: '0 12 * * *',
    expected: ['2011-12-29T22:00Z', '2011-12-30T10:00Z', '2011-12-30T22:00Z'],
  })
  holds('SHIFT fires it on the 31st', {
    ...apia,
    expression: '0 12 30 12 *',
    policies: { gap: 'SHIFT' },
    expected: ['2011-12-30T22:00Z'],
  })
  holds('SHIFT of every day makes it one with the 31st', {
    ...apia,
    expression: '0 12 * * *',
    policies: { gap: 'SHIFT' },
    expected: ['2011-12-29T22:00Z', '2011-12-30T22:00Z'],
  })
  holds('SKIP leaves it out', { ...apia, expression: '0 12 30 12 *', policies: { gap: 'SKIP' }, expected: [] })
  holds('a periodic expression goes on hour by hour', {
    ...apia,
    expression: '0 * * * *',
    window: ['2011-12-30T08:30Z', '2011-12-30T11:30Z'],
    expected: ['2011-12-30T09:00Z', '2011-12-30T10:00Z', '2011-12-30T11:00Z'],
  })
  holds('Kwajalein skipped 21 August 1993, which fires as the 22nd begins', {
    zone: 'Pacific/Kwajalein',
    expression: '0 6 * * *',
    window: ['1993-08-19T00:00Z', '1993-08-22T00:00Z'],
    expected: ['1993-08-19T18:00Z', '1993-08-20T18:00Z', '1993-08-21T12:00Z', '1993-08-21T18:00Z'],
  })
})

describe('offsets that are no whole hours, and changes that are no summer time', () => {
  holds('Kathmandu is five hours and three quarters ahead', {
    zone: 'Asia/Kathmandu',
    expression: '30 2 * * MON',
    window: ['2026-11-01T00:00Z', '2026-11-10T00:00Z'],
    expected: ['2026-11-01T20:45Z', '2026-11-08T20:45Z'],
  })
  holds('Kathmandu skipped 15 minutes as 1986 began', {
    zone: 'Asia/Kathmandu',
    expression: '5 0 1 1 *',
    window: ['1985-06-01T00:00Z', '1987-06-01T00:00Z'],
    expected: ['1985-12-31T18:30Z', '1986-12-31T18:20Z'],
  })
  holds('Pyongyang went back by 30 minutes in 2015', {
    zone: 'Asia/Pyongyang',
    expression: '45 23 * * *',
    policies: { fold: 'BOTH' },
    window: ['2015-08-14T00:00Z', '2015-08-16T00:00Z'],
    expected: ['2015-08-14T14:45Z', '2015-08-14T15:15Z', '2015-08-15T15:15Z'],
  })
  holds('Moscow moved for good in 2014', {
    zone: 'Europe/Moscow',
    expression: '0 12 * * *',
    window: ['2014-10-25T00:00Z', '2014-10-27T00:00Z'],
    expected: ['2014-10-25T08:00Z', '2014-10-26T09:00Z'],
  })
  holds('Monrovia dropped 44 minutes and 30 seconds in 1972', {
    zone: 'Africa/Monrovia',
    expression: '20 0 * * *',
    window: ['1972-01-06T00:00Z', '1972-01-08T06:00Z'],
    expected: ['1972-01-06T01:04:30.000Z', '1972-01-07T00:44:30.000Z', '1972-01-08T00:20Z'],
  })
})

describe('far dates', () => {
  holds('follow the rules that are known today', {
    zone: 'America/New_York',
    expression: '30 2 * * SUN#2',
    window: ['9998-12-01T00:00Z', '9999-04-01T00:00Z'],
    expected: ['9998-12-13T07:30Z', '9999-01-10T07:30Z', '9999-02-14T07:30Z', '9999-03-14T07:00Z'],
  })
  it('end with the year 9999', () => {
    const occurrences = occurrencesOf(cron('0 0 1 * *'))
    assert.equal(occurrences.next(at('9999-11-30T00:00Z')), at('9999-12-01T00:00Z'))
    assert.equal(occurrences.next(at('9999-12-01T00:00Z')), null)
    assert.equal(occurrences.previous(Number.POSITIVE_INFINITY), at('9999-12-01T00:00Z'))
  })
  it('begin with the year 0', () => {
    const occurrences = occurrencesOf(cron('0 0 1 * *'))
    assert.equal(occurrences.next(Number.NEGATIVE_INFINITY), at('0000-01-01T00:00Z'))
    assert.equal(occurrences.previous(at('0000-01-01T00:00Z') - 1), null)
  })
})
