import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { type CutsOutcome, followThroughCuts } from '../support/chaos/cuts.ts'
import { temporaryDirectory } from '../support/temporary.ts'

/** Every run of the suite draws anew; `npm run bench -- cuts --seed` brings the draws of a failure back. */
const SEED = Math.floor(Math.random() * 2 ** 31)
const CUTS = 60
const RUNS = 2_000

describe(`clients whose connections are cut while ${RUNS} runs happen, one of them ${CUTS} times (seed ${SEED})`, () => {
  let outcome: CutsOutcome
  before(async () => {
    outcome = await followThroughCuts({
      seed: SEED,
      cuts: CUTS,
      runs: RUNS,
      jobs: 250,
      kills: 1,
      directory: temporaryDirectory(),
      tell: () => {},
    })
  })

  test('were told every end that their filter wants, with rising cursors, and nothing else', () => {
    assert.deepEqual(outcome.problems, [])
  })

  test('had much to be told, and little peace', () => {
    assert.ok(outcome.runs >= RUNS && outcome.kills === 1)
    for (const { filter, cuts, expected } of outcome.clients)
      assert.ok(cuts > 5 && expected > 20, JSON.stringify({ filter, cuts, expected }))
    assert.ok(outcome.clients[0]!.cuts >= CUTS)
  })
})
