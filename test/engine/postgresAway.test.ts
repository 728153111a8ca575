import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Hint } from '../../src/engine/bus/bus.ts'
import { type Engine, openEngine } from '../../src/engine/engine.ts'
import { StoreUnavailable } from '../../src/engine/errors.ts'
import type { Consumer } from '../../src/engine/queue/queue.ts'
import type { BegunAttempt, Store } from '../../src/engine/store/store.ts'
import { keepingLog } from '../support/parts.ts'
import { type OwnPostgres, startPostgres } from '../support/postgres.ts'
import { administer, urlOf } from '../support/postgresServer.ts'
import { Recorder } from '../support/recorder.ts'
import { createJob, newJobOf, planRun } from './factories.ts'

// An error that nobody listens for would end this process, and with it the test.

// Side by side: each has a server of its own, and waits for what is away most of the time.
describe('a database that goes away', { concurrency: 3 }, () => {
  it('killed and started again: verbs say so, nothing that was acknowledged is lost, and everything goes on', async (t) => {
    const { server, a, b } = await openTwo(t)
    const load = startLoad(b.engine.store)
    await load.acknowledged.until('some jobs', (all) => all.length > 20)
    await server.stop('kill')
    await areUnavailable(a.engine.store)
    await areUnavailable(b.engine.store)
    await load.refused.until('refusals', (all) => all.length > 0)
    // Started again at once it would hardly have been away.
    await a.lines.first('that others are not heard', (line) => line.includes('connecting again'))
    await server.start()
    await goesOn(a, b)
    const { length } = load.acknowledged.all
    await load.acknowledged.until('more jobs', (all) => all.length > length + 20)
    await load.stop()
    const rows = await a.engine.store.jobRows(load.acknowledged.all)
    assert.equal(rows.filter((row) => row !== null).length, load.acknowledged.all.length)
    for (const error of load.refused.all) assert.ok(error instanceof StoreUnavailable, String(error))
  })

  it('frozen and thawed: a process that asks whether it is there is told soon, and everything goes on', async (t) => {
    const { server, a, b } = await openTwo(t)
    server.freeze()
    const waiting = b.engine.store.createJobs([newJobOf()]).then(
      () => null,
      (error: unknown) => error,
    )
    await assert.rejects(a.engine.store.check(), StoreUnavailable)
    await b.lines.first('that others are not heard', (line) => line.includes('connecting again'))
    server.thaw()
    const answer = await waiting
    assert.ok(answer === null || answer instanceof StoreUnavailable, String(answer))
    await goesOn(a, b)
  })

  it('all connections ended, again and again, as by a failover: everything goes on', async (t) => {
    const { server, a, b } = await openTwo(t)
    const load = startLoad(b.engine.store)
    for (let round = 1; round <= 5; round++) {
      const { length } = load.acknowledged.all
      await load.acknowledged.until('more jobs', (all) => all.length > length + 5)
      await endSessions(server, 'orrery')
    }
    await goesOn(a, b)
    await load.stop()
    const rows = await a.engine.store.jobRows(load.acknowledged.all)
    assert.equal(rows.filter((row) => row !== null).length, load.acknowledged.all.length)
    for (const error of load.refused.all) assert.ok(error instanceof StoreUnavailable, String(error))
  })

  it('too many connections: verbs say so, and everything goes on when there is room', async (t) => {
    const { server, a, b } = await openTwo(t)
    await administer(server.url, 'ALTER ROLE app CONNECTION LIMIT 0')
    await endSessions(server, 'orrery')
    await areUnavailable(a.engine.store)
    await areUnavailable(b.engine.store)
    await administer(server.url, 'ALTER ROLE app CONNECTION LIMIT -1')
    await goesOn(a, b)
  })

  it('away or frozen for good: the engine closes all the same', async (t) => {
    const { server, a, b } = await openTwo(t)
    server.freeze()
    const waiting = a.engine.store.createJobs([newJobOf()]).catch((error: unknown) => error)
    const begun = performance.now()
    await a.engine.close()
    assert.ok((await waiting) instanceof StoreUnavailable)
    assert.ok(performance.now() - begun < 20_000)
    await server.stop('kill')
    await b.engine.close()
    assert.ok(performance.now() - begun < 40_000)
  })
})

interface Process {
  readonly engine: Engine
  readonly hints: Recorder<Hint>
  readonly lines: Recorder<string>
  readonly delivered: Recorder<BegunAttempt>
}

/** Two processes on one database, each with a worker that only takes what it is given. */
async function openTwo(t: TestContext) {
  const server = await startPostgres()
  const processes: Process[] = []
  t.after(async () => {
    for (const { engine } of processes) await engine.close()
    await server.remove()
  })
  await administer(server.url, `CREATE ROLE app LOGIN PASSWORD 'app'`)
  await administer(server.url, 'CREATE DATABASE orrery_app OWNER app')
  const url = new URL(urlOf(server.url, 'orrery_app'))
  url.username = 'app'
  url.password = 'app'
  for (const instanceId of ['ins_a', 'ins_b']) processes.push(await openProcess(url.href, instanceId))
  const [a, b] = processes as [Process, Process]
  a.engine.queue.start(consumer('ins_a', a.delivered))
  await goesOn(a, b)
  return { server, a, b }
}

async function openProcess(databaseUrl: string, instanceId: string): Promise<Process> {
  const { log } = keepingLog()
  const lines = new Recorder<string>()
  const say = (level: 'info' | 'warn' | 'error') => (fields: object, message: string) => {
    log[level](fields, message)
    lines.add(message)
  }
  const engine = await openEngine({ databaseUrl, instanceId, log: { info: say('info'), warn: say('warn'), error: say('error') } })
  const hints = new Recorder<Hint>()
  engine.bus.subscribe((hint) => hints.add(hint))
  return { engine, hints, lines, delivered: new Recorder() }
}

function consumer(instanceId: string, delivered: Recorder<BegunAttempt>): Consumer {
  return {
    instanceId,
    free: () => 100,
    leaseUntil: (now) => now + 30_000,
    handlers: () => null,
    deliver: (attempts) => {
      for (const attempt of attempts) delivered.add(attempt)
    },
  }
}

/** What is written by one process is begun by the other, and told to it. */
async function goesOn(a: Process, b: Process): Promise<void> {
  const heard = b.hints.all.length
  const run = await eventually(async () => planRun(b.engine.store, await createJob(b.engine.store)))
  const { cursor } = await a.delivered
    .first(`the run ${run.id}`, ({ runId }) => runId === run.id)
    .then(async () => (await eventually(() => a.engine.store.run(run.id)))!)
  await eventually(async () => assert.ok((await b.engine.store.streamHead()) >= cursor))
  // Who hears again only after that is told to look.
  const tells = (hint: Hint) => hint.kind === 'changes' && (hint.upTo === null || hint.upTo >= cursor)
  await b.hints.until('what the other did', (all) => all.slice(heard).some(tells))
  for (const { engine } of [a, b]) await eventually(() => engine.store.check())
}

/** Reads, writes and the question whether it is there. */
async function areUnavailable(store: Store): Promise<void> {
  const calls = [
    () => store.createJobs([newJobOf()]),
    () => store.streamHead(),
    () => store.duePositions(0, 1),
    () => store.beginReady({ instanceId: 'ins_x', now: 0, leaseUntil: 0, handlers: null }, 1),
    () => store.check(),
  ]
  for (const call of calls) await assert.rejects(call(), StoreUnavailable)
}

/** Creates jobs one after the other, and goes on whatever it is told, like somebody who tries again. */
function startLoad(store: Store) {
  const acknowledged = new Recorder<string>()
  const refused = new Recorder<unknown>()
  let going = true
  const work = async () => {
    while (going) {
      try {
        acknowledged.add((await createJob(store)).id)
      } catch (error) {
        refused.add(error)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  }
  const workers = [work(), work(), work(), work()]
  return {
    acknowledged,
    refused,
    async stop() {
      going = false
      await Promise.all(workers)
    },
  }
}

async function endSessions(server: OwnPostgres, prefix: string): Promise<void> {
  await administer(server.url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '${prefix}:%'`)
}

/** As callers do while a database is away: again and again. */
async function eventually<T>(call: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + 30_000
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if (Date.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}
