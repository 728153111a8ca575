import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { LAST_INSTANT } from '../../src/domain/instantRange.ts'
import { dueAt } from '../../src/domain/jitter.ts'
import { occurrencesOf } from '../../src/domain/occurrences.ts'
import type { Schedule } from '../../src/domain/schedule.ts'
import { at, cron, interval, once } from './scheduleFixtures.ts'

const MINUTE = 60_000
const NOW = at('2026-11-22T10:00:00Z')

/** Delays of one job over many instants of a schedule. */
function delays(schedule: Schedule, count: number, jobId = 'job_1'): number[] {
  const occurrences = occurrencesOf(schedule)
  const found: number[] = []
  for (let instant = occurrences.next(NOW); instant !== null && found.length < count; instant = occurrences.next(instant)) {
    found.push(dueAt(jobId, schedule, instant) - instant)
  }
  return found
}

describe('jitter', () => {
  it('of null or nothing leaves the nominal instant', () => {
    for (const jitter of [null, 0]) {
      assert.equal(dueAt('job_1', interval(MINUTE, { jitter }), NOW), NOW)
      assert.equal(dueAt('job_1', cron('* * * * *', { jitter }), NOW), NOW)
      assert.equal(dueAt('job_1', once(NOW, jitter), NOW), NOW)
    }
  })

  it('is the same for the same job and instant, and another for another', () => {
    const schedule = interval(MINUTE, { jitter: 30_000 })
    assert.equal(dueAt('job_1', schedule, NOW), dueAt('job_1', { ...schedule }, NOW))
    const jobs = new Set(Array.from({ length: 200 }, (_, index) => dueAt(`job_${index}`, schedule, NOW)))
    assert.ok(jobs.size > 190, `${jobs.size} different delays of 200 jobs`)
    const instants = new Set(delays(schedule, 200))
    assert.ok(instants.size > 190, `${instants.size} different delays of 200 instants`)
  })

  it('does not change between versions of this program', () => {
    const schedule = interval(60 * MINUTE, { jitter: 30 * MINUTE })
    assert.deepEqual(
      ['job_1', 'job_2', ''].map((job) => dueAt(job, schedule, NOW) - NOW),
      [1_704_661, 659_052, 920_928],
    )
  })

  it('spreads evenly over [0, jitter], both ends included', () => {
    const counts = new Array<number>(11).fill(0)
    for (let job = 0; job < 300; job++) for (const delay of delays(interval(MINUTE, { jitter: 10 }), 100, `job_${job}`)) counts[delay]!++
    const expected = (300 * 100) / 11
    const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
    assert.ok(chiSquare < 29.6, `chi square ${chiSquare} of ${counts}`) // 10 degrees of freedom, one in a thousand
  })

  it('of neighbouring instants and of neighbouring jobs is independent', () => {
    const long = interval(1_000_000, { jitter: 999_000 })
    const pairs = (a: number[], b: number[]) => {
      const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
      const covariance = mean(a.map((value, index) => (value - mean(a)) * (b[index]! - mean(b))))
      return covariance / (999_000 ** 2 / 12)
    }
    const [one, two] = [delays(long, 2_000, 'job_a'), delays(long, 2_000, 'job_b')]
    assert.ok(Math.abs(pairs(one, two)) < 0.1, `${pairs(one, two)}`)
    assert.ok(Math.abs(pairs(one.slice(1), one.slice(0, -1))) < 0.1, `${pairs(one.slice(1), one.slice(0, -1))}`)
  })

  it('is less than the distance to the next instant, so that the order is kept', () => {
    for (const schedule of [
      interval(1_000, { jitter: 60 * MINUTE }),
      cron('* * * * * *', { jitter: 60 * MINUTE }),
      cron('0,1,59 * * * *', { jitter: 60 * MINUTE }),
      cron('0 0 1 * *', { jitter: 365 * 24 * 60 * MINUTE }),
      cron('0,30 1-3 * * *', { timezone: 'America/New_York', gap: 'SHIFT', fold: 'BOTH', jitter: 24 * 60 * MINUTE }),
    ]) {
      const occurrences = occurrencesOf(schedule)
      let instant = occurrences.next(NOW) as number
      for (let step = 0; step < 1_000; step++) {
        const next = occurrences.next(instant) as number
        const due = dueAt('job_1', schedule, instant)
        assert.ok(due >= instant && due < next)
        instant = next
      }
    }
  })

  it('measures that distance whatever endAt and maxRuns say, and may pass endAt', () => {
    const open = cron('0 * * * *', { jitter: 59 * MINUTE })
    const ended = { ...open, endAt: NOW, maxRuns: 1 }
    for (let job = 0; job < 50; job++) {
      assert.equal(dueAt(`job_${job}`, ended, NOW), dueAt(`job_${job}`, open, NOW))
      assert.equal(
        dueAt(`job_${job}`, interval(MINUTE, { jitter: MINUTE, endAt: NOW }), NOW),
        dueAt(`job_${job}`, interval(MINUTE, { jitter: MINUTE }), NOW),
      )
    }
    assert.ok(dueAt('job_1', ended, NOW) > NOW)
  })

  it('of a once schedule is only bounded by itself', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 1e12 }), (jobId, jitter) => {
        const due = dueAt(jobId, once(NOW, jitter), NOW)
        assert.ok(Number.isInteger(due) && due >= NOW && due <= NOW + jitter)
      }),
      { seed: 4 },
    )
  })

  it('never leads beyond the years that can be written', () => {
    assert.ok(dueAt('job_1', once(LAST_INSTANT - 5, Number.MAX_SAFE_INTEGER), LAST_INSTANT - 5) <= LAST_INSTANT)
  })
})
