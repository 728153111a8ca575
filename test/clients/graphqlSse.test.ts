import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from 'graphql-sse'
import { Recorder } from '../support/recorder.ts'
import { startRestarting } from './restarting.ts'

interface Event {
  readonly cursor: string
  readonly run: { readonly id: string; readonly status: string } | null
}

const WATCH = 'subscription ($after: Cursor) { jobRuns(after: $after, checkpoints: true) { cursor run { id status } } }'

for (const singleConnection of [false, true]) {
  const mode = singleConnection ? 'single connection' : 'distinct connections'

  test(`graphql-sse's client in ${mode} mode asks, watches, and comes back after a kill where it stopped`, async () => {
    await using server = await startRestarting()
    const options = { url: server.url, retryAttempts: 1_000, retry: () => sleep(50) }
    const client = singleConnection ? createClient({ ...options, singleConnection }) : createClient(options)
    const events = new Recorder<Event>()
    const request = {
      query: WATCH,
      // Read anew whenever the client sends it.
      variables: {
        get after() {
          return events.all.at(-1)?.cursor ?? null
        },
      },
    }
    client.subscribe<{ jobRuns: Event }>(request, {
      next: ({ data, errors }) => (data ? events.add(data.jobRuns) : events.fail(new Error(JSON.stringify(errors)))),
      error: (error) => events.fail(error as Error),
      complete: () => {},
    })
    const ended = (id: string) => events.first(`the end of ${id}`, ({ run }) => run?.id === id && run.status === 'SUCCEEDED')

    await events.until('the first checkpoint', (all) => all.length > 0)
    await ended(await server.trigger())
    const { value } = await client.iterate<{ system: { engine: string } }>({ query: '{ system { engine } }' }).next()
    assert.equal(value?.data?.system.engine, 'SQLITE')
    // It costs enough to be written in slices.
    const query = '{ runs(first: 100) { nodes { id job { name } } } }'
    const { value: large } = await client.iterate<{ runs: { nodes: { id: string }[] } }>({ query }).next()
    assert.deepEqual(large?.extensions, { cost: 201 })
    assert.deepEqual(
      large?.data?.runs.nodes.map(({ id }: { id: string }) => id),
      [events.all.findLast(({ run }) => run !== null)!.run!.id],
    )
    const last = await server.trigger()
    await server.stop('SIGKILL')
    await server.start()
    await ended(last)
    await ended(await server.trigger())
    client.dispose()
  })
}
