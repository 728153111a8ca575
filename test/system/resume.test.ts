import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { createJob, streamPosition, triggerJob } from '../support/jobs.ts'
import { type Orrery, startOrrery } from '../support/process.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const CUTS = 100
const RUNS_A_CUT = 5
const WATCH = 'subscription ($after: Cursor) { jobRuns(after: $after) { cursor run { id status } } }'
const FINAL = new Set(['SUCCEEDED', 'FAILED', 'TIMED_OUT', 'CANCELLED'])

interface RunEvent {
  readonly cursor: string
  readonly run: { readonly id: string; readonly status: string }
}

let orrery: Orrery
before(async () => {
  orrery = await startOrrery({ directory: temporaryDirectory() })
})
after(() => orrery?.kill('SIGTERM'))

/** Reads from `after` on until `enough`, then cuts the connection without a goodbye. Answers the last cursor. */
async function readAndCut(position: string, take: (event: RunEvent) => boolean): Promise<string> {
  const client = createClient({ url: orrery.url.replace(/^http/, 'ws'), webSocketImpl: WebSocket, retryAttempts: 0 })
  let last = position
  try {
    for await (const { data, errors } of client.iterate<{ jobRuns: RunEvent }>({ query: WATCH, variables: { after: position } })) {
      assert.equal(errors, undefined)
      last = data!.jobRuns.cursor
      if (take(data!.jobRuns)) break
    }
  } catch (error) {
    // The cut itself, where the client tells of it.
    if (!(error instanceof Object && 'code' in error)) throw error
  } finally {
    client.terminate()
  }
  return last
}

test(`a stream cut and resumed ${CUTS} times misses no final state`, async () => {
  const job = await createJob(orrery.url, {
    name: 'busy',
    schedule: { interval: { every: 'PT24H' } },
    target: { handler: { handler: 'noop' } },
    policies: { overlap: 'ALLOW_ALL' },
  })
  let position = await streamPosition(orrery.url)
  const runs = new Set<string>()
  const ended = new Map<string, string>()
  const note = ({ run }: RunEvent): void => {
    if (FINAL.has(run.status)) ended.set(run.id, run.status)
  }

  for (let cut = 0; cut < CUTS; cut++) {
    // The runs are made while the reader is there, while it is gone, and in between: nothing waits for anything here.
    const made = Promise.all(Array.from({ length: RUNS_A_CUT }, () => triggerJob(orrery.url, job.id)))
    const few = 1 + (cut % 4)
    let seen = 0
    position = await readAndCut(position, (event) => {
      note(event)
      seen += 1
      return seen >= few
    })
    for (const run of await made) runs.add(run)
  }
  assert.equal(runs.size, CUTS * RUNS_A_CUT)
  const missing = () => [...runs].filter((run) => !ended.has(run))
  if (missing().length > 0) {
    await readAndCut(position, (event) => {
      note(event)
      return missing().length === 0
    })
  }
  assert.deepEqual(missing(), [])
  assert.deepEqual(new Set(ended.values()), new Set(['SUCCEEDED']))
})
