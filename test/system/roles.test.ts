import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { ended, RUN, type RunEvent, running, System } from '../support/distributed.ts'
import { request, subscribeWs } from '../support/graphqlClient.ts'
import { createJob } from '../support/jobs.ts'
import type { Orrery } from '../support/process.ts'

// Processes with a role each, as they stand on as many machines, on one Postgres.

const HANDLERS = join(import.meta.dirname, 'fixtures/handlers')

describe('api, scheduler and worker in processes of their own', () => {
  let system: System
  let worker: Orrery
  before(async () => {
    system = await System.open('api')
    worker = await system.start('worker', { ORRERY_HANDLERS: HANDLERS })
    await system.start('scheduler')
  })
  after(() => system?.close())

  test('each is listed with its role, and the clocks of their machines agree', async () => {
    const instances = await system.instances()
    assert.deepEqual(
      instances.map(({ roles }) => roles),
      [['API'], ['WORKER'], ['SCHEDULER']],
    )
    for (const { clockSkew } of instances) assert.match(clockSkew ?? '', /^PT0(\.\d+)?S$/)
  })

  test('the api takes jobs for handlers whose code it has not, if their payload fits', async () => {
    const { handlers } = await request<{ handlers: { name: string; description: string | null; payloadSchema: unknown }[] }>(
      system.front.url,
      '{ handlers { name description payloadSchema } }',
    )
    const greet = handlers.find(({ name }) => name === 'greet')
    assert.equal(greet!.description, 'Says hello to somebody.')
    assert.deepEqual((greet!.payloadSchema as { required: string[] }).required, ['name'])
    await assert.rejects(system.job('bad', 'greet', { name: 7 }), /payload.*name/)
    await assert.rejects(system.job('worse', 'nobody-has-it'), /There is no handler/)
    const run = await system.trigger(await system.job('greeting', 'greet', { name: 'you' }))
    const { status, attempts } = await system.seen(run, 'the end', ended)
    assert.deepEqual([status, attempts], ['SUCCEEDED', [{ status: 'SUCCEEDED', instanceId: system.idOf(worker) }]])
  })

  test('a worker tells who asks it for the API where to ask, its health, and its metrics', async () => {
    assert.match(worker.stdout(), /^orrery ready on http:\/\/127\.0\.0\.1:\d+ as worker\n$/)
    const refused = await fetch(`${worker.origin}/graphql?query={system{version}}`)
    assert.equal(refused.status, 404)
    assert.match(await refused.text(), /its work is worker/)
    const ready = (await (await fetch(`${worker.origin}/health/ready`)).json()) as { checks: object }
    assert.deepEqual(ready.checks, { database: 'ok', worker: 'ok' })
    const metrics = await (await fetch(`${worker.origin}/metrics`)).text()
    for (const line of ['orrery_database_up 1', 'orrery_attempts_capacity 64', 'orrery_instances{role="worker"} 1'])
      assert.ok(metrics.includes(`\n${line}\n`), metrics)
  })

  test('a schedule is fired by the scheduler and performed by the worker', async () => {
    const { id } = await createJob(system.front.url, { name: 'every second', schedule: { interval: { every: '1s' } } })
    const fired = await subscribeWs<RunEvent>(
      system.front.url,
      `subscription ($ids: [ID!]) { jobRuns(filter: { jobIds: $ids }) { run { ${RUN} } } }`,
      { ids: [id] },
    )
    await fired.events.until('two runs that succeeded', (all) => {
      const ends = all.filter(({ jobRuns: { run } }) => run.status === 'SUCCEEDED')
      return new Set(ends.map(({ jobRuns: { run } }) => run.id)).size >= 2
    })
    await fired.close()
    await request(system.front.url, 'mutation ($id: ID!) { deleteJob(input: { id: $id }) { errors { code } } }', { id })
  })

  test('a cancel reaches the worker within 2 s, long before it renews its lease', async () => {
    const run = await system.trigger(await system.job('cancelled', 'wait', { ms: 60_000 }))
    await system.seen(run, 'the start', running)
    await system.cancel(run)
    const { status, cancelRequestedAt, finishedAt } = await system.seen(run, 'the end', ended)
    assert.equal(status, 'CANCELLED')
    const took = Date.parse(finishedAt!) - Date.parse(cancelRequestedAt!)
    assert.ok(took >= 0 && took < 2_000, `${took} ms`)
  })

  test('a worker that is stopped takes nothing more, finishes, interrupts what does not end, and is not listed any more', async () => {
    const draining = await system.start('worker', { ORRERY_HANDLERS: HANDLERS, ORRERY_DRAIN_TIMEOUT: '3s' })
    await system.kill(worker, 'SIGTERM')
    const [short, long] = [await system.job('short', 'wait', { ms: 1_500 }), await system.job('long', 'wait', { ms: 60_000 })]
    const runs = [await system.trigger(short), await system.trigger(long)]
    for (const run of runs) await system.seen(run, 'the start', running)
    const stopping = system.kill(draining, 'SIGTERM')
    await draining.logs.first('the drain', ({ msg }) => msg === 'waiting for attempts under way')
    const health = await fetch(`${draining.origin}/health/ready`)
    assert.deepEqual([health.status, ((await health.json()) as { status: string }).status], [503, 'draining'])
    const late = await system.trigger(short)
    assert.equal((await stopping).code, 0)

    const finished = await system.seen(runs[0]!, 'the end', ended)
    assert.deepEqual([finished.status, finished.attempt], ['SUCCEEDED', 1])
    await system.seen(
      runs[1]!,
      'its interruption',
      ({ status, attempts }) => status === 'RETRYING' && attempts[0]?.status === 'INTERRUPTED',
    )
    assert.ok(!(await system.instances()).some(({ id }) => id === system.idOf(draining)))

    worker = await system.start('worker', { ORRERY_HANDLERS: HANDLERS })
    const next = await system.seen(late, 'the end', ended)
    assert.deepEqual([next.status, next.attempts.map(({ instanceId }) => instanceId)], ['SUCCEEDED', [system.idOf(worker)]])
    await system.seen(runs[1]!, 'another attempt', (run) => running(run) && run.attempt === 2)
    await system.cancel(runs[1]!)
  })
})
