import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { DAY, MINUTE, SECOND } from '../../src/domain/instant.ts'
import { NOON } from '../support/parts.ts'
import { openApi } from './api.ts'

const iso = (instant: number) => new Date(instant).toISOString()
const TRIGGER = 'mutation ($id: ID!) { triggerJob(input: { id: $id, overlap: ALLOW_ALL }) { run { id } errors { message } } }'

/** A job with four runs that ended at 12:00, 12:00, 12:00 and 12:05, and an answer's reader. It is 12:10. */
async function anHour(t: TestContext) {
  const api = await openApi(t)
  const job = await api.create({ name: 'a', schedule: { interval: { every: DAY } }, policies: { maxAttempts: 1 } })
  const runs: string[] = []
  const trigger = async () => runs.push((await api.get(TRIGGER, { id: job })).triggerJob.run.id)
  for (let i = 0; i < 3; i++) await trigger()
  await api.get('mutation ($id: ID!) { cancelRun(input: { id: $id }) { run { id } } }', { id: runs[2] })
  api.clock.forward(2 * SECOND)
  const [one, two] = await api.begin()
  api.clock.forward(10 * SECOND)
  await api.succeed(one!)
  await api.fail(two!)
  api.clock.instant = NOON + 5 * MINUTE
  await trigger()
  const [last] = await api.begin()
  await api.succeed(last!)
  api.clock.instant = NOON + 10 * MINUTE
  return { api, job }
}

const near = (duration: string, seconds: number) =>
  assert.ok(Math.abs(Number(/^PT([\d.]+)S$/.exec(duration)?.[1]) - seconds) <= 0.05 * seconds, `${duration} is not ${seconds} s`)

describe('the figures of a job', () => {
  it('tell how its runs ended in the window, and their percentiles within 5 %', async (t) => {
    const { api, job } = await anHour(t)
    const { stats } = (
      await api.get(
        `query ($id: ID!) { job(by: { id: $id }) {
          stats { total succeeded failed cancelled successRate durationP50 durationP95 lagP50 lagP99 } } }`,
        { id: job },
      )
    ).job
    const { durationP50, durationP95, lagP50, lagP99, ...counts } = stats
    assert.deepEqual(counts, { total: 4, succeeded: 2, failed: 1, cancelled: 1, successRate: 0.5 })
    near(durationP50, 10)
    near(durationP95, 10)
    near(lagP50, 2)
    near(lagP99, 2)
  })

  it('leave out what ended before, and say null where nothing ended', async (t) => {
    const { api, job } = await anHour(t)
    const { recent, none } = (
      await api.get(
        `query ($id: ID!) { job(by: { id: $id }) {
          recent: stats(window: "6m") { total successRate } none: stats(window: "1m") { total successRate durationP95 lagP99 } } }`,
        { id: job },
      )
    ).job
    assert.deepEqual(
      [recent, none],
      [
        { total: 1, successRate: 1 },
        { total: 0, successRate: null, durationP95: null, lagP99: null },
      ],
    )
  })
})

describe('the figures of the system', () => {
  it('tell of jobs and runs now, and how runs ended', async (t) => {
    const { api } = await anHour(t)
    const { stats } = await api.get('{ stats { jobs active paused queued running total succeeded failed cancelled } }')
    assert.deepEqual(stats, { jobs: 1, active: 1, paused: 0, queued: 0, running: 0, total: 4, succeeded: 2, failed: 1, cancelled: 1 })
  })

  it('go by equal buckets, oldest first', async (t) => {
    const { api } = await anHour(t)
    const { stats } = await api.get(
      '{ stats(window: "15m") { total timeline(buckets: 3) { from to succeeded failed cancelled skipped lagP99 } } }',
    )
    const [first, second, third] = stats.timeline
    near(second.lagP99, 2)
    assert.deepEqual(
      [stats.total, first, { ...second, lagP99: null }, { ...third, lagP99: null }],
      [4, bucket(-5, 0, [0, 0, 0]), bucket(0, 5, [1, 1, 1]), bucket(5, 10, [1, 0, 0])],
    )
    assert.equal((await api.get('{ stats { timeline { from } } }')).stats.timeline.length, 60)
  })

  it('keep their sum in buckets that are shorter than a minute', async (t) => {
    const { api } = await anHour(t)
    const { stats } = await api.get('{ stats(window: "15m") { timeline(buckets: 1000) { succeeded failed cancelled } } }')
    const sum = (name: string) => stats.timeline.reduce((total: number, each: Record<string, number>) => total + each[name]!, 0)
    assert.deepEqual([stats.timeline.length, sum('succeeded'), sum('failed'), sum('cancelled')], [1_000, 2, 1, 1])
  })
})

describe('a window that cannot be answered', () => {
  for (const window of ['PT59S', '91d', 'PT0S']) {
    it(`is refused: ${window}`, async (t) => {
      const api = await openApi(t)
      const job = await api.create({ name: 'a', schedule: { interval: { every: DAY } } })
      for (const document of [
        'query ($window: Duration!) { stats(window: $window) { total } }',
        `query ($window: Duration!) { job(by: { id: "${job}" }) { stats(window: $window) { total } } }`,
      ]) {
        const { code, message } = await api.refusal(document, { window })
        assert.equal(code, 'BAD_USER_INPUT')
        assert.match(message, /^`window` is PT\w+; accepted: PT1M to P90D\.$/)
      }
    })
  }

  it('is refused in parts: buckets from 1 to 1,000', async (t) => {
    const api = await openApi(t)
    for (const buckets of [0, -1, 1_001]) {
      const { code, message } = await api.refusal('query ($buckets: Int!) { stats { timeline(buckets: $buckets) { from } } }', { buckets })
      assert.deepEqual([code, message], ['BAD_USER_INPUT', `\`buckets\` is ${buckets}; accepted: 1 to 1000.`])
    }
  })

  it('is answered at its longest', async (t) => {
    const { api } = await anHour(t)
    assert.equal(
      (await api.get('{ stats(window: "90d") { total timeline { from } } }')).stats.timeline[0].from,
      iso(NOON + 10 * MINUTE - 90 * DAY),
    )
  })
})

function bucket(from: number, to: number, [succeeded, failed, cancelled]: readonly [number, number, number]) {
  return { from: iso(NOON + from * MINUTE), to: iso(NOON + to * MINUTE), succeeded, failed, cancelled, skipped: 0, lagP99: null }
}
