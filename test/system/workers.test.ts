import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { ended, running, System } from '../support/distributed.ts'
import type { Orrery } from '../support/process.ts'

// Workers that differ in what they can, and workers that die. The lease is short, and with it all that is measured by it: a handler is
// missed after two of them, a process is dead after one and a half.

const LEASE = 3_000
const WITH = { ORRERY_HANDLERS: join(import.meta.dirname, 'fixtures/handlers') }

describe('workers that come and go', () => {
  let system: System
  let able: Orrery
  let unable: Orrery
  before(async () => {
    system = await System.open('api,scheduler', { ORRERY_LEASE: `${LEASE}ms` })
    able = await system.start('worker', WITH)
    unable = await system.start('worker')
  })
  after(() => system?.close())

  test('a worker leaves the runs of handlers that it has not to one that has them', async () => {
    const job = await system.job('greetings', 'greet', { name: 'all' })
    const runs = await Promise.all(Array.from({ length: 20 }, () => system.trigger(job)))
    for (const run of runs) {
      const { status, attempts } = await system.seen(run, 'the end', ended)
      assert.deepEqual([status, attempts.map(({ instanceId }) => instanceId)], ['SUCCEEDED', [system.idOf(able)]])
    }
  })

  test('a run says so when no worker has its handler any more, others pass it, and it runs when one has it again', async () => {
    const [greeting, plain] = [await system.job('greeting', 'greet', { name: 'you' }), await system.job('plain', 'noop')]
    await system.kill(able, 'SIGTERM')
    const waiting = await system.trigger(greeting)
    const passing = await system.trigger(plain)
    const passed = await system.seen(passing, 'the end', ended)
    assert.deepEqual([passed.status, passed.attempts[0]?.instanceId], ['SUCCEEDED', system.idOf(unable)])
    const told = await system.seen(waiting, 'that nobody has its handler', ({ error }) => error !== null)
    assert.deepEqual([told.status, told.attempt, told.error?.code], ['QUEUED', 0, 'NO_HANDLER'])
    assert.match(told.error?.message ?? '', /"greet"/)
    await system.front.logs.first('the warning', ({ msg }) => msg === 'runs wait for a handler that no worker has')

    able = await system.start('worker', WITH)
    const { status, attempt, error } = await system.seen(waiting, 'the end', ended)
    assert.deepEqual([status, attempt, error], ['SUCCEEDED', 1, null])
  })

  test('a worker that is to end holds what it has under way, for however many leases it lasts', async () => {
    const leaving = await system.start('worker', WITH)
    const job = await system.job('lasting', 'wait', { ms: 2.5 * LEASE })
    const runs = await Promise.all([1, 2, 3, 4, 5, 6].map(() => system.trigger(job)))
    for (const run of runs) await system.seen(run, 'the start', running)
    const ends = await Promise.all([able, leaving].map((each) => system.kill(each, 'SIGTERM')))
    assert.deepEqual(
      ends.map(({ code }) => code),
      [0, 0],
    )
    for (const run of runs) {
      const { status, attempt } = await system.seen(run, 'the end', ended)
      assert.deepEqual([status, attempt], ['SUCCEEDED', 1])
    }
    able = await system.start('worker', WITH)
  })

  test('a worker that is killed is taken for dead, and its runs go on with another', async () => {
    const other = await system.start('worker', WITH)
    const job = await system.job('long', 'wait', { ms: 20_000 })
    const run = await system.trigger(job)
    const { attempts } = await system.seen(run, 'the start', running)
    const dying = [able, other].find((each) => system.idOf(each) === attempts[0]?.instanceId)!
    const heir = dying === able ? other : able
    await system.kill(dying, 'SIGKILL')
    const again = await system.seen(run, 'another attempt', (each) => running(each) && each.attempt === 2)
    assert.deepEqual(again.attempts, [
      { status: 'LOST', instanceId: system.idOf(dying) },
      { status: 'RUNNING', instanceId: system.idOf(heir) },
    ])
    await system.cancel(run)
    const dead = await system.front.logs.first('the death', ({ msg }) => String(msg).includes('taken for dead'), 30_000)
    assert.deepEqual(dead.instances, [system.idOf(dying)])
    assert.ok(!(await system.instances()).some(({ id }) => id === system.idOf(dying)))
    able = heir
  })
})
