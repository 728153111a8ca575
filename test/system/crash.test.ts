import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import Database from 'better-sqlite3'
import { request, subscribeWs } from '../support/graphqlClient.ts'
import { createJobs, streamPosition } from '../support/jobs.ts'
import { startOrrery } from '../support/process.ts'
import { temporaryDirectory } from '../support/temporary.ts'

// 200 runs under way, and the process is gone from one instant to the next. What the API had acknowledged must come to its end, and the
// ledger must hold each instant once: the tables are read afterwards, and the instants are counted here, not by the product.

const JOBS = 200
const FINAL = new Set(['SUCCEEDED', 'FAILED', 'TIMED_OUT', 'CANCELLED'])

interface RunEvent {
  readonly jobRuns: { readonly run: { id: string; status: string; attempt: number; scheduledFor: string } }
}
const WATCH = 'subscription ($after: Cursor) { jobRuns(after: $after) { run { id status attempt scheduledFor } } }'

interface Tables {
  readonly runs: readonly { id: string; jobId: string; occurrence: number; status: string; attempt: number }[]
  readonly attempts: readonly { runId: string; number: number; status: string }[]
  readonly spans: readonly { jobId: string; first: number; last: number; count: number; verdict: string }[]
  readonly positions: readonly { jobId: string; plannedUntil: number; from: number }[]
}

describe(`kill -9 in the middle of ${JOBS} runs under way`, () => {
  const directory = temporaryDirectory()
  let underWay: readonly string[]
  let tables: Tables

  before(async () => {
    const options = { directory, env: { ORRERY_HANDLERS: join(import.meta.dirname, 'fixtures/handlers'), ORRERY_CONCURRENCY: '400' } }
    const first = await startOrrery(options)
    const position = await streamPosition(first.url)
    await createJobs(
      first.url,
      Array.from({ length: JOBS }, (_, i) => ({
        name: `job ${i}`,
        schedule: { interval: { every: '1s' } },
        target: { handler: { handler: 'wait' } },
        payload: { ms: 2500 },
        policies: { timeout: '30s' },
      })),
    )
    const watching = await subscribeWs<RunEvent>(first.url, WATCH, { after: position })
    const running = new Set<string>()
    await watching.events.until(`${JOBS} runs under way`, (all) => {
      running.clear()
      for (const {
        jobRuns: { run },
      } of all)
        run.status === 'RUNNING' ? running.add(run.id) : running.delete(run.id)
      return running.size >= JOBS
    })
    underWay = [...running]
    await first.kill('SIGKILL')

    const second = await startOrrery(options)
    const again = await subscribeWs<RunEvent>(second.url, WATCH, { after: position })
    const ended = new Set<string>()
    await again.events.until('the end of every run that was under way', (all) => {
      for (const {
        jobRuns: { run },
      } of all)
        if (FINAL.has(run.status)) ended.add(run.id)
      return underWay.every((run) => ended.has(run))
    })
    // An instant at which the planner was alive again, so that the time in between is behind it.
    const { system } = await request<{ system: { now: string } }>(second.url, '{ system { now } }')
    await again.events.first('a run of a later instant', ({ jobRuns: { run } }) => run.scheduledFor > system.now)
    await again.close()
    await second.kill('SIGTERM')
    tables = readTables(directory)
  })

  test('the runs under way end, in another attempt, and well', () => {
    const runs = new Map(tables.runs.map((run) => [run.id, run]))
    for (const id of underWay)
      assert.deepEqual({ status: runs.get(id)?.status, attempt: runs.get(id)?.attempt }, { status: 'SUCCEEDED', attempt: 2 })
    const lost = tables.attempts.filter(({ status }) => status === 'LOST')
    assert.deepEqual(new Set(lost.map(({ runId }) => runId)), new Set(underWay))
    assert.ok(lost.every(({ number }) => number === 1))
  })

  test('no run is left without an end', () => {
    // What the stop found under way was given time to end; what was planned in that moment may wait for the next start.
    assert.deepEqual(
      tables.runs.filter(({ status }) => !FINAL.has(status) && status !== 'QUEUED'),
      [],
    )
  })

  test('no occurrence has two runs', () => {
    const occurrences = tables.runs.map(({ jobId, occurrence }) => `${jobId} ${occurrence}`)
    assert.equal(new Set(occurrences).size, occurrences.length)
  })

  test('every instant has exactly one verdict', () => {
    assert.equal(tables.positions.length, JOBS)
    for (const { jobId, from, plannedUntil } of tables.positions) {
      const verdicts = [
        ...tables.runs.filter((run) => run.jobId === jobId).map(({ occurrence }) => ({ first: occurrence, last: occurrence, count: 1 })),
        ...tables.spans.filter((span) => span.jobId === jobId),
      ].sort((a, b) => a.first - b.first)
      let next = from + 1000
      for (const { first, last, count } of verdicts) {
        assert.equal(first, next, 'nothing is left out and nothing comes twice')
        assert.equal(last, first + (count - 1) * 1000)
        next = last + 1000
      }
      assert.ok(next > plannedUntil, 'up to where the planner says it is')
    }
  })
})

function readTables(directory: string): Tables {
  const db = new Database(join(directory, 'orrery.db'), { readonly: true })
  const all = (sql: string) => db.prepare(sql).all() as never
  const tables = {
    runs: all('SELECT id, jobId, occurrence, status, attempt FROM Run'),
    attempts: all('SELECT runId, number, status FROM Attempt'),
    spans: all('SELECT jobId, first, last, count, verdict FROM Verdict'),
    positions: all('SELECT JobPosition.jobId, plannedUntil, Revision."from" FROM JobPosition JOIN Revision USING (jobId)'),
  }
  db.close()
  return tables
}
