import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Hint } from '../../src/engine/bus/bus.ts'
import type { Engine } from '../../src/engine/engine.ts'
import type { Consumer } from '../../src/engine/queue/queue.ts'
import type { BegunAttempt } from '../../src/engine/store/store.ts'
import { createPostgresDatabase } from '../support/postgres.ts'
import { administer } from '../support/postgresServer.ts'
import { openEngine } from '../../src/engine/engine.ts'
import { Rings } from '../../src/engine/store/postgres/rings.ts'
import { keepingLog } from '../support/parts.ts'
import { Recorder } from '../support/recorder.ts'
import { ExplainedSession, fill } from './explainedSession.ts'
import { changeJob, createJob, manualRunOf, planOf, positionOf, runEntry, runOf, settleOne } from './factories.ts'

describe('runs between machines', () => {
  it('planned in one process begin in another at once, each once, however many workers there are', async (t) => {
    const { open } = await openDatabase(t)
    const planner = await open('ins_planner')
    // Neither has room for all of them.
    const room = 300
    const workers = [await startWorker(await open('ins_a'), 'ins_a', { room }), await startWorker(await open('ins_b'), 'ins_b', { room })]
    const { store } = planner
    const jobs = await Promise.all(Array.from({ length: 20 }, () => createJob(store, { policies: { overlap: 'ALLOW_ALL' } })))
    const planned: string[] = []
    for (let round = 0; round < 5; round++) {
      const plans = await Promise.all(
        jobs.map(async (job) => {
          const position = await positionOf(store, job.id)
          const runs = Array.from({ length: 5 }, (_, i) => runOf(job, { occurrence: position.plannedUntil + i + 1 }))
          planned.push(...runs.map(({ id }) => id))
          return planOf(position, runs.map(runEntry))
        }),
      )
      assert.ok((await store.commitPlans(plans, Date.now())).every(Boolean))
    }
    const delivered = () => workers.flatMap((worker) => worker.delivered.all.map(({ runId }) => runId))
    await Promise.race(workers.map((worker) => worker.delivered.until('all runs', () => delivered().length >= planned.length)))
    assert.deepEqual(delivered().sort(), planned.sort())
  })

  it('go to whoever has room where the worker that heard of them has none', async (t) => {
    const { open } = await openDatabase(t)
    const planner = await open('ins_planner')
    const full = await startWorker(await open('ins_a'), 'ins_a', { room: 0 })
    const other = await startWorker(await open('ins_b'), 'ins_b', { room: 100 })
    const job = await createJob(planner.store, { policies: { overlap: 'ALLOW_ALL' } })
    for (let i = 1; i <= 20; i++) {
      await changeJob(planner.store, job.id, () => ({ runs: [manualRunOf(job)] }))
      // Far sooner than either would look by itself.
      await other.delivered.until(`${i} runs`, (all) => all.length === i, 4_000)
    }
    assert.equal(full.delivered.all.length, 0)
  })

  it('go to whoever has their handler', async (t) => {
    const { open } = await openDatabase(t)
    const planner = await open('ins_planner')
    const without = await startWorker(await open('ins_a'), 'ins_a', { handlers: new Set(['other']) })
    const having = await startWorker(await open('ins_b'), 'ins_b', { handlers: new Set(['noop']) })
    const job = await createJob(planner.store, { policies: { overlap: 'ALLOW_ALL' } })
    for (let i = 1; i <= 20; i++) {
      await changeJob(planner.store, job.id, () => ({ runs: [manualRunOf(job)] }))
      await having.delivered.until(`${i} runs`, (all) => all.length === i, 4_000)
    }
    assert.equal(without.delivered.all.length, 0)
  })

  it('that wait for an instant begin at it, in a process that did not plan them', async (t) => {
    const { open } = await openDatabase(t)
    const planner = await open('ins_planner')
    const worker = await startWorker(await open('ins_a'), 'ins_a')
    const job = await createJob(planner.store)
    const dueAt = Date.now() + 400
    await changeJob(planner.store, job.id, () => ({ runs: [manualRunOf(job, { dueAt })] }))
    await worker.delivered.until('the run', (all) => all.length === 1, 3_000)
    assert.ok(worker.delivered.all[0]!.startedAt >= dueAt)
  })

  it('that the end of another releases begin in any process', async (t) => {
    const { open } = await openDatabase(t)
    const planner = await open('ins_planner')
    const worker = await startWorker(await open('ins_a'), 'ins_a', { room: 1 })
    const job = await createJob(planner.store)
    await changeJob(planner.store, job.id, () => ({ runs: [manualRunOf(job), manualRunOf(job, { heldBy: 'OVERLAP' })] }))
    await worker.delivered.until('the first', (all) => all.length === 1)
    worker.room = 1
    // Ended by a process that has no worker, as by one that takes attempts for lost.
    await settleOne(planner.store, worker.delivered.all[0]!, undefined, Date.now())
    await worker.delivered.until('the second', (all) => all.length === 2, 4_000)
  })
})

describe('cancels between machines', () => {
  it('are heard by the process that performs the attempt', async (t) => {
    const { open } = await openDatabase(t)
    const planner = await open('ins_planner')
    const performing = await open('ins_a')
    const { runId, heard } = await underWay(planner, performing)
    await planner.store.changeRun(runId, () => ({ kind: 'cancel', now: Date.now() }))
    await heard.until('the cancel', (all) => all.includes(runId), 1_000)
  })

  it('reach it within two seconds though nobody told it', async (t) => {
    const { url, open } = await openDatabase(t)
    const { runId, heard } = await underWay(await open('ins_planner'), await open('ins_a'))
    await administer(url, `UPDATE "Run" SET "cancelRequestedAt" = now() WHERE id = '${runId}'`)
    await heard.until('the cancel', (all) => all.includes(runId), 2_000)
  })

  it('are looked for among those that were asked, not among all attempts', async (t) => {
    const { url, atEnd } = await openDatabase(t)
    await fill(url, { jobs: 2_000, runsEach: 2 })
    await administer(url, `UPDATE "Run" SET status = 'RUNNING', "instanceId" = 'ins_a', "finishedAt" = NULL`)
    await administer(url, 'ANALYZE "Run"')
    const session = await ExplainedSession.open(url)
    atEnd(() => session.end())
    assert.deepEqual(await new Rings(session).askedToCancel('ins_a'), [])
    assert.ok(session.explained[0]!.looked < 5, JSON.stringify(session.explained[0]))
    assert.equal(await new Rings(session).anyReady(['run_1', 'run_2']), false)
    assert.ok(session.explained[1]!.looked < 5, JSON.stringify(session.explained[1]))
  })
})

interface TestWorker extends Consumer {
  room: number
  readonly delivered: Recorder<BegunAttempt>
}

interface Options {
  readonly room?: number
  readonly handlers?: ReadonlySet<string> | null
}

async function startWorker({ queue }: Engine, instanceId: string, { room = 1_000, handlers = null }: Options = {}): Promise<TestWorker> {
  const worker: TestWorker = {
    instanceId,
    room,
    delivered: new Recorder(),
    free: () => worker.room,
    leaseUntil: (now) => now + 30_000,
    handlers: () => handlers,
    deliver(attempts) {
      worker.room -= attempts.length
      for (const attempt of attempts) worker.delivered.add(attempt)
    },
  }
  queue.start(worker)
  return worker
}

/** A run that one process has planned and the other performs, and what that one hears of cancels. */
async function underWay(planner: Engine, performing: Engine) {
  const heard = new Recorder<string>()
  performing.bus.subscribe((hint: Hint) => {
    if (hint.kind === 'cancels') for (const runId of hint.runIds) heard.add(runId)
  })
  const worker = await startWorker(performing, 'ins_a')
  const job = await createJob(planner.store)
  await changeJob(planner.store, job.id, () => ({ runs: [manualRunOf(job)] }))
  await worker.delivered.until('the run', (all) => all.length === 1)
  return { runId: worker.delivered.all[0]!.runId, heard }
}

async function openDatabase(t: TestContext) {
  const { url, drop } = await createPostgresDatabase()
  const closings: (() => Promise<void>)[] = [drop]
  t.after(async () => {
    for (const close of closings.reverse()) await close()
  })
  return {
    url,
    atEnd: (close: () => Promise<void>) => closings.push(close),
    async open(instanceId: string): Promise<Engine> {
      const engine = await openEngine({ databaseUrl: url, instanceId, log: keepingLog().log })
      closings.push(() => engine.close())
      return engine
    },
  }
}
