import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ClientOptions, createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { Recorder } from '../support/recorder.ts'
import { startRestarting } from './restarting.ts'

const FINISHED =
  'subscription ($after: Cursor) { jobRuns(filter: { finalOnly: true }, after: $after, checkpoints: true) { cursor run { id } } }'

interface Event {
  readonly cursor: string
  readonly run: { readonly id: string } | null
}

function clientOf(url: string, more: Partial<ClientOptions> = {}) {
  return createClient({
    url: url.replace(/^http/, 'ws'),
    webSocketImpl: WebSocket,
    retryAttempts: Number.POSITIVE_INFINITY,
    retryWait: () => sleep(50),
    ...more,
  })
}

test("graphql-ws's client comes back by itself after a stop and after a kill, and goes on after the last cursor", async () => {
  await using server = await startRestarting()
  const events = new Recorder<Event>()
  const connected = new Recorder<boolean>()
  const client = clientOf(server.url, { shouldRetry: () => true, on: { connected: (_socket, _payload, retry) => connected.add(retry) } })
  // Read anew at each connection: the client sends its variables as they stand then.
  const variables = {
    get after() {
      return events.all.at(-1)?.cursor ?? null
    },
  }
  client.subscribe<{ jobRuns: Event }>(
    { query: FINISHED, variables },
    { next: ({ data }) => events.add(data!.jobRuns), error: (error) => events.fail(new Error(JSON.stringify(error))), complete: () => {} },
  )
  await events.until('the first checkpoint', (all) => all.length > 0)
  const runs: string[] = []
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    runs.push(await server.trigger(), await server.trigger())
    await server.stop(signal)
    await server.start()
    runs.push(await server.trigger())
  }
  const seen = (all: readonly Event[]) => all.flatMap(({ run }) => (run === null ? [] : [run.id]))
  await events.until('the end of every run', (all) => seen(all).length >= runs.length)
  assert.deepEqual(seen(events.all).sort(), runs.sort())
  assert.equal(connected.all.filter((retry) => retry).length, 2)
  await client.dispose()
})

test('a query whose answer may be large is answered as over HTTP', async () => {
  await using server = await startRestarting()
  await Promise.all(Array.from({ length: 30 }, () => server.trigger()))
  const query =
    '{ runs(first: 100) { nodes { id triggeredBy payload job { name tags schedule { description } } } pageInfo { endCursor } } }'
  const client = clientOf(server.url)
  const results = await Array.fromAsync(client.iterate({ query }))
  const response = await fetch(server.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query }),
  })
  const overHttp = (await response.json()) as { extensions: { cost: number } }
  assert.ok(overHttp.extensions.cost > 300)
  assert.deepEqual(results, [overHttp])
  await client.dispose()
})

test('its keepAlive is answered, and an operation that is refused leaves the socket and the others on it', async () => {
  await using server = await startRestarting()
  const pongs = new Recorder<boolean>()
  const closed: unknown[] = []
  const client = clientOf(server.url, {
    keepAlive: 20,
    on: { pong: (received) => pongs.add(received), closed: (event) => closed.push(event) },
  })
  const events = new Recorder<Event>()
  client.subscribe<{ jobRuns: Event }>(
    { query: FINISHED },
    { next: ({ data }) => events.add(data!.jobRuns), error: () => {}, complete: () => {} },
  )
  await pongs.until('three pongs', (all) => all.filter((received) => received).length >= 3)
  const deep = '{ jobs(first: 100) { nodes { runs(first: 100) { nodes { id } } } } }'
  await assert.rejects(
    client.iterate({ query: deep }).next(),
    (errors: { extensions: { code: string } }[]) => errors[0]?.extensions.code === 'TOO_COSTLY',
  )
  const run = await server.trigger()
  await events.first('the end of the run', (event) => event.run?.id === run)
  assert.deepEqual(closed, [])
  await client.dispose()
})
