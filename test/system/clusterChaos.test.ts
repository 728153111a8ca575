import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { type ClusterChaosOutcome, liveThroughClusterChaos } from '../support/chaos/clusterChaos.ts'
import { temporaryDirectory } from '../support/temporary.ts'

/** Every run of the suite draws anew; `npm run bench -- cluster --seed` brings the draws of a failure back. */
const SEED = Math.floor(Math.random() * 2 ** 31)

describe(`7 processes on Postgres that are killed, frozen past their lease, and lose their database (seed ${SEED})`, () => {
  let outcome: ClusterChaosOutcome
  before(async () => {
    outcome = await liveThroughClusterChaos({
      seed: SEED,
      jobs: 120,
      members: { api: 2, scheduler: 2, worker: 3 },
      span: 20_000,
      least: { blows: 5, runs: 15 },
      blowEvery: 2_500,
      lease: 2_000,
      patience: 4_000,
      longestInterval: 30_000,
      callers: 4,
      rest: 250,
      directory: temporaryDirectory(),
      tell: () => {},
    })
  })

  test('no instant is missing or doubled, no run ended twice, what was acknowledged stands, and every end was told', () => {
    assert.deepEqual(outcome.problems, [])
  })

  test('that was a time in which things happened', () => {
    const { blows, ledger, acknowledged, events } = outcome
    assert.ok(blows.kill + blows.freeze + blows.database >= 5, JSON.stringify(blows))
    assert.ok(ledger.planned > 100 && acknowledged.runs.size > 10 && events > 100, JSON.stringify({ ...ledger, events }))
  })
})
