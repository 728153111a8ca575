import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { DAY, HOUR, MINUTE, SECOND } from '../../src/domain/instant.ts'
import { occurrencesOf } from '../../src/domain/occurrences.ts'
import { type KeptRun, mayGoAt, type RetentionRules, spansOfRuns } from '../../src/domain/retention.ts'

const RULES: RetentionRules = { succeededFor: 30 * DAY, failedFor: 90 * DAY, mostOfJob: 10, alwaysOfJob: 5 }
const run: KeptRun = { status: 'SUCCEEDED', queuedAt: 0, finishedAt: HOUR, holdsKey: false }

describe('when a run may go', () => {
  const cases: readonly (readonly [string, Partial<KeptRun>, boolean, number | null])[] = [
    ['succeeded', {}, false, HOUR + 30 * DAY],
    ['cancelled', { status: 'CANCELLED' }, false, HOUR + 30 * DAY],
    ['failed', { status: 'FAILED' }, false, HOUR + 90 * DAY],
    ['timed out', { status: 'TIMED_OUT' }, false, HOUR + 90 * DAY],
    ['beyond the newest of its job', { status: 'FAILED' }, true, HOUR],
    ['beyond the newest, with a key', { holdsKey: true }, true, DAY],
    ['with a key', { holdsKey: true }, false, HOUR + 30 * DAY],
    ['not ended', { status: 'RUNNING', finishedAt: null }, true, null],
  ]
  for (const [name, changed, beyondMost, expected] of cases) {
    it(name, () => assert.equal(mayGoAt({ ...run, ...changed }, beyondMost, RULES), expected))
  }
})

describe('the spans that removed runs leave', () => {
  const everyTen = { kind: 'interval', every: 10 * SECOND, anchor: 0, startAt: null, endAt: null, maxRuns: null, jitter: null } as const
  const occurrences = occurrencesOf(everyTen)
  const of = (instants: readonly number[]) => spansOfRuns(instants, () => ({ number: 1, occurrences }))

  it('hold neighbours, whatever was removed', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 60 })), (ticks) => {
        const instants = ticks.sort((a, b) => a - b).map((tick) => tick * 10 * SECOND)
        const spans = of(instants)
        const held = spans.flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i * 10 * SECOND))
        assert.deepEqual(held, instants)
        for (const { first, last, count } of spans) assert.equal(occurrences.count(first - 1, last), count)
        for (const [i, { first }] of spans.entries()) if (i > 0) assert.notEqual(occurrences.next(spans[i - 1]!.last), first)
      }),
    )
  })

  it('are no longer than a day', () => {
    const minutes = Array.from({ length: 3_000 }, (_, i) => i * MINUTE)
    const byMinute = occurrencesOf({ ...everyTen, every: MINUTE })
    const spans = spansOfRuns(minutes, () => ({ number: 1, occurrences: byMinute }))
    assert.deepEqual(
      spans.map(({ count }) => count),
      [1_441, 1_441, 118],
    )
  })

  it('do not reach over a change of the schedule', () => {
    const spans = spansOfRuns([10 * SECOND, 20 * SECOND, 30 * SECOND], (instant) => ({
      number: instant > 20 * SECOND ? 2 : 1,
      occurrences,
    }))
    assert.deepEqual(
      spans.map(({ revision, count }) => [revision, count]),
      [
        [1, 2],
        [2, 1],
      ],
    )
  })

  it('leave out what no revision tells of', () => {
    assert.deepEqual(
      spansOfRuns([10 * SECOND], () => null),
      [],
    )
  })
})
