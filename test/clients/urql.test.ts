import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { cacheExchange, Client, type ExecutionResult, fetchExchange, subscriptionExchange } from '@urql/core'
import { createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { type Orrery, startOrrery } from '../support/process.ts'
import { Recorder } from '../support/recorder.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const CREATE = 'mutation ($input: CreateJobInput!) { createJob(input: $input) { job { id name } errors { code path message } } }'

describe('urql', () => {
  let orrery: Orrery
  let client: Client
  let socket: ReturnType<typeof createClient>
  before(async () => {
    orrery = await startOrrery({ directory: temporaryDirectory() })
    socket = createClient({ url: orrery.url.replace(/^http/, 'ws'), webSocketImpl: WebSocket })
    client = new Client({
      url: orrery.url,
      preferGetMethod: false,
      exchanges: [
        cacheExchange,
        fetchExchange,
        subscriptionExchange({
          forwardSubscription: ({ query = '', variables }) => ({
            subscribe: ({ next, error, complete }) => ({
              unsubscribe: socket.subscribe(
                { query, variables: variables as Record<string, unknown> },
                { next: (result) => next(result as ExecutionResult), error, complete },
              ),
            }),
          }),
        }),
      ],
    })
  })
  after(async () => {
    await socket?.dispose()
    await orrery?.kill('SIGTERM')
  })

  const create = (name: string, every: string) =>
    client.mutation(CREATE, { input: { name, schedule: { interval: { every } } } }).toPromise()

  test('asks a query, by POST and by GET', async () => {
    for (const preferGetMethod of [false, 'force'] as const) {
      const { data, error } = await client
        .query('{ system { engine } jobs(first: 5) { nodes { id } } }', {}, { preferGetMethod })
        .toPromise()
      assert.equal(error, undefined)
      assert.equal(data.system.engine, 'SQLITE')
    }
  })

  test('gets what is wrong with a mutation as data, and what cannot be read as an error with its code', async () => {
    const { data, error } = await create('', 'PT1M')
    assert.equal(error, undefined)
    assert.equal(data.createJob.job, null)
    assert.deepEqual([data.createJob.errors[0].code, data.createJob.errors[0].path], ['INVALID', ['name']])
    const unreadable = await create('fine', 'soon')
    assert.equal(unreadable.error?.graphQLErrors[0]?.extensions.code, 'BAD_USER_INPUT')
  })

  test('shows a subscription live, beside its queries', async () => {
    const { data: created } = await create('watched', 'PT24H')
    const { data: at } = await client.query('{ streamPosition }', {}).toPromise()
    const events = new Recorder<{ run: { id: string; status: string } }>()
    const { unsubscribe } = client
      .subscription('subscription ($after: Cursor) { jobRuns(after: $after) { cursor run { id status } } }', { after: at.streamPosition })
      .subscribe(({ data, error }) => (error ? events.fail(error) : events.add(data.jobRuns)))
    const { data } = await client
      .mutation('mutation ($id: ID!) { triggerJob(input: { id: $id }) { run { id } errors { code } } }', { id: created.createJob.job.id })
      .toPromise()
    const { run } = await events.first('the end of the run', (event) => event.run.status === 'SUCCEEDED')
    assert.equal(run.id, data.triggerJob.run.id)
    unsubscribe()
  })
})
