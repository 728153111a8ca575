import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Hint } from '../../src/engine/bus/bus.ts'
import { openPostgresBus, type PostgresBus } from '../../src/engine/bus/postgresBus.ts'
import { DatabaseClock } from '../../src/engine/databaseClock.ts'
import { keepingLog } from '../support/parts.ts'
import { createPostgresDatabase } from '../support/postgres.ts'
import { administer } from '../support/postgresServer.ts'
import { Recorder } from '../support/recorder.ts'

describe('the bus between processes', () => {
  it('tells others what is told here, at once here and never twice', async (t) => {
    const [a, b] = await openBuses(t, 2)
    const { hints: here } = a!
    a!.bus.publish({ kind: 'changes', upTo: 3 })
    assert.deepEqual(here.all, [{ kind: 'changes', upTo: 3 }])
    a!.bus.publish({ kind: 'cancels', runIds: ['run_1'] })
    await b!.hints.first('a cancel', ({ kind }) => kind === 'cancels')
    assert.deepEqual(b!.hints.all, [
      { kind: 'changes', upTo: 3 },
      { kind: 'cancels', runIds: ['run_1'] },
    ])
    b!.bus.publish({ kind: 'runs' })
    await a!.hints.first('runs', ({ kind }) => kind === 'runs')
    assert.equal(here.all.length, 3)
  })

  it('tells this process alone, or the others alone, where asked', async (t) => {
    const [a, b] = await openBuses(t, 2)
    a!.bus.publishHere({ kind: 'changes', upTo: 1 })
    a!.bus.publishThere({ kind: 'changes', upTo: 2 })
    await b!.hints.first('a change', ({ kind }) => kind === 'changes')
    assert.deepEqual([a!.hints.all, b!.hints.all], [[{ kind: 'changes', upTo: 1 }], [{ kind: 'changes', upTo: 2 }]])
  })

  it('merges what is told in one breath, and what is told while it speaks', async (t) => {
    const [a, b] = await openBuses(t, 2)
    for (let i = 1; i <= 1_000; i++) {
      a!.bus.publish({ kind: 'changes', upTo: i })
      a!.bus.publish({ kind: 'jobs', wakeAt: 5_000 - i })
    }
    await b!.hints.first('the last change', (hint) => hint.kind === 'changes' && hint.upTo === 1_000)
    assert.equal(b!.hints.all.length, 2)
    assert.deepEqual(b!.hints.all[1], { kind: 'jobs', wakeAt: 4_000 })
  })

  it('carries more ids than a notification holds', async (t) => {
    const [a, b] = await openBuses(t, 2)
    const runIds = Array.from({ length: 3_000 }, (_, i) => `run_01JDGXW8H2QZ3T5V7Y9B${String(i).padStart(6, '0')}`)
    a!.bus.publish({ kind: 'cancels', runIds })
    const heard = () => b!.hints.all.flatMap((hint) => (hint.kind === 'cancels' ? hint.runIds : []))
    await b!.hints.until('all ids', () => heard().length >= runIds.length)
    assert.deepEqual(heard(), runIds)
  })

  it('keeps the hints of one schema from another', async (t) => {
    const { url } = await database(t)
    await administer(url, 'CREATE SCHEMA other')
    const other = await openBus(t, `${url}?options=-c%20search_path%3Dother`, 'ins_other')
    const [a, b] = [await openBus(t, url, 'ins_a'), await openBus(t, url, 'ins_b')]
    a.bus.publish({ kind: 'runs' })
    await b.hints.first('runs', ({ kind }) => kind === 'runs')
    other.bus.publish({ kind: 'changes', upTo: 1 })
    b.bus.publish({ kind: 'changes', upTo: 2 })
    await a.hints.first('a change', ({ kind }) => kind === 'changes')
    assert.deepEqual([other.hints.all.length, a.hints.all.length], [1, 2])
  })

  it('has everybody look for everything after a time without connection', async (t) => {
    const { url } = await database(t)
    const [a, b] = [await openBus(t, url, 'ins_a'), await openBus(t, url, 'ins_b')]
    await endSessions(url, 'ins_a')
    // It does not know yet, or has no connection: what it says now is lost, and it does not mind.
    await a.lines.first('a broken line', (line) => line.includes('broke'))
    a.bus.publish({ kind: 'changes', upTo: 9 })
    const look: Hint[] = [{ kind: 'changes', upTo: null }, { kind: 'jobs', wakeAt: 0 }, { kind: 'runs' }, { kind: 'logs', runIds: null }]
    for (const { hints } of [a, b]) await hints.first('all logs', (hint) => hint.kind === 'logs')
    assert.deepEqual(a.hints.all, [{ kind: 'changes', upTo: 9 }, ...look])
    assert.deepEqual(b.hints.all, look)
    b.bus.publish({ kind: 'cancels', runIds: ['run_1'] })
    await a.hints.first('a cancel', ({ kind }) => kind === 'cancels')
  })

  it('has nobody else look where nothing was lost but what it did not hear', async (t) => {
    const { url } = await database(t)
    const [a, b] = [await openBus(t, url, 'ins_a'), await openBus(t, url, 'ins_b')]
    await endSessions(url, 'ins_b')
    await b.hints.first('all logs', (hint) => hint.kind === 'logs')
    b.bus.publish({ kind: 'runs' })
    await a.hints.first('runs', ({ kind }) => kind === 'runs')
    assert.deepEqual(a.hints.all, [{ kind: 'runs' }])
  })

  it('measures how far the clocks are apart', async (t) => {
    const [a] = await openBuses(t, 1)
    assert.ok(Math.abs(a!.clock.skew()!) < 100)
  })

  it('shares the jobs among those that plan, as far as they were heard of', async (t) => {
    const buses = await openBuses(t, 3)
    assert.deepEqual(buses[0]!.bus.share(), { rank: 0, of: 1 })
    // Whoever joins is heard at once; it hears of the others with their next beat.
    for (const { bus } of buses) bus.share()
    for (const [rank, { bus }] of buses.entries()) await eventually(() => assert.deepEqual(bus.share(), { rank, of: 3 }))
    await buses[1]!.bus.close()
    await eventually(() => assert.deepEqual(buses[2]!.bus.share(), { rank: 1, of: 2 }))
    await eventually(() => assert.deepEqual(buses[0]!.bus.share(), { rank: 0, of: 2 }))
  })

  it('does not count on those that do not plan', async (t) => {
    const [a, b] = await openBuses(t, 2)
    b!.bus.publish({ kind: 'runs' })
    await a!.hints.first('runs', ({ kind }) => kind === 'runs')
    assert.deepEqual(a!.bus.share(), { rank: 0, of: 1 })
  })

  it('refuses to open where there is no database', async () => {
    const options = { applicationName: 'orrery:x', instanceId: 'x', clock: new DatabaseClock(), onSilence: () => {}, log: keepingLog().log }
    await assert.rejects(openPostgresBus({ url: 'postgres://127.0.0.1:1/none', ...options }), { code: 'ECONNREFUSED' })
  })
})

interface Opened {
  readonly bus: PostgresBus
  readonly hints: Recorder<Hint>
  readonly lines: Recorder<string>
  readonly clock: DatabaseClock
}

async function openBuses(t: TestContext, count: number): Promise<readonly Opened[]> {
  const { url } = await database(t)
  return Promise.all(Array.from({ length: count }, (_, i) => openBus(t, url, `ins_${i}`)))
}

async function openBus(t: TestContext, url: string, instanceId: string): Promise<Opened> {
  const lines = new Recorder<string>()
  const say = (_: object, message: string) => lines.add(message)
  const clock = new DatabaseClock()
  const log = { info: say, warn: say, error: say }
  const bus = await openPostgresBus({ url, applicationName: `orrery:${instanceId}`, instanceId, clock, onSilence: () => {}, log })
  const hints = new Recorder<Hint>()
  bus.subscribe((hint) => hints.add(hint))
  t.after(() => bus.close())
  return { bus, hints, lines, clock }
}

/** Removed when the test ends, after all that was opened on it was closed. */
async function database(t: TestContext): Promise<{ readonly url: string }> {
  const { url, drop } = await createPostgresDatabase()
  t.after(drop)
  return { url }
}

async function endSessions(url: string, instanceId: string): Promise<void> {
  await administer(url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'orrery:${instanceId}'`)
}

/** Tries again in every turn until it holds: what it waits for is a beat of another connection. */
async function eventually(holds: () => void): Promise<void> {
  const deadline = Date.now() + 10_000
  for (;;) {
    try {
      holds()
      return
    } catch (error) {
      if (Date.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
}
