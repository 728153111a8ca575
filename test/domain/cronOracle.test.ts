import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parseExpression } from '../../src/domain/cron/expression.ts'
import { type Occurrences, occurrencesOf } from '../../src/domain/occurrences.ts'
import { FOLD_POLICIES, GAP_POLICIES } from '../../src/domain/schedule.ts'
import { randomExpression } from './cronExpressions.ts'
import { DAY, daysOfClockChanges, fixedInstants, HOUR, periodicInstants, walk } from './cronOracle.ts'
import { cron } from './scheduleFixtures.ts'

const ZONES = [
  'America/New_York',
  'Europe/Berlin',
  'Australia/Lord_Howe', // by 30 minutes
  'America/Santiago', // at midnight
  'Africa/Cairo', // at midnight
  'Pacific/Apia', // a whole day skipped
  'Asia/Kathmandu', // +05:45, no change
  'UTC',
  'America/Sao_Paulo', // at midnight, until 2019
  'Africa/Casablanca', // for Ramadan
  'Asia/Pyongyang', // by 30 minutes, for good
  'Antarctica/Troll', // by 2 hours
]
const SINCE = Date.UTC(2010, 0, 1)
const UNTIL = Date.UTC(2028, 0, 1)
const EXPRESSIONS_FOR_EACH_CHANGE = 4

/** All instants of a window, by `next`. */
function enumerate(occurrences: Occurrences, after: number, upTo: number): number[] {
  const instants: number[] = []
  for (let at = occurrences.next(after); at !== null && at <= upTo; at = occurrences.next(at)) instants.push(at)
  return instants
}

function enumerateBackwards(occurrences: Occurrences, after: number, upTo: number): number[] {
  const instants: number[] = []
  for (let at = occurrences.previous(upTo); at !== null && at > after; at = occurrences.previous(at - 1)) instants.push(at)
  return instants.reverse()
}

describe('instants of a cron schedule equal those of a naive walk over the minutes', () => {
  for (const [index, zone] of ZONES.entries()) {
    const changes = daysOfClockChanges(zone, SINCE, UNTIL)
    // Zones without a change are walked too, on ordinary days.
    const days = changes.length > 0 ? changes : [Date.UTC(2015, 11, 31), Date.UTC(2024, 1, 28), Date.UTC(2026, 5, 30)]

    it(`in ${zone}, around ${changes.length} clock changes, under every policy`, () => {
      const expressions = fc.sample(randomExpression({ hours: [0, 1, 2, 3, 4, 22, 23], anyDay: 8 }), {
        numRuns: EXPRESSIONS_FOR_EACH_CHANGE * days.length,
        seed: 2026 + index,
      })
      let compared = 0
      for (const [number, day] of days.entries()) {
        const from = day - 3 * HOUR
        const to = day + 2 * DAY // a skipped day that is shifted fires on the next
        const walked = walk(zone, from, to)
        for (const { text, periodic, matches } of expressions
          .slice(number * EXPRESSIONS_FOR_EACH_CHANGE)
          .slice(0, EXPRESSIONS_FOR_EACH_CHANGE)) {
          assert.ok(parseExpression(text).ok, text)
          const dayMatch = number % 2 === 0 ? 'ANY' : 'ALL'
          const matching = walked.calendar.filter((wall) => matches(wall, dayMatch))
          for (const gap of GAP_POLICIES) {
            for (const fold of FOLD_POLICIES) {
              const occurrences = occurrencesOf(cron(text, { timezone: zone, dayMatch, gap, fold }))
              const expected = periodic ? periodicInstants(walked, matching) : fixedInstants(walked, matching, gap, fold)
              const about = `${text} ${dayMatch} ${gap} ${fold} around ${new Date(day).toISOString()}`
              assert.deepEqual(enumerate(occurrences, from - 1, to), expected, about)
              assert.deepEqual(enumerateBackwards(occurrences, from - 1, to), expected, `${about}, backwards`)
              assert.equal(occurrences.count(from - 1, to), expected.length, `${about}, counted`)
              compared += expected.length
            }
          }
        }
      }
      assert.ok(compared > 1_000, `${compared} instants were compared`)
    })
  }
})
