import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { request, subscribeWs } from '../support/graphqlClient.ts'
import { createJobs, streamPosition } from '../support/jobs.ts'
import { type Orrery, startOrrery } from '../support/process.ts'
import { temporaryDirectory } from '../support/temporary.ts'

// Jobs fire every second, and the product is started again with rules by which nearly all of their runs must go. It goes on firing.

const JOBS = 40
const directory = temporaryDirectory()
const started = Date.now()
let orrery: Orrery
let ids: readonly string[]
let early: string
let oldest: readonly string[]

interface EndedRun {
  readonly id: string
  readonly job: { readonly id: string }
}
interface RunEvent {
  readonly jobRuns: { readonly run: EndedRun }
}
const WATCH = 'subscription ($after: Cursor) { jobRuns(after: $after, filter: { finalOnly: true }) { run { id job { id } } } }'

/** The first run of every job that ends from now on, once each has ended `count` of them. */
async function firstRuns(url: string, position: string, count: number): Promise<readonly string[]> {
  const watching = await subscribeWs<RunEvent>(url, WATCH, { after: position })
  let byJob = new Map<string, EndedRun[]>()
  await watching.events.until(`${count} ends of each job`, (all) => {
    byJob = Map.groupBy(
      all.map(({ jobRuns }) => jobRuns.run),
      ({ job }) => job.id,
    )
    return byJob.size === JOBS && [...byJob.values()].every((runs) => runs.length >= count)
  })
  await watching.close()
  return [...byJob.values()].map(([run]) => run!.id)
}

before(async () => {
  const first = await startOrrery({ directory, env: { LOG_LEVEL: 'warn' } })
  early = await streamPosition(first.url)
  ids = await createJobs(
    first.url,
    Array.from({ length: JOBS }, (_, i) => ({
      name: `job ${i}`,
      schedule: { interval: { every: '1s' } },
      target: { handler: { handler: 'noop' } },
    })),
  )
  oldest = await firstRuns(first.url, early, 4)
  await first.kill('SIGTERM')
  orrery = await startOrrery({
    directory,
    env: { LOG_LEVEL: 'warn', ORRERY_RETENTION_MAX: '2', ORRERY_RETENTION_KEEP: '1' },
  })
})

after(async () => {
  await orrery?.kill('SIGTERM')
})

async function remaining(): Promise<number> {
  const { nodes } = await request<{ nodes: (object | null)[] }>(orrery.url, 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', {
    ids: oldest,
  })
  return nodes.filter((node) => node !== null).length
}

describe('retention while jobs fire', () => {
  test('takes the runs that have had their time', async () => {
    // Nothing tells that a run was removed: it is looked for until it is gone, or the file's time is over.
    while ((await remaining()) > 0) await delay(100)
  })

  test('firing goes on', async () => {
    await firstRuns(orrery.url, await streamPosition(orrery.url), 2)
  })

  test('the ledger of every job is whole', async () => {
    const window = { from: new Date(started).toISOString(), to: new Date().toISOString() }
    for (const id of ids) {
      const { job } = await request<{ job: { audit: { planned: number; missing: number; duplicated: number } } }>(
        orrery.url,
        'query ($id: ID!, $from: DateTime!, $to: DateTime!) { job(by: { id: $id }) { audit(from: $from, to: $to) { planned missing duplicated } } }',
        { id, ...window },
      )
      assert.ok(job.audit.planned >= 6, `${job.audit.planned}`)
      assert.deepEqual([job.audit.missing, job.audit.duplicated], [0, 0])
    }
  })

  test('a cursor from before is told to be too old, and where to go on', async () => {
    const { events } = await subscribeWs<RunEvent>(orrery.url, WATCH, { after: early })
    await assert.rejects(
      events.until('an event', (all) => all.length > 0),
      (error: Error) => /CURSOR_EXPIRED/.test(String(error.cause ?? error)),
    )
  })
})
