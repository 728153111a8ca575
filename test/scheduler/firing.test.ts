import assert from 'node:assert/strict'
import { randomFillSync } from 'node:crypto'
import { describe, it } from 'node:test'
import type { Outcome } from '../../src/domain/run.ts'
import type { RunRow } from '../../src/engine/store/store.ts'
import { recover } from '../../src/scheduler/recover.ts'
import { Scheduler } from '../../src/scheduler/scheduler.ts'
import { Watch } from '../../src/scheduler/watch.ts'
import type { Performers } from '../../src/worker/execute.ts'
import type { RunContext } from '../../src/worker/runContext.ts'
import { Worker } from '../../src/worker/worker.ts'
import { caller, HandClock, keepingLog, NOON, openParts, type Parts } from '../support/parts.ts'

const MINUTE = 60_000
const LEASE = 30_000
const succeeded: Outcome = { kind: 'SUCCEEDED', output: null }
const failed: Outcome = { kind: 'FAILED', error: { code: 'X', message: 'x', stack: null, retryable: true }, output: null, retryAfter: null }

/** A real worker over the parts' engine whose handler is a function of the test. */
async function openWorker(
  parts: Parts,
  perform: (context: RunContext) => Promise<Outcome>,
  options: { concurrency?: number; drainTimeout?: number } = {},
) {
  const unexpected = { perform: () => assert.fail('another kind of target was performed') }
  const performers: Performers = { http: unexpected, command: unexpected, handler: { perform: (_target, context) => perform(context) } }
  const { engine, clock } = parts
  const { entries, log } = keepingLog()
  const worker = new Worker({
    store: engine.store,
    queue: engine.queue,
    bus: engine.bus,
    performers,
    log: log as never,
    instanceId: 'ins_test',
    handlers: null,
    concurrency: options.concurrency ?? 64,
    lease: 30_000,
    drainTimeout: options.drainTimeout ?? 1_000,
    now: clock.now,
    leaseNow: clock.now,
    random: () => 0.5,
  })
  await worker.start()
  let stopped = false
  const stop = async () => {
    if (stopped) return
    stopped = true
    await worker.stop()
  }
  parts.atEnd(stop)
  return { worker, entries, stop }
}

/** Resolves when the run is as asked; the bus tells when to look. */
async function until(parts: Parts, runId: string, holds: (run: RunRow) => boolean): Promise<RunRow> {
  const { store, bus } = parts.engine
  for (;;) {
    const changed = new Promise<void>((resolve) => {
      const end = bus.subscribe((hint) => {
        if (hint.kind !== 'changes') return
        end()
        resolve()
      })
    })
    const run = await store.run(runId)
    if (run !== null && holds(run)) return run
    await changed
  }
}

async function runsOf(parts: Parts, jobId: string): Promise<readonly RunRow[]> {
  const filter = { jobIds: [jobId], status: null, trigger: null, scheduledFrom: null, scheduledTo: null, tags: null }
  return parts.engine.store.listRuns({
    filter,
    orderBy: { field: 'QUEUED_AT', direction: 'ASC' },
    after: null,
    before: null,
    fromEnd: false,
    limit: 100,
  })
}

describe('firing', () => {
  it('a due job runs, and how it went is stored', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({ payload: { n: 1 } })
    await openWorker(parts, async ({ attempt }) => ({ kind: 'SUCCEEDED', output: attempt.payload }))
    parts.clock.forward(MINUTE + 3)
    await parts.scheduler.tick()
    const [queued] = await runsOf(parts, id)
    const run = await until(parts, queued!.id, ({ status }) => status === 'SUCCEEDED')
    assert.deepEqual(
      [run.occurrence, run.startedAt, run.finishedAt, run.output, run.attempt],
      [NOON + MINUTE, NOON + MINUTE + 3, NOON + MINUTE + 3, '{"n":1}', 1],
    )
    const { position, lastRunStatus } = (await parts.engine.store.job({ id }))!
    assert.deepEqual([position.activeRuns, position.lastRunId, lastRunStatus], [0, run.id, 'SUCCEEDED'])
  })

  it('a waiting run starts when the one before it has ended', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({ policies: { overlap: 'BUFFER_ALL' } })
    const ends: (() => void)[] = []
    await openWorker(parts, () => new Promise((resolve) => ends.push(() => resolve(succeeded))))
    for (let i = 0; i < 3; i++) {
      parts.clock.forward(MINUTE)
      await parts.scheduler.tick()
    }
    const [first, second, third] = await runsOf(parts, id)
    await until(parts, first!.id, ({ status }) => status === 'RUNNING')
    assert.deepEqual([second!.heldBy, third!.heldBy], ['OVERLAP', 'OVERLAP'])
    ends[0]!()
    await until(parts, second!.id, ({ status }) => status === 'RUNNING')
    assert.equal((await parts.engine.store.run(third!.id))?.status, 'QUEUED')
    ends[1]!()
    await until(parts, third!.id, ({ status }) => status === 'RUNNING')
    ends[2]!()
    await until(parts, third!.id, ({ status }) => status === 'SUCCEEDED')
  })

  it('CANCEL_OTHER ends the run under way and then starts the new one', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({ policies: { overlap: 'CANCEL_OTHER' } })
    const started: string[] = []
    await openWorker(parts, ({ attempt, signal }) => {
      started.push(attempt.runId)
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve({ kind: 'CANCELLED' })))
    })
    parts.clock.forward(MINUTE)
    await parts.scheduler.tick()
    const [first] = await runsOf(parts, id)
    await until(parts, first!.id, ({ status }) => status === 'RUNNING')
    parts.clock.forward(MINUTE)
    await parts.scheduler.tick()
    const [, second] = await runsOf(parts, id)
    await until(parts, second!.id, ({ status }) => status === 'RUNNING')
    assert.equal((await parts.engine.store.run(first!.id))?.status, 'CANCELLED')
    assert.deepEqual(started, [first!.id, second!.id])
  })

  it('a failed attempt is tried again when its wait is over, and the last failure is final', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({ policies: { maxAttempts: 2, backoff: { initial: 20, jitter: false } } })
    await openWorker(parts, async () => failed)
    const run = await parts.commands.triggerJob({ id }, caller)
    assert.ok(run.ok)
    const waiting = await until(parts, run.value.runId, ({ status }) => status === 'RETRYING')
    assert.equal(waiting.nextAttemptAt, NOON + 20)
    parts.clock.forward(20)
    parts.engine.queue.pull()
    const final = await until(parts, run.value.runId, ({ status }) => status === 'FAILED')
    assert.deepEqual([final.attempt, final.error?.code], [2, 'X'])
    const attempts = (await parts.engine.store.attempts([final.id])).get(final.id)!
    assert.deepEqual(
      attempts.map(({ number, status }) => [number, status]),
      [
        [1, 'FAILED'],
        [2, 'FAILED'],
      ],
    )
  })

  it('takes no more attempts at once than it may', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({ policies: { overlap: 'ALLOW_ALL' } })
    let underWay = 0
    let most = 0
    const full = Promise.withResolvers<void>()
    await openWorker(
      parts,
      async () => {
        most = Math.max(most, ++underWay)
        if (underWay === 3) full.resolve()
        await full.promise
        await new Promise((resolve) => setImmediate(resolve))
        underWay--
        return succeeded
      },
      { concurrency: 3 },
    )
    const runs = await Promise.all(Array.from({ length: 20 }, () => parts.commands.triggerJob({ id }, caller)))
    for (const run of runs) {
      assert.ok(run.ok)
      await until(parts, run.value.runId, ({ status }) => status === 'SUCCEEDED')
    }
    assert.equal(most, 3)
  })
})

describe('ending', () => {
  it('a cancel reaches the run under way', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({})
    await openWorker(
      parts,
      ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve({ kind: 'CANCELLED' }))),
    )
    const run = await parts.commands.triggerJob({ id }, caller)
    assert.ok(run.ok)
    await until(parts, run.value.runId, ({ status }) => status === 'RUNNING')
    assert.ok((await parts.commands.cancelRun({ id: run.value.runId }, caller)).ok)
    const final = await until(parts, run.value.runId, ({ status }) => status === 'CANCELLED')
    assert.equal(final.cancelRequestedAt, NOON)
  })

  it('an orderly stop waits, then interrupts without counting the attempt; the next start goes on', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({ policies: { maxAttempts: 1 } })
    const { stop } = await openWorker(
      parts,
      ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve({ kind: 'CANCELLED' }))),
      { drainTimeout: 10 },
    )
    const run = await parts.commands.triggerJob({ id }, caller)
    assert.ok(run.ok)
    await until(parts, run.value.runId, ({ status }) => status === 'RUNNING')
    await stop()
    const interrupted = await parts.engine.store.run(run.value.runId)
    assert.deepEqual([interrupted?.status, interrupted?.attemptsUsed], ['RETRYING', 0])
  })

  it('recovery at start ends what a dead process left, and the run goes on', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({})
    const run = await parts.commands.triggerJob({ id }, caller)
    assert.ok(run.ok)
    const [begun] = await parts.engine.store.beginReady(
      { instanceId: 'ins_dead', now: NOON, leaseUntil: NOON + 30_000, handlers: null },
      10,
    )
    assert.equal(begun?.runId, run.value.runId)
    const { log } = keepingLog()
    const deps = { store: parts.engine.store, log: log as never, now: parts.clock.now, leaseNow: parts.clock.now, random: () => 0 }
    assert.equal(await recover(deps, { everything: false, watch: new Watch(LEASE), lease: LEASE }), 0, 'its lease holds')
    assert.equal(await recover(deps, { everything: true }), 1)
    assert.equal((await parts.engine.store.run(run.value.runId))?.status, 'RETRYING')
    await openWorker(parts, async () => succeeded)
    const final = await until(parts, run.value.runId, ({ status }) => status === 'SUCCEEDED')
    assert.equal(final.attempt, 2)
  })

  it('an attempt whose lease ran out is LOST, and its late outcome changes nothing', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({})
    let end: (outcome: Outcome) => void = () => {}
    const { worker, entries, stop } = await openWorker(parts, ({ attempt }) =>
      attempt.attempt === 1
        ? new Promise((resolve) => {
            end = resolve
          })
        : Promise.resolve(succeeded),
    )
    const run = await parts.commands.triggerJob({ id }, caller)
    assert.ok(run.ok)
    await until(parts, run.value.runId, ({ status }) => status === 'RUNNING')
    const { log } = keepingLog()
    const deps = { store: parts.engine.store, log: log as never, now: parts.clock.now, leaseNow: parts.clock.now, random: () => 0 }
    const recovered = { everything: false as const, watch: new Watch(LEASE), lease: LEASE }
    parts.clock.forward(20_000)
    assert.equal(await recover(deps, recovered), 0)
    await worker.renewLeases()
    parts.clock.forward(20_000)
    assert.equal(await recover(deps, recovered), 0, 'the renewal prolonged it')
    parts.clock.forward(20_000)
    assert.equal(await recover(deps, recovered), 1)
    await until(parts, run.value.runId, ({ status }) => status === 'SUCCEEDED')
    end(failed)
    await stop()
    assert.ok(entries.some(({ message }) => message.includes('ended by somebody else')))
    assert.equal((await parts.engine.store.run(run.value.runId))?.status, 'SUCCEEDED')
  })
})

describe('a database that was away', () => {
  it('leaves attempts to workers that could not renew them meanwhile, and takes those that nobody renews after it', async (t) => {
    const parts = await openParts(t)
    const ids = [await parts.create({ name: 'a' }), await parts.create({ name: 'b' })]
    for (const id of ids) assert.ok((await parts.commands.triggerJob({ id }, caller)).ok)
    const claim = { now: NOON, leaseUntil: NOON + LEASE, handlers: null }
    const { store } = parts.engine
    const [living] = await store.beginReady({ ...claim, instanceId: 'ins_living' }, 1)
    const [dead] = await store.beginReady({ ...claim, instanceId: 'ins_dead' }, 1)
    const { log } = keepingLog()
    const deps = { store, log: log as never, now: parts.clock.now, leaseNow: parts.clock.now, random: () => 0 }
    const watch = new Watch(LEASE)
    const round = () => recover(deps, { everything: false, watch, lease: LEASE })
    assert.equal(await round(), 0)
    parts.clock.forward(LEASE + 10_000)
    assert.equal(await round(), 0, 'nobody could renew')
    await store.renewLeases([living!], 'ins_living', parts.clock.now() + LEASE)
    parts.clock.forward(10_000)
    assert.equal(await round(), 0)
    parts.clock.forward(10_000)
    assert.equal(await round(), 1)
    const statusOf = async (runId: string) => (await store.run(runId))?.status
    assert.deepEqual([await statusOf(living!.runId), await statusOf(dead!.runId)], ['RUNNING', 'RETRYING'])
  })
})

describe('catching up', () => {
  it('commits hundreds of instants at a time, those of one job together', async (t) => {
    const parts = await openParts(t)
    for (const name of ['a', 'b', 'c']) await parts.create({ name, policies: { misfire: 'ALL', overlap: 'ALLOW_ALL' } })
    const { store, bus } = parts.engine
    const commits: number[] = []
    const commitPlans: typeof store.commitPlans = (plans, now) => {
      commits.push(plans.reduce((sum, { plan }) => sum + plan.entries.length, 0))
      return store.commitPlans(plans, now)
    }
    const { log } = keepingLog()
    const scheduler = new Scheduler({
      store: { ...store, commitPlans },
      bus,
      log: log as never,
      now: parts.clock.now,
      randomBytes: (bytes) => randomFillSync(bytes),
    })
    parts.clock.forward(400 * MINUTE)
    assert.equal(await scheduler.tick(), 3)
    assert.deepEqual(commits, [800, 400])
    assert.equal(await scheduler.tick(), 0)
  })
})

describe('the loop', () => {
  it('wakes for a job created while it sleeps, and fires at the instant', async (t) => {
    const parts = await openParts(t, { clock: new HandClock(null) })
    await openWorker(parts, async () => succeeded)
    parts.atEnd(() => parts.scheduler.stop())
    await parts.scheduler.start()
    const at = Date.now() + 300
    const id = await parts.create({ schedule: { once: { at } } })
    for (;;) {
      const changed = new Promise<void>((resolve) => {
        const end = parts.engine.bus.subscribe(() => {
          end()
          resolve()
        })
      })
      const [run] = await runsOf(parts, id)
      if (run?.status === 'SUCCEEDED') {
        assert.ok(run.queuedAt >= at, 'never before its instant')
        return
      }
      await changed
    }
  })
})
