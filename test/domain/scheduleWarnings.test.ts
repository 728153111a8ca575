import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { occurrencesOf } from '../../src/domain/occurrences.ts'
import type { CronSchedule, Schedule } from '../../src/domain/schedule.ts'
import { SCHEDULE_WARNING_CODES, type ScheduleWarning, type ScheduleWarningCode } from '../../src/domain/scheduleWarning.ts'
import { warningsOf } from '../../src/domain/scheduleWarnings.ts'
import { at, cron, interval, once } from './scheduleFixtures.ts'

const NOW = at('2026-11-22T10:00:00Z')

function codesOf(schedule: Schedule): ScheduleWarningCode[] {
  return warningsOf(schedule, NOW).map(({ code }) => code)
}

function warning(code: ScheduleWarningCode, schedule: Schedule, from = NOW): ScheduleWarning {
  const found = warningsOf(schedule, from).find((one) => one.code === code)
  assert.ok(found !== undefined, `${JSON.stringify(schedule)} has no ${code}`)
  return found
}

describe('a clock change', () => {
  const gap = (policy: CronSchedule['gap']) => cron('30 2 * * *', { timezone: 'America/New_York', gap: policy })
  const fold = (policy: CronSchedule['fold']) => cron('30 1 * * *', { timezone: 'America/New_York', fold: policy })

  for (const [schedule, code, instant, message] of [
    [
      gap('FIRE_AFTER'),
      'DST_GAP',
      '2027-03-14T07:00Z',
      /2027-03-14 02:30 does not exist in America\/New_York.*forward by 1 hour.*fires at 03:00 instead/,
    ],
    [gap('SHIFT'), 'DST_GAP', '2027-03-14T07:30Z', /fires at 03:30 instead \(gap SHIFT\)/],
    [gap('SKIP'), 'DST_GAP', '2027-03-14T07:00Z', /does not fire \(gap SKIP\)/],
    [
      fold('FIRST'),
      'DST_FOLD',
      '2027-11-07T05:30Z',
      /2027-11-07 01:30 happens twice in America\/New_York.*back by 1 hour.*first time only/,
    ],
    [fold('SECOND'), 'DST_FOLD', '2027-11-07T06:30Z', /second time only \(fold SECOND\)/],
    [fold('BOTH'), 'DST_FOLD', '2027-11-07T05:30Z', /both times \(fold BOTH\)/],
  ] as const) {
    it(`names the next affected instant: ${schedule.expression}, gap ${schedule.gap}, fold ${schedule.fold}`, () => {
      const found = warning(code, schedule)
      assert.equal(found.at, at(instant))
      assert.match(found.message, message)
      if (code === 'DST_FOLD' || schedule.gap !== 'SKIP') assert.equal(occurrencesOf(schedule).previous(found.at as number), found.at)
      assert.deepEqual(codesOf(schedule), [code])
    })
  }

  it('is the next one, not the one just passed', () => {
    const before = at('2026-10-31T00:00Z')
    assert.equal(warning('DST_FOLD', fold('FIRST'), before).at, at('2026-11-01T05:30Z'))
  })

  it('that is under way is named for what is still to come of it', () => {
    const schedule = cron('0,20,40 1 * * *', { timezone: 'America/New_York' })
    assert.equal(warning('DST_FOLD', schedule, at('2026-11-01T05:10Z')).at, at('2026-11-01T05:20Z'))
    assert.equal(warning('DST_FOLD', schedule, at('2026-11-01T05:50Z')).at, at('2027-11-07T05:00Z'))
  })

  it('of 30 minutes and at midnight concerns the times that it touches', () => {
    assert.equal(warning('DST_GAP', cron('15 2 * * *', { timezone: 'Australia/Lord_Howe' })).at, at('2027-10-02T15:30Z'))
    assert.deepEqual(codesOf(cron('45 2 * * *', { timezone: 'Australia/Lord_Howe' })), [])
    assert.equal(warning('DST_GAP', cron('0 0 * * *', { timezone: 'America/Santiago' })).at, at('2027-09-05T04:00Z'))
  })

  it('can concern a schedule both ways', () => {
    assert.deepEqual(codesOf(cron('30 1,2 * * *', { timezone: 'America/New_York' })), ['DST_GAP', 'DST_FOLD'])
  })

  it('of more than a year ahead, or outside of startAt and endAt, is not named', () => {
    assert.deepEqual(codesOf(cron('30 2 * 3 *', { timezone: 'America/New_York', endAt: at('2027-03-14T00:00Z') })), [])
    assert.deepEqual(codesOf(cron('30 2 * * *', { timezone: 'America/New_York', endAt: at('2027-03-01T00:00Z') })), [])
    const later = cron('30 2 * * *', { timezone: 'America/New_York', startAt: at('2029-01-01T00:00Z') })
    assert.equal(warning('DST_GAP', later).at, at('2029-03-11T07:00Z'))
  })

  it('that no matching day meets is not named', () => {
    assert.deepEqual(codesOf(cron('30 2 * * MON', { timezone: 'America/New_York' })), [])
    assert.deepEqual(codesOf(cron('30 2 1 * *', { timezone: 'America/New_York' })), [])
  })

  it('does not concern zones without one, nor expressions of every hour', () => {
    assert.deepEqual(codesOf(cron('30 2 * * *')), [])
    assert.deepEqual(codesOf(cron('30 2 * * *', { timezone: 'Asia/Kathmandu' })), [])
    for (const expression of ['* * * * *', '30 * * * *', '0 */1 * * *', '@hourly']) {
      assert.deepEqual(codesOf(cron(expression, { timezone: 'America/New_York' })), [], expression)
    }
  })

  it('costs a periodic expression of some hours the time that it skips', () => {
    const found = warning('DST_GAP', cron('0 */2 * * *', { timezone: 'America/New_York' }))
    assert.match(found.message, /2027-03-14 02:00 does not exist.*it does not fire\.$/)
    assert.equal(found.at, at('2027-03-14T07:00Z'))
  })
})

describe('the fields', () => {
  for (const [expression, codes] of [
    ['0 0 1 * MON', ['BOTH_DAY_FIELDS']],
    ['0 0 1 * ?', []],
    ['0 0 * * MON', []],
    ['0 0 31 * *', ['SKIPS_SHORT_MONTHS']],
    ['0 0 30 * *', ['SKIPS_SHORT_MONTHS']],
    ['0 0 29 * *', ['SKIPS_SHORT_MONTHS']],
    ['0 0 28 * *', []],
    ['0 0 1,31 * *', ['SKIPS_SHORT_MONTHS']],
    ['0 0 31W * *', ['SKIPS_SHORT_MONTHS']],
    ['0 0 L-30 * *', ['SKIPS_SHORT_MONTHS']],
    ['0 0 29-31 * *', ['SKIPS_SHORT_MONTHS']],
    ['0 0 25-31 * *', []],
    ['0 0 31 1,3,5 *', []],
    ['0 0 31 4,5 *', ['SKIPS_SHORT_MONTHS']],
    ['0 0 L * *', []],
    ['0 0 LW * *', []],
    ['0 0 L-27 * *', []],
    ['0 0 29 2 *', ['LEAP_DAY_ONLY']],
    ['0 0 29W 2 *', ['SKIPS_SHORT_MONTHS']],
    ['0 0 29 1,2 *', ['SKIPS_SHORT_MONTHS']],
    ['*/7 * * * *', ['UNEVEN_STEP']],
    ['*/5 * * * *', []],
    ['5/15 * * * *', []],
    ['20/15 * * * *', ['UNEVEN_STEP']],
    ['*/60 * * * *', []],
    ['*/90 * * * *', ['UNEVEN_STEP']],
    ['0 */5 * * *', ['UNEVEN_STEP']],
    ['0 */6 * * *', []],
    ['0 8-18/3 * * *', []],
    ['0 0 */2 * *', ['UNEVEN_STEP']],
    ['0 0 1 */5 *', ['UNEVEN_STEP']],
    ['0 0 1 */4 *', []],
    ['0 0 1 JAN/3 *', []],
    ['0 0 1 FEB/7 *', ['UNEVEN_STEP']],
    ['0 0 * * */2', ['UNEVEN_STEP']],
    ['* * * * * *', ['FREQUENT']],
    ['*/5 * * * * *', ['FREQUENT']],
    ['0,58 * * * * *', ['FREQUENT']],
    ['*/10 * * * * *', []],
    ['* * * * *', []],
    ['* */5 * * * *', ['FREQUENT']],
    ['*/7 */7 */5 */2 * MON', ['BOTH_DAY_FIELDS', 'UNEVEN_STEP', 'FREQUENT']],
  ] as const) {
    it(`of ${expression} give ${codes.join(' and ') || 'no warning'}`, () => assert.deepEqual(codesOf(cron(expression)), codes))
  }

  it('say in their messages what to know', () => {
    assert.match(warning('BOTH_DAY_FIELDS', cron('0 0 1 * MON')).message, /match either \(dayMatch ANY\)/)
    assert.match(warning('BOTH_DAY_FIELDS', cron('0 0 1 * MON', { dayMatch: 'ALL' })).message, /match both \(dayMatch ALL\)/)
    assert.match(
      warning('SKIPS_SHORT_MONTHS', cron('0 0 31 * *')).message,
      /February, April, June, September and November do not always have/,
    )
    assert.match(warning('SKIPS_SHORT_MONTHS', cron('0 0 29 * *')).message, /that February does not always have/)
    assert.match(warning('UNEVEN_STEP', cron('*/7 * * * *')).message, /^minute \*\/7 counts from 0 anew in every hour/)
    assert.match(warning('FREQUENT', cron('0,58 * * * * *')).message, /2 seconds apart/)
    assert.ok(warningsOf(cron('*/7 */7 */5 */2 * MON'), NOW).every((one) => one.at === null))
  })
})

it('an interval is frequent below ten seconds, and a once schedule has no warnings', () => {
  assert.deepEqual(codesOf(interval(1_000)), ['FREQUENT'])
  assert.deepEqual(codesOf(interval(9_999)), ['FREQUENT'])
  assert.deepEqual(codesOf(interval(10_000)), [])
  assert.deepEqual(codesOf(once(NOW + 1)), [])
})

it('no code comes twice, and all are known', () => {
  const codes = codesOf(cron('*/7 */7 2/5,1/7 */2,31 2/5 MON/2', { timezone: 'America/New_York' }))
  assert.equal(new Set(codes).size, codes.length)
  assert.ok(codes.every((code) => SCHEDULE_WARNING_CODES.includes(code)))
})
