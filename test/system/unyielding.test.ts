import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { request, subscribeWs } from '../support/graphqlClient.ts'
import { createJob, createJobs, streamPosition, triggerJob } from '../support/jobs.ts'
import { type Orrery, startOrrery } from '../support/process.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const OTHERS = 200
const SECONDS = 4
/** Late, on a machine whose other processor is kept busy by the handler. */
const LATE = 900

let orrery: Orrery
before(async () => {
  orrery = await startOrrery({ directory: temporaryDirectory(), env: { ORRERY_HANDLERS: join(import.meta.dirname, 'fixtures/handlers') } })
})
after(() => orrery?.kill('SIGTERM'))

interface RunEvent {
  readonly jobRuns: {
    readonly run: {
      id: string
      status: string
      scheduledFor: string
      startedAt: string
      finishedAt: string
      error: { code: string } | null
      job: { id: string }
    }
  }
}

test(`a handler that never yields is TIMED_OUT, and ${OTHERS} other jobs fire every second meanwhile`, async () => {
  const spin = await createJob(orrery.url, {
    name: 'spin',
    schedule: { interval: { every: 'PT24H' } },
    target: { handler: { handler: 'spin' } },
    policies: { timeout: '1s', maxAttempts: 1 },
  })
  const others = await createJobs(
    orrery.url,
    Array.from({ length: OTHERS }, (_, i) => ({
      name: `other ${i}`,
      schedule: { interval: { every: '1s' } },
      target: { handler: { handler: 'noop' } },
    })),
  )
  const position = await streamPosition(orrery.url)
  const run = await triggerJob(orrery.url, spin.id)
  const begin = Date.now()
  const stream = await subscribeWs<RunEvent>(
    orrery.url,
    'subscription ($after: Cursor) { jobRuns(after: $after, filter: { finalOnly: true }) { run { id status scheduledFor startedAt finishedAt error { code } job { id } } } }',
    { after: position },
  )

  const { jobRuns: ended } = await stream.events.first('the end of the spinning run', (event) => event.jobRuns.run.id === run)
  assert.equal(ended.run.status, 'TIMED_OUT')
  const took = Date.parse(ended.run.finishedAt) - Date.parse(ended.run.startedAt)
  assert.ok(took >= 1000, `ended after ${took} ms, before its timeout`)

  const until = begin + SECONDS * 1000
  const perJob = new Map<string, number[]>(others.map((id) => [id, []]))
  let counted = 0
  await stream.events.until(`runs of ${OTHERS} jobs over ${SECONDS} s`, (all) => {
    for (; counted < all.length; counted++) {
      const { run: each } = all[counted]!.jobRuns
      if (each.id === run) continue
      assert.equal(each.status, 'SUCCEEDED')
      const lag = Date.parse(each.startedAt) - Date.parse(each.scheduledFor)
      assert.ok(lag < LATE, `a run of another job started ${lag} ms late`)
      perJob.get(each.job.id)?.push(Date.parse(each.scheduledFor))
    }
    return [...perJob.values()].every((instants) => (instants.at(-1) ?? 0) >= until)
  })
  for (const instants of perJob.values()) {
    instants.slice(1).forEach((instant, i) => {
      assert.equal(instant - instants[i]!, 1000, 'no instant is left out')
    })
  }
  await stream.close()

  const { handlers } = await request<{ handlers: { name: string }[] }>(orrery.url, '{ handlers { name } }')
  assert.ok(['log', 'noop', 'spin', 'wait'].every((name) => handlers.some((handler) => handler.name === name)))
})
