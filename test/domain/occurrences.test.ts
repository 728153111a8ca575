import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { FIRST_INSTANT, LAST_INSTANT } from '../../src/domain/instantRange.ts'
import { firstOf, type Occurrences, occurrencesOf, occurrencesOfRevision, without } from '../../src/domain/occurrences.ts'
import { at, cron, interval, once } from './scheduleFixtures.ts'

const SECOND = 1_000
const NOW = at('2026-11-22T10:00:00Z')

function firstFew(occurrences: Occurrences, after: number, most = 5): number[] {
  const instants: number[] = []
  for (let from: number | null = after; instants.length < most; ) {
    from = occurrences.next(from)
    if (from === null) break
    instants.push(from)
  }
  return instants
}

describe('an interval', () => {
  it('fires at anchor + n * every, strictly after the moment asked', () => {
    const occurrences = occurrencesOf(interval(10 * SECOND, { anchor: NOW }))
    assert.deepEqual(firstFew(occurrences, NOW, 3), [NOW + 10 * SECOND, NOW + 20 * SECOND, NOW + 30 * SECOND])
    assert.equal(occurrences.next(NOW - 1), NOW)
    assert.equal(occurrences.next(NOW + 9_999), NOW + 10 * SECOND)
  })

  it('has instants before its anchor, too', () => {
    const occurrences = occurrencesOf(interval(10 * SECOND, { anchor: NOW }))
    assert.equal(occurrences.next(NOW - 25 * SECOND), NOW - 20 * SECOND)
    assert.equal(occurrences.previous(NOW - 1), NOW - 10 * SECOND)
  })

  it('finds the last instant at or before a moment', () => {
    const occurrences = occurrencesOf(interval(10 * SECOND, { anchor: NOW }))
    assert.equal(occurrences.previous(NOW), NOW)
    assert.equal(occurrences.previous(NOW + 9_999), NOW)
  })

  it('does not drift over ten thousand years', () => {
    const occurrences = occurrencesOf(interval(7_777, { anchor: 123 }))
    const last = occurrences.previous(LAST_INSTANT) as number
    assert.equal((last - 123) % 7_777, 0)
    assert.equal(occurrences.next(last - 7_777), last)
    assert.equal(occurrences.next(last), null)
    assert.equal(occurrences.count(FIRST_INSTANT - 1, LAST_INSTANT), (last - (occurrences.next(FIRST_INSTANT - 1) as number)) / 7_777 + 1)
  })

  it('counts a week of every second', () => {
    assert.equal(occurrencesOf(interval(SECOND)).count(NOW, NOW + 7 * 86_400 * SECOND), 604_800)
  })

  it('equals a naive enumeration, forwards, backwards and by count', () => {
    const small = fc.integer({ min: -50_000, max: 50_000 })
    fc.assert(
      fc.property(fc.integer({ min: 1_000, max: 20_000 }), small, small, small, (every, anchor, a, b) => {
        const [after, upTo] = a < b ? [a, b] : [b, a]
        const expected: number[] = []
        for (let instant = anchor - 200 * every; instant <= upTo; instant += every) if (instant > after) expected.push(instant)
        const occurrences = occurrencesOf(interval(every, { anchor }))
        assert.deepEqual(
          firstFew(occurrences, after, 200).filter((instant) => instant <= upTo),
          expected,
        )
        assert.equal(occurrences.count(after, upTo), expected.length)
        assert.equal(occurrences.previous(upTo), expected.at(-1) ?? occurrences.previous(after))
      }),
      { seed: 1 },
    )
  })
})

describe('a once schedule', () => {
  it('fires at its instant alone', () => {
    const occurrences = occurrencesOf(once(NOW))
    assert.equal(occurrences.next(NOW - 1), NOW)
    assert.equal(occurrences.next(NOW), null)
    assert.equal(occurrences.previous(NOW), NOW)
    assert.equal(occurrences.previous(NOW - 1), null)
    assert.equal(occurrences.count(NOW - 1, NOW), 1)
    assert.equal(occurrences.count(NOW, NOW + 1), 0)
    assert.equal(occurrences.count(NOW - 2, NOW - 1), 0)
  })
})

describe('startAt and endAt', () => {
  const bounds = { startAt: NOW, endAt: NOW + 20 * SECOND }
  for (const [kind, schedule] of [
    ['an interval', interval(10 * SECOND, { anchor: NOW, ...bounds })],
    ['a cron', cron('*/10 * * * * *', bounds)],
  ] as const) {
    it(`are inclusive, of ${kind}`, () => {
      const occurrences = occurrencesOf(schedule)
      const instants = [NOW, NOW + 10 * SECOND, NOW + 20 * SECOND]
      assert.deepEqual(firstFew(occurrences, 0), instants)
      assert.equal(occurrences.previous(LAST_INSTANT), NOW + 20 * SECOND)
      assert.equal(occurrences.previous(NOW), NOW)
      assert.equal(occurrences.previous(NOW - 1), null)
      assert.equal(occurrences.count(0, LAST_INSTANT), 3)
      assert.equal(occurrences.count(NOW, NOW + 20 * SECOND), 2)
      assert.equal(occurrences.count(NOW + 20 * SECOND, LAST_INSTANT), 0)
      assert.equal(occurrences.count(LAST_INSTANT, 0), 0)
    })
  }

  it('may stand alone', () => {
    assert.equal(occurrencesOf(interval(10 * SECOND, { startAt: NOW + 1 })).next(0), NOW + 10 * SECOND)
    assert.equal(occurrencesOf(interval(10 * SECOND, { endAt: NOW + 1 })).previous(LAST_INSTANT), NOW)
  })
})

describe('a revision', () => {
  const every10 = interval(10 * SECOND, { anchor: NOW })

  it('governs the instants strictly after from, up to and including until', () => {
    const occurrences = occurrencesOfRevision({ number: 2, schedule: every10, from: NOW, until: NOW + 20 * SECOND })
    assert.deepEqual(firstFew(occurrences, 0), [NOW + 10 * SECOND, NOW + 20 * SECOND])
    assert.equal(occurrences.previous(LAST_INSTANT), NOW + 20 * SECOND)
    assert.equal(occurrences.previous(NOW + 9_999), null)
    assert.equal(occurrences.count(0, LAST_INSTANT), 2)
  })

  it('that is open has no end', () => {
    const occurrences = occurrencesOfRevision({ number: 1, schedule: every10, from: NOW, until: null })
    assert.equal(occurrences.next(NOW + 1e9), NOW + 1e9 + 10 * SECOND)
    assert.equal(occurrences.previous(NOW), null)
  })

  it('of a cron obeys its own borders and those of its schedule', () => {
    const schedule = cron('0 * * * * *', { startAt: NOW + 120 * SECOND, endAt: NOW + 600 * SECOND })
    const occurrences = occurrencesOfRevision({ number: 1, schedule, from: NOW, until: NOW + 240 * SECOND })
    assert.deepEqual(
      firstFew(occurrences, 0),
      [120, 180, 240].map((seconds) => NOW + seconds * SECOND),
    )
    assert.equal(occurrences.count(0, LAST_INSTANT), 3)
  })

  it('hands over to the next without a gap or a repetition', () => {
    const change = NOW + 35 * SECOND
    const before = occurrencesOfRevision({ number: 1, schedule: every10, from: NOW, until: change })
    const after = occurrencesOfRevision({ number: 2, schedule: every10, from: change, until: null })
    const end = NOW + 100 * SECOND
    assert.equal(before.count(NOW, end) + after.count(NOW, end), occurrencesOf(every10).count(NOW, end))
  })
})

describe('gaps', () => {
  const every10 = occurrencesOf(interval(10 * SECOND, { anchor: NOW }))

  it('take out what lies in (after, upTo]', () => {
    const occurrences = without(every10, [{ after: NOW + 10 * SECOND, upTo: NOW + 30 * SECOND }])
    assert.deepEqual(
      firstFew(occurrences, NOW - 1, 4),
      [0, 10, 40, 50].map((seconds) => NOW + seconds * SECOND),
    )
    assert.equal(occurrences.previous(NOW + 39 * SECOND), NOW + 10 * SECOND)
    assert.equal(occurrences.count(NOW - 1, NOW + 40 * SECOND), 3)
  })

  it('without an end end the sequence', () => {
    const occurrences = without(every10, [{ after: NOW, upTo: Number.POSITIVE_INFINITY }])
    assert.deepEqual(firstFew(occurrences, NOW - 1), [NOW])
    assert.equal(occurrences.previous(LAST_INSTANT), NOW)
    assert.equal(occurrences.count(NOW, LAST_INSTANT), 0)
  })

  it('in any order, overlapping or empty, equal a naive enumeration', () => {
    const moment = fc.integer({ min: 0, max: 200_000 })
    const gaps = fc.array(fc.record({ after: moment, length: fc.integer({ min: -10, max: 60_000 }) }), { maxLength: 5 })
    fc.assert(
      fc.property(gaps, moment, moment, (given, a, b) => {
        const cut = given.map(({ after, length }) => ({ after: NOW + after, upTo: NOW + after + length }))
        const occurrences = without(every10, cut)
        const [after, upTo] = a < b ? [NOW + a, NOW + b] : [NOW + b, NOW + a]
        const expected = firstFew(every10, after, 30).filter(
          (instant) => instant <= upTo && !cut.some((gap) => instant > gap.after && instant <= gap.upTo),
        )
        assert.deepEqual(
          firstFew(occurrences, after, 30).filter((instant) => instant <= upTo),
          expected,
        )
        assert.equal(occurrences.count(after, upTo), expected.length)
        assert.equal(occurrences.previous(upTo), expected.at(-1) ?? occurrences.previous(after))
      }),
      { seed: 3 },
    )
  })
})

describe('the first few instants', () => {
  it('are those that walking finds, and no others, whatever is asked first', () => {
    const schedules = [interval(7_777), cron('*/7 3-5 * * *', { timezone: 'Europe/Berlin' }), cron('0 0 29 2 *'), once(NOW + 1)]
    const centuries = NOW + 200 * 365 * 86_400 * SECOND
    for (const schedule of schedules) {
      const all = occurrencesOf(schedule)
      for (const most of [0, 1, 2, 25]) {
        const expected = firstFew(all, NOW, most)
        const ofKind = `${schedule.kind}, ${most}`
        assert.deepEqual(firstFew(firstOf(all, NOW, most), 0, 30), expected, ofKind)
        assert.equal(firstOf(all, NOW, most).previous(centuries), expected.at(-1) ?? null, ofKind)
        assert.equal(firstOf(all, NOW, most).count(0, centuries), expected.length, ofKind)
        const last = expected.at(-1) ?? NOW
        assert.equal(firstOf(all, NOW, most).next(last), null, ofKind)
        assert.equal(firstOf(all, NOW, most).count(last, centuries), 0, ofKind)
        assert.equal(firstOf(all, NOW, most).previous(NOW), null, ofKind)
      }
    }
  })

  it('are all of them where there are fewer', () => {
    const all = occurrencesOf(interval(10 * SECOND, { anchor: NOW, endAt: NOW + 50 * SECOND }))
    assert.equal(firstOf(all, NOW, 6).count(NOW, LAST_INSTANT), 5)
    assert.equal(firstOf(all, NOW, 6).previous(LAST_INSTANT), NOW + 50 * SECOND)
  })
})

it('a stored expression or zone that is none is named in the error', () => {
  assert.throws(() => occurrencesOf(cron('nonsense')), /cron expression "nonsense"/)
  assert.throws(() => occurrencesOf(cron('* * * * *', { timezone: 'Mars/Phobos' })), /Mars\/Phobos/)
})
