import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { aheadOf, nextRunAtOf, sleptThrough } from '../../src/domain/ahead.ts'
import type { Job, Pause, Position } from '../../src/domain/job.ts'
import { occurrencesOf } from '../../src/domain/occurrences.ts'
import { standing } from '../../src/domain/plan.ts'
import { everyMinute, jobOf, NOON, planOf, positionOf } from './fixtures.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const minutes = (...numbers: number[]) => numbers.map((number) => NOON + number * MINUTE)
const pause = (since: number, until: number | null): Pause => ({
  since: NOON + since * MINUTE,
  until: until === null ? null : NOON + until * MINUTE,
  note: 'disks',
  by: 'ada',
})

interface Given {
  readonly job?: Job
  readonly position?: Position
  readonly maintenance?: readonly Pause[]
}

function standingOf({ job = jobOf(), position = positionOf(), maintenance = [] }: Given) {
  const stands = standing({ job, occurrences: occurrencesOf(job.schedule), plannedUntil: position.plannedUntil, ended: position.completed })
  return { job, position: { ...position, ...stands }, maintenance }
}

/** The instants ahead, up to an hour on. */
function aheadWithin(given: Given, horizon = NOON + HOUR): number[] {
  const ahead = aheadOf(standingOf(given))
  const instants: number[] = []
  for (let next = ahead.next(0); next !== null && next <= horizon; next = ahead.next(next)) instants.push(next)
  assert.equal(ahead.count(0, horizon), instants.length)
  assert.equal(ahead.previous(horizon), instants.at(-1) ?? null)
  return instants
}

describe('what lies ahead', () => {
  it('begins after the planner, whatever the clock says', () => {
    assert.deepEqual(aheadWithin({ position: positionOf({ plannedUntil: NOON + 57 * MINUTE }) }), minutes(58, 59, 60))
  })

  it('leaves out a pause of the job, and one of the whole scheduling; their ends fire', () => {
    const job = jobOf({ pause: pause(0, 55) })
    assert.deepEqual(aheadWithin({ job }), minutes(55, 56, 57, 58, 59, 60))
    assert.deepEqual(aheadWithin({ maintenance: [pause(-5, 57)] }), minutes(57, 58, 59, 60))
    assert.deepEqual(aheadWithin({ job, maintenance: [pause(50, 58)] }), minutes(58, 59, 60))
    assert.deepEqual(aheadWithin({ job, maintenance: [pause(57, 60)] }), minutes(55, 56, 57, 60))
  })

  it('is nothing while paused without an end', () => {
    assert.deepEqual(aheadWithin({ job: jobOf({ pause: pause(0, null) }) }), [])
    assert.deepEqual(aheadWithin({ maintenance: [pause(0, null)] }), [])
    assert.deepEqual(aheadWithin({ job: jobOf({ pause: pause(0, 10) }), maintenance: [pause(5, null)] }), [])
  })

  it('is nothing of a completed job', () => {
    const position = positionOf({ completed: true })
    assert.deepEqual(aheadWithin({ position }), [])
    assert.equal(nextRunAtOf(standingOf({ position })), null)
  })

  it('ends with maxRuns, of which paused instants take none', () => {
    const job = jobOf({ schedule: everyMinute({ maxRuns: 5 }) })
    const position = positionOf({ scheduledRuns: 2 })
    assert.deepEqual(aheadWithin({ job, position }), minutes(1, 2, 3))
    assert.deepEqual(aheadWithin({ job, position, maintenance: [pause(1, 30)] }), minutes(1, 30, 31))
    assert.deepEqual(aheadWithin({ job, position: positionOf({ scheduledRuns: 5 }) }), [])
  })

  it('ends with the schedule', () => {
    assert.deepEqual(aheadWithin({ job: jobOf({ schedule: everyMinute({ endAt: NOON + 2 * MINUTE }) }) }), minutes(1, 2))
    const once = jobOf({ schedule: { kind: 'once', at: NOON + MINUTE, jitter: null } })
    assert.deepEqual(aheadWithin({ job: once }), minutes(1))
    assert.deepEqual(aheadWithin({ job: once, maintenance: [pause(0, 2)] }), [])
  })

  it('counts a million runs ahead without walking there', () => {
    const job = jobOf({ schedule: everyMinute({ every: 1_000, maxRuns: 1_000_000 }) })
    const began = performance.now()
    const ahead = aheadOf(standingOf({ job, maintenance: [pause(0, 60)] }))
    assert.equal(ahead.count(NOON, NOON + 1_000 * HOUR), 1_000_000)
    assert.equal(ahead.previous(Number.MAX_SAFE_INTEGER), NOON + HOUR + 999_999 * 1_000)
    assert.ok(performance.now() - began < 200)
  })
})

describe('the next run', () => {
  it('is what the planner says, but for a pause of the whole scheduling', () => {
    const job = jobOf({ schedule: everyMinute({ jitter: 30_000 }) })
    const [alone, paused, over] = [[], [pause(0, 10)], [pause(-10, 0)]].map((maintenance) => nextRunAtOf(standingOf({ job, maintenance }))!)
    assert.ok(alone! >= NOON + MINUTE && alone! <= NOON + MINUTE + 30_000)
    assert.ok(paused! >= NOON + 10 * MINUTE && paused! <= NOON + 10 * MINUTE + 30_000)
    assert.equal(over, alone)
    assert.equal(nextRunAtOf(standingOf({ job, maintenance: [pause(0, null)] })), null)
  })
})

describe('what lies ahead and what the planner then decides', () => {
  it('are the same, whatever the pauses, the limits and the times of looking', () => {
    const window = fc.record({ since: fc.integer({ min: 0, max: 40 * MINUTE }), length: fc.integer({ min: 1, max: 30 * MINUTE }) })
    fc.assert(
      fc.property(
        fc.option(fc.integer({ min: 1, max: 30 * MINUTE })),
        fc.array(window, { maxLength: 3 }),
        fc.option(fc.integer({ min: 1, max: 40 })),
        fc.option(fc.integer({ min: 0, max: 59_000 })),
        fc.integer({ min: 1_000, max: 60_000 }),
        (ownLength, windows, maxRuns, jitter, step) => {
          const own = ownLength === null ? null : { since: NOON, until: NOON + ownLength, note: 'own', by: null }
          const maintenance = windows.map(({ since, length }) => ({
            since: NOON + since,
            until: NOON + since + length,
            note: 'all',
            by: 'ada',
          }))
          const job = jobOf({ schedule: everyMinute({ jitter, maxRuns }), pause: own, policies: { overlap: 'ALLOW_ALL', misfire: 'ALL' } })
          const horizon = NOON + 90 * MINUTE
          const expected = aheadWithin({ job, maintenance }, horizon)
          assert.equal(aheadOf(standingOf({ job, maintenance })).next(0), expected[0] ?? null)

          const fired: number[] = []
          let [position, stands] = [positionOf(), job]
          for (let now = NOON; now <= horizon + 2 * MINUTE; now += step) {
            const plan = planOf({ job: stands, position, maintenance, now })
            fired.push(...plan.entries.flatMap((entry) => (entry.kind === 'run' ? [entry.run.scheduledFor] : [])))
            position = { ...position, ...plan.position }
            if (plan.position.pauseEnds) stands = { ...job, pause: null }
          }
          assert.deepEqual(
            fired.filter((instant) => instant <= horizon),
            expected,
          )
        },
      ),
      { numRuns: 200, seed: 11 },
    )
  })
})

describe('what a paused job slept through', () => {
  it('is what a command that ends the pause writes down as SKIPPED_PAUSED', () => {
    const minute = fc.integer({ min: -5, max: 30 })
    fc.assert(
      fc.property(minute, fc.option(minute), fc.nat(20), fc.nat(40 * 60), (since, until, planned, second) => {
        const now = NOON + second * 1_000
        const job = jobOf({ pause: pause(since, until) })
        const position = positionOf({ plannedUntil: NOON + planned * MINUTE })
        const written = planOf({ job, position, now, closing: true }).entries.flatMap((entry) =>
          entry.kind === 'span' && entry.span.verdict === 'SKIPPED_PAUSED' ? [entry.span] : [],
        )
        const slept = sleptThrough({ job, position }, now)
        const count = slept.count(0, now + HOUR)
        assert.deepEqual(
          written.map(({ first, last, count }) => ({ first, last, count })),
          count === 0 ? [] : [{ first: slept.next(0), last: slept.previous(now + HOUR), count }],
        )
      }),
    )
  })

  it('is nothing of a job that is not paused, or completed', () => {
    const later = NOON + HOUR
    assert.equal(sleptThrough({ job: jobOf(), position: positionOf() }, later).count(0, later), 0)
    const completed = { job: jobOf({ pause: pause(0, null) }), position: positionOf({ completed: true }) }
    assert.equal(sleptThrough(completed, later).count(0, later), 0)
  })
})
