import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { ErrorCode, UserError } from '../../src/domain/errors.ts'
import { occurrencesOf } from '../../src/domain/occurrences.ts'
import { parseSchedule, schedulesEqual } from '../../src/domain/parseSchedule.ts'
import type { IntervalSchedule, Schedule } from '../../src/domain/schedule.ts'
import type { CronInput, ScheduleInput } from '../../src/domain/scheduleInput.ts'
import { randomExpression } from './cronExpressions.ts'
import { at, cron, interval, once } from './scheduleFixtures.ts'

const NOW = at('2026-11-22T10:00:00Z')
const HOUR = 3_600_000

function accepted(input: ScheduleInput, previous: Schedule | null = null): Schedule {
  const parsed = parseSchedule(input, { now: NOW, previous })
  assert.ok(parsed.ok, parsed.ok ? '' : JSON.stringify(parsed.errors))
  return parsed.value
}

function errorsOf(input: ScheduleInput, previous: Schedule | null = null): readonly UserError[] {
  const parsed = parseSchedule(input, { now: NOW, previous })
  assert.ok(!parsed.ok, `${JSON.stringify(input)} was accepted`)
  return parsed.errors
}

function cronInput(expression: string, overrides: Partial<CronInput> = {}): ScheduleInput {
  return { cron: { expression, timezone: 'UTC', dayMatch: 'ANY', gap: 'FIRE_AFTER', fold: 'FIRST', ...overrides } }
}

describe('an interval', () => {
  it('without an anchor counts from the moment of creation, and fires first one interval later', () => {
    const schedule = accepted({ interval: { every: 10_000 } })
    assert.deepEqual(schedule, interval(10_000, { anchor: NOW }))
    assert.equal(occurrencesOf(schedule).next(NOW), NOW + 10_000)
  })

  it('counts from startAt where that is given, and fires first at startAt', () => {
    const schedule = accepted({ interval: { every: HOUR, startAt: NOW + 90_000 } })
    assert.deepEqual(schedule, interval(HOUR, { anchor: NOW + 90_000, startAt: NOW + 90_000 }))
    assert.equal(occurrencesOf(schedule).next(NOW), NOW + 90_000)
  })

  it('counts from its anchor where one is given, whatever startAt is', () => {
    const schedule = accepted({ interval: { every: HOUR, anchor: at('2026-01-01T00:15:00Z'), startAt: NOW } })
    assert.equal(occurrencesOf(schedule).next(NOW), at('2026-11-22T10:15:00Z'))
  })

  it('keeps its anchor in an edit that leaves every unchanged', () => {
    const previous = interval(HOUR, { anchor: 12_345 })
    assert.equal((accepted({ interval: { every: HOUR, jitter: 5 } }, previous) as IntervalSchedule).anchor, 12_345)
    assert.equal((accepted({ interval: { every: HOUR, startAt: NOW } }, previous) as IntervalSchedule).anchor, 12_345)
    assert.equal((accepted({ interval: { every: HOUR, anchor: 99 } }, previous) as IntervalSchedule).anchor, 99)
  })

  it('counts anew in an edit of every, and after another kind of schedule', () => {
    assert.equal((accepted({ interval: { every: 2 * HOUR } }, interval(HOUR, { anchor: 12_345 })) as IntervalSchedule).anchor, NOW)
    assert.equal((accepted({ interval: { every: HOUR } }, once(NOW + 1)) as IntervalSchedule).anchor, NOW)
  })

  it('takes all bounds', () => {
    const bounds = { startAt: NOW, endAt: NOW + HOUR, maxRuns: 3, jitter: 500 }
    assert.deepEqual(accepted({ interval: { every: 1_000, anchor: 5, ...bounds } }), interval(1_000, { anchor: 5, ...bounds }))
  })
})

describe('a cron', () => {
  it('keeps expression and time zone as given', () => {
    const schedule = accepted(cronInput(' 30 2  * * Mon ', { timezone: 'asia/kathmandu' }))
    assert.deepEqual(schedule, cron(' 30 2  * * Mon ', { timezone: 'asia/kathmandu' }))
  })

  it('takes null for nothing', () => {
    const none = { startAt: null, endAt: null, maxRuns: null, jitter: null }
    assert.deepEqual(accepted(cronInput('@daily', none)), cron('@daily'))
  })

  it('of any accepted form that has a date is accepted, and fires', () => {
    fc.assert(
      fc.property(randomExpression(), ({ text }) => {
        const parsed = parseSchedule(cronInput(text), { now: NOW, previous: null })
        if (parsed.ok) assert.notEqual(occurrencesOf(parsed.value).next(NOW), null)
        else
          assert.deepEqual(
            parsed.errors.map(({ code }) => code),
            ['NEVER_FIRES'],
            text,
          )
      }),
      { numRuns: 500, seed: 5 },
    )
  })
})

describe('a schedule is refused', () => {
  const cases: readonly (readonly [string, ScheduleInput, ErrorCode, readonly string[], RegExp])[] = [
    ['without a kind', {}, 'INVALID', ['schedule'], /give exactly one of interval, cron and once; none of them came/],
    ['of two kinds', { interval: { every: 1_000 }, once: { at: NOW + 1 } }, 'INVALID', ['schedule'], /interval and once came/],
    [
      'every 10 ms',
      { interval: { every: 10 } },
      'INVALID',
      ['schedule', 'interval', 'every'],
      /every is PT0.01S; accepted is PT1S or longer/,
    ],
    ['every 999 ms', { interval: { every: 999 } }, 'INVALID', ['schedule', 'interval', 'every'], /PT0.999S/],
    ['every 0', { interval: { every: 0 } }, 'INVALID', ['schedule', 'interval', 'every'], /PT0S/],
    ['every -1 s', { interval: { every: -1_000 } }, 'INVALID', ['schedule', 'interval', 'every'], /-1000 ms/],
    ['every NaN', { interval: { every: Number.NaN } }, 'INVALID', ['schedule', 'interval', 'every'], /NaN/],
    ['every 1.5 s and a bit', { interval: { every: 1_500.5 } }, 'INVALID', ['schedule', 'interval', 'every'], /whole milliseconds/],
    [
      'with an interval beyond the calendar',
      { interval: { every: Number.MAX_SAFE_INTEGER } },
      'NEVER_FIRES',
      ['schedule', 'interval', 'every'],
      /first instant is after the year 9999/,
    ],
    [
      'with an anchor that cannot be written',
      { interval: { every: 1_000, anchor: 8.64e15 } },
      'INVALID',
      ['schedule', 'interval', 'anchor'],
      /anchor is \+275760-09-13.*years 0000 to 9999/,
    ],
    [
      'with a startAt that is no instant',
      { interval: { every: 1_000, startAt: Number.NaN } },
      'INVALID',
      ['schedule', 'interval', 'startAt'],
      /startAt is NaN/,
    ],
    [
      'with startAt after endAt',
      cronInput('* * * * *', { startAt: NOW + 2, endAt: NOW + 1 }),
      'NEVER_FIRES',
      ['schedule', 'cron', 'endAt'],
      /endAt 2026-11-22T10:00:00.001Z is before startAt 2026-11-22T10:00:00.002Z/,
    ],
    [
      'with endAt before the first instant',
      cronInput('0 12 * * *', { endAt: at('2026-11-22T11:59:59.999Z') }),
      'NEVER_FIRES',
      ['schedule', 'cron', 'endAt'],
      /endAt 2026-11-22T11:59:59.999Z is before the first instant, 2026-11-22T12:00:00.000Z/,
    ],
    [
      'with endAt in the past',
      { interval: { every: 1_000, endAt: NOW - 1 } },
      'NEVER_FIRES',
      ['schedule', 'interval', 'endAt'],
      /before the first instant, 2026-11-22T10:00:01.000Z/,
    ],
    [
      'of no runs',
      cronInput('@daily', { maxRuns: 0 }),
      'INVALID',
      ['schedule', 'cron', 'maxRuns'],
      /maxRuns is 0; accepted are whole numbers from 1/,
    ],
    ['of -1 runs', { interval: { every: 1_000, maxRuns: -1 } }, 'INVALID', ['schedule', 'interval', 'maxRuns'], /-1/],
    ['of half a run', cronInput('@daily', { maxRuns: 0.5 }), 'INVALID', ['schedule', 'cron', 'maxRuns'], /0.5/],
    [
      'with a negative jitter',
      cronInput('@daily', { jitter: -1 }),
      'INVALID',
      ['schedule', 'cron', 'jitter'],
      /jitter is -1 ms; accepted is PT0S or longer/,
    ],
    ['with a negative jitter, once', { once: { at: NOW + 1, jitter: -1 } }, 'INVALID', ['schedule', 'once', 'jitter'], /-1 ms/],
    ['with a broken expression', cronInput('* * *'), 'INVALID', ['schedule', 'cron', 'expression'], /3 fields; accepted are 5/],
    ['with a value out of range', cronInput('0 25 * * *'), 'INVALID', ['schedule', 'cron', 'expression'], /hour: 25 is out of range/],
    [
      'on 30 February',
      cronInput('0 0 30 2 *'),
      'NEVER_FIRES',
      ['schedule', 'cron', 'expression'],
      /"0 0 30 2 \*" never fires: no date of any year matches day-of-month 30, month 2/,
    ],
    ['on 30 February, with seconds', cronInput('0 0 0 30 2 *'), 'NEVER_FIRES', ['schedule', 'cron', 'expression'], /never fires/],
    [
      'on days that cannot be both',
      cronInput('0 0 15 * MON#1', { dayMatch: 'ALL' }),
      'NEVER_FIRES',
      ['schedule', 'cron', 'expression'],
      /day-of-month 15, month \*, day-of-week MON#1/,
    ],
    [
      'at a time that is always skipped',
      cronInput('30 2 * 3 SUN#2', { gap: 'SKIP', timezone: 'America/New_York' }),
      'NEVER_FIRES',
      ['schedule', 'cron', 'expression'],
      /gap SKIP/,
    ],
    [
      'that starts when the calendar ends',
      cronInput('0 0 1 1 *', { startAt: at('9999-06-01T00:00Z') }),
      'NEVER_FIRES',
      ['schedule', 'cron', 'expression'],
      /no instant left before the year 10000/,
    ],
    ['in an offset', cronInput('@daily', { timezone: '+02:00' }), 'INVALID', ['schedule', 'cron', 'timezone'], /"\+02:00" is an offset/],
    [
      'in an abbreviation',
      cronInput('@daily', { timezone: 'EST' }),
      'INVALID',
      ['schedule', 'cron', 'timezone'],
      /"EST" is not an IANA name/,
    ],
    [
      'in an unknown zone',
      cronInput('@daily', { timezone: 'Mars/Phobos' }),
      'INVALID',
      ['schedule', 'cron', 'timezone'],
      /not a known time zone/,
    ],
    [
      'once in the past',
      { once: { at: NOW - 1 } },
      'IN_THE_PAST',
      ['schedule', 'once', 'at'],
      /at is 2026-11-22T09:59:59.999Z, which is not after now/,
    ],
    ['once at this very moment', { once: { at: NOW } }, 'IN_THE_PAST', ['schedule', 'once', 'at'], /not after now/],
    ['once in the year 10000', { once: { at: 253_402_300_800_000 } }, 'INVALID', ['schedule', 'once', 'at'], /years 0000 to 9999/],
    ['once at no instant', { once: { at: Number.NaN } }, 'INVALID', ['schedule', 'once', 'at'], /at is NaN/],
  ]
  for (const [what, input, code, path, message] of cases) {
    it(what, () => {
      const errors = errorsOf(input)
      assert.deepEqual(
        errors.map((error) => [error.code, error.path]),
        [[code, path]],
      )
      assert.match(errors[0]!.message, message)
    })
  }

  it('with all its faults at once', () => {
    const errors = errorsOf(cronInput('61 * * * *', { timezone: 'EST', maxRuns: 0, jitter: -5, startAt: 2, endAt: 1 }))
    assert.deepEqual(
      errors.map(({ path }) => path.at(-1)),
      ['expression', 'timezone', 'endAt', 'maxRuns', 'jitter'],
    )
  })

  it('under the path that the caller names', () => {
    const parsed = parseSchedule({ interval: { every: 1 } }, { now: NOW, previous: null, path: ['input', 'schedule'] })
    assert.ok(!parsed.ok)
    assert.deepEqual(parsed.errors[0]!.path, ['input', 'schedule', 'interval', 'every'])
  })
})

describe('an edit that changes nothing', () => {
  const inputs: readonly ScheduleInput[] = [
    { interval: { every: HOUR } },
    { interval: { every: HOUR, startAt: NOW + HOUR, endAt: NOW + 5 * HOUR, maxRuns: 2, jitter: 0 } },
    cronInput('30 2 * * *', { timezone: 'Europe/Berlin', endAt: NOW + 48 * HOUR }),
    { once: { at: NOW + 1, jitter: 100 } },
  ]
  for (const input of inputs) {
    it(`is seen as such, later and after it was stored: ${JSON.stringify(input)}`, () => {
      const first = accepted(input)
      const stored = JSON.parse(JSON.stringify(first)) as Schedule
      for (const now of [NOW + 30, NOW + 365 * 24 * HOUR]) {
        const again = parseSchedule(input, { now, previous: stored })
        assert.ok(again.ok, `refused at ${new Date(now).toISOString()}`)
        assert.equal(schedulesEqual(again.value, stored), true)
        assert.equal(JSON.stringify(again.value), JSON.stringify(stored))
      }
    })
  }

  it('is not seen in a change', () => {
    const base = cron('30 2 * * *')
    for (const changed of [
      { ...base, expression: '31 2 * * *' },
      { ...base, timezone: 'Europe/Berlin' },
      { ...base, jitter: 0 },
      { ...base, fold: 'BOTH' as const },
      once(NOW),
    ]) {
      assert.equal(schedulesEqual(base, changed), false)
      assert.equal(schedulesEqual(changed, base), false)
    }
    assert.equal(schedulesEqual(once(NOW), once(NOW)), true)
  })

  it('does not let a passed instant be edited', () => {
    const passed = once(NOW - HOUR)
    assert.deepEqual(
      errorsOf({ once: { at: NOW - HOUR, jitter: 5 } }, passed).map(({ code }) => code),
      ['IN_THE_PAST'],
    )
    assert.ok(parseSchedule({ once: { at: NOW - HOUR } }, { now: NOW, previous: passed }).ok)
  })
})
