import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { occurrencesOfRevision } from '../../src/domain/occurrences.ts'
import { plannedBy } from '../../src/domain/planned.ts'
import type { Revision } from '../../src/domain/schedule.ts'
import { everyMinute, NOON } from './fixtures.ts'

const SECOND = 1_000
const END = NOON + 400 * SECOND

/** Revisions that follow each other, some empty, some with a time between them that none governs; the last is open or ended. */
const revisions = fc
  .array(fc.record({ every: fc.integer({ min: 1, max: 40 }), length: fc.integer({ min: 0, max: 90 }), rest: fc.constantFrom(0, 0, 7) }), {
    minLength: 1,
    maxLength: 6,
  })
  .map((parts): Revision[] => {
    let from = NOON
    return parts.map(({ every, length, rest }, index) => {
      const until = from + length * SECOND
      const schedule = everyMinute({ every: every * SECOND, anchor: NOON })
      const revision = { number: index + 1, schedule, from, until: index === parts.length - 1 && rest === 0 ? null : until }
      from = until + rest * SECOND
      return revision
    })
  })

function instantsOf(all: readonly Revision[]): number[] {
  return all.flatMap((revision) => {
    const occurrences = occurrencesOfRevision(revision)
    const instants: number[] = []
    for (let at = occurrences.next(NOON - 1); at !== null && at <= END; at = occurrences.next(at)) instants.push(at)
    return instants
  })
}

it('revisions are one sequence: count, next and previous agree with their instants one by one', () => {
  const moment = fc.integer({ min: NOON - SECOND, max: END })
  fc.assert(
    fc.property(revisions, moment, moment, (all, after, upTo) => {
      const planned = plannedBy(all)
      const instants = instantsOf(all)
      assert.equal(planned.count(after, upTo), instants.filter((at) => at > after && at <= upTo).length)
      const next = planned.next(after)
      assert.equal(next === null || next > END ? null : next, instants.find((at) => at > after) ?? null)
      assert.equal(planned.previous(upTo), instants.findLast((at) => at <= upTo) ?? null)
    }),
  )
})

it('without revisions nothing is planned', () => {
  const planned = plannedBy([])
  assert.deepEqual([planned.count(0, NOON), planned.next(0), planned.previous(NOON)], [0, null, null])
})
