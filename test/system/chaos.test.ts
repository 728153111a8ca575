import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { type ChaosOutcome, liveThroughChaos } from '../support/chaos/chaos.ts'
import { temporaryDirectory } from '../support/temporary.ts'

/** Every run of the suite draws anew; `npm run bench -- soak --seed` brings the draws of a failure back. */
const SEED = Math.floor(Math.random() * 2 ** 31)
const LEAST_RUNS = 60

describe(`200 jobs of all kinds, commands at random, and a process that is killed three times and stopped once (seed ${SEED})`, () => {
  let outcome: ChaosOutcome
  before(async () => {
    outcome = await liveThroughChaos({
      seed: SEED,
      jobs: 200,
      span: 20_000,
      leastRuns: LEAST_RUNS,
      killEvery: 6_000,
      patience: 4_000,
      directory: temporaryDirectory(),
      tell: () => {},
    })
  })

  test('no instant is missing or doubled, what was acknowledged stands, every run has ended, and the stream has told each end', () => {
    assert.deepEqual(outcome.problems, [])
  })

  test('that was a time in which things happened', () => {
    const { kills, stops, ledger, acknowledged, requests, events } = outcome
    assert.ok(kills >= 3 && stops >= 1, `${kills} kills, ${stops} stops`)
    assert.ok(
      ledger.planned > 200 && acknowledged.runs.size >= LEAST_RUNS && requests > 50 && events > 200,
      JSON.stringify({ ...ledger, requests, events }),
    )
  })
})
