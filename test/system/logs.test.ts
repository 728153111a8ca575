import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { request, subscribeWs } from '../support/graphqlClient.ts'
import { createJob, streamPosition, triggerJob } from '../support/jobs.ts'
import { type Orrery, startOrrery } from '../support/process.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const FOLLOW = 'subscription ($id: ID!, $after: Cursor) { runLogs(runId: $id, after: $after) { cursor line { seq level message } } }'

interface LogEvent {
  readonly cursor: string
  readonly line: { readonly seq: number; readonly level: string; readonly message: string }
}

let orrery: Orrery
before(async () => {
  orrery = await startOrrery({
    directory: temporaryDirectory(),
    env: { ORRERY_HANDLERS: join(import.meta.dirname, 'fixtures/handlers'), ORRERY_ALLOW_COMMANDS: '/bin/sh' },
  })
})
after(() => orrery?.kill('SIGTERM'))

async function startRun(name: string, target: object, payload: object | null = null): Promise<string> {
  const job = await createJob(orrery.url, { name, schedule: { interval: { every: 'PT24H' } }, target, payload })
  return triggerJob(orrery.url, job.id)
}

/** Follows a run's log until `enough`, then cuts the connection without a goodbye. Answers whether the log was complete. */
async function followAndCut(id: string, position: string | null, enough: (event: LogEvent) => boolean): Promise<boolean> {
  const client = createClient({ url: orrery.url.replace(/^http/, 'ws'), webSocketImpl: WebSocket, retryAttempts: 0 })
  try {
    for await (const { data, errors } of client.iterate<{ runLogs: LogEvent }>({ query: FOLLOW, variables: { id, after: position } })) {
      assert.equal(errors, undefined)
      if (enough(data!.runLogs)) return false
    }
    return true
  } finally {
    client.terminate()
  }
}

const numbered = (count: number) => Array.from({ length: count }, (_, i) => `${i + 1}`)

for (const { name, target, payload } of [
  { name: 'a handler', target: { handler: { handler: 'count' } }, payload: { to: null, pause: 5 } },
  {
    name: 'a command',
    target: { command: { executable: '/bin/sh', args: ['-c', 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done'] } },
    payload: null,
  },
]) {
  test(`what ${name} writes is seen while it goes on, in order and each line once, through cuts of the connection`, async () => {
    const run = await startRun(`counts as ${name}`, target, payload)
    const seen: LogEvent[] = []
    const position = () => seen.at(-1)?.cursor ?? null
    // It goes on until it is cancelled: whatever is seen before is seen live.
    for (let cut = 1; cut <= 8; cut++) {
      const target = seen.length + 4 + cut
      const complete = await followAndCut(run, position(), (event) => seen.push(event) >= target)
      assert.equal(complete, false)
    }
    await request(orrery.url, 'mutation ($id: ID!) { cancelRun(input: { id: $id }) { errors { message } } }', { id: run })
    assert.equal(
      await followAndCut(run, position(), (event) => {
        seen.push(event)
        return false
      }),
      true,
    )
    assert.ok(seen.length >= 68)
    assert.deepEqual(
      seen.map(({ line }) => line.message),
      numbered(seen.length),
    )
    assert.deepEqual(
      seen.map(({ line }) => `${line.seq}`),
      numbered(seen.length),
    )
    const { logs } = (await request<{ run: { logs: { nodes: { message: string }[] } } }>(
      orrery.url,
      'query ($id: ID!) { run(id: $id) { logs(last: 1) { nodes { message } } } }',
      { id: run },
    ))!.run
    assert.equal(logs.nodes[0]?.message, `${seen.length}`)
  })
}

test('progress is seen in the run and in its events', async () => {
  const after = await streamPosition(orrery.url)
  const { events, close } = await subscribeWs<{ jobRuns: { at: string; run: { id: string; status: string; progress: number | null } } }>(
    orrery.url,
    'subscription ($after: Cursor) { jobRuns(after: $after) { at run { id status progress } } }',
    { after },
  )
  const run = await startRun('progresses', { handler: { handler: 'count' } }, { to: 40, pause: 50 })
  const { jobRuns } = await events.first(
    'progress on the way',
    ({ jobRuns }) => jobRuns.run.id === run && jobRuns.run.status === 'RUNNING' && (jobRuns.run.progress ?? 0) > 0,
  )
  assert.ok(jobRuns.run.progress! < 100)
  await events.first('the end', ({ jobRuns }) => jobRuns.run.id === run && jobRuns.run.status === 'SUCCEEDED')
  const times = events.all.flatMap(({ jobRuns: { at, run: each } }) =>
    each.id === run && each.status === 'RUNNING' && each.progress !== null ? [Date.parse(at)] : [],
  )
  // By the server's clock, so that a slow machine only makes fewer of them.
  for (const [i, at] of times.slice(1).entries()) assert.ok(at - times[i]! >= 1_000, `two events ${at - times[i]!} ms apart`)
  const { progress } = (await request<{ run: { progress: number } }>(orrery.url, 'query ($id: ID!) { run(id: $id) { progress } }', {
    id: run,
  }))!.run
  assert.equal(progress, 100)
  await close()
})

interface Page {
  readonly nodes: readonly { readonly seq: number; readonly message: string }[]
  readonly pageInfo: {
    readonly startCursor: string
    readonly endCursor: string
    readonly hasNextPage: boolean
    readonly hasPreviousPage: boolean
  }
}

test('100,000 lines are paged from the first to the last, and back', async () => {
  const count = 100_000
  const run = await startRun('counts far', { handler: { handler: 'count' } }, { to: count, pause: 0 })
  const ended = await followAndCut(run, null, () => false)
  assert.equal(ended, true)
  const page = async (args: string, cursor: string | null): Promise<Page> =>
    (
      await request<{ run: { logs: Page } }>(
        orrery.url,
        `query ($id: ID!, $cursor: String) { run(id: $id) { logs(${args}: $cursor) {
          nodes { seq message } pageInfo { startCursor endCursor hasNextPage hasPreviousPage } } } }`,
        { id: run, cursor },
      )
    ).run.logs
  const all = numbered(count)
  const forward: string[] = []
  for (let at: string | null = null, more = true; more; ) {
    const { nodes, pageInfo } = await page('first: 1000, after', at)
    forward.push(...nodes.map(({ message }) => message))
    at = pageInfo.endCursor
    more = pageInfo.hasNextPage
  }
  assert.deepEqual(forward, all)
  const backward: string[] = []
  for (let at: string | null = null, more = true; more; ) {
    const { nodes, pageInfo } = await page('last: 1000, before', at)
    backward.push(...nodes.map(({ message }) => message).reverse())
    at = pageInfo.startCursor
    more = pageInfo.hasPreviousPage
  }
  assert.deepEqual(backward.reverse(), all)
})
