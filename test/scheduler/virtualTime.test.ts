import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { countLedger, unexplainedRuns } from '../support/chaos/ledger.ts'
import { readTables, type Tables } from '../support/chaos/tables.ts'
import { liveThrough, type VirtualOutcome } from '../support/chaos/virtualTime.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const MINUTE = 60_000
/** Every run of the suite draws anew; the seed in a failure's message brings its draws back. */
const SEED = Math.floor(Math.random() * 2 ** 31)
/** In its second half the clocks of Berlin are put back. */
const FROM = Date.UTC(2026, 9, 25, 0, 30)

describe(`an hour with jobs of all kinds, commands at random and a process that is gone now and then (seed ${SEED})`, () => {
  const directory = temporaryDirectory()
  let outcome: VirtualOutcome
  let tables: Tables
  before(async () => {
    outcome = await liveThrough({
      seed: SEED,
      jobs: 60,
      from: FROM,
      span: 60 * MINUTE,
      step: 1_000,
      commandsPerSecond: 0.7,
      directory,
      longestInterval: 120_000,
    })
    tables = readTables(directory)
  })

  it('leaves no instant without its verdict, none with two, and no run without an end or a reason', () => {
    assert.deepEqual(outcome.problems, [])
  })

  it('was an hour in which things happened', () => {
    const { ledger, openings, attempts } = outcome
    for (const verdict of ['MISSED', 'COALESCED', 'SKIPPED_PAUSED', 'SKIPPED_OVERLAP']) assert.ok(ledger.verdicts[verdict]! > 0, verdict)
    assert.ok(ledger.runs > 500 && attempts > 500 && openings > 1, JSON.stringify({ ...ledger, openings, attempts }))
  })

  it('would not have passed with a hole, a double or a run that nobody explains', () => {
    const planned = tables.runs.find(({ occurrence, jobId }) => occurrence !== null && livesIn(tables, jobId))!
    const without = {
      ...tables,
      runsOf: new Map([...tables.runsOf, [planned.jobId, tables.runsOf.get(planned.jobId)!.filter((run) => run !== planned)]]),
    }
    assert.match(countLedger(without).problems.join('\n'), /1 instants from .* are missing/)

    const [jobId, rows] = [...tables.verdicts].find(([id]) => livesIn(tables, id))!
    const twice = { ...tables, verdicts: new Map([...tables.verdicts, [jobId, [...rows, rows[0]!]]]) }
    assert.match(countLedger(twice).problems.join('\n'), /has (MISSED|COALESCED|SKIPPED_\w+) and/)

    const forgotten = { ...planned, status: 'QUEUED', finishedAt: null, heldBy: null, dueAt: FROM }
    assert.match(unexplainedRuns({ ...tables, runs: [forgotten] }, FROM + 90 * MINUTE, 1).join('\n'), /nothing says why/)
  })
})

function livesIn(tables: Tables, jobId: string): boolean {
  return tables.jobs.some(({ id, deletedAt }) => id === jobId && deletedAt === null)
}
