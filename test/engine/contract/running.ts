import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Hint } from '../../../src/engine/bus/bus.ts'
import type { Engine } from '../../../src/engine/engine.ts'
import {
  beginAll,
  changeJob,
  claimAt,
  createJob,
  LATER,
  MINUTE,
  NOON,
  planRun,
  positionOf,
  runRow,
  settleOne,
  statusOf,
} from '../factories.ts'

type Open = (t: TestContext) => Promise<Engine>

export function runningContract(open: Open): void {
  describe('beginning runs', () => {
    it('takes the highest priority first, then the earliest due, then the id, up to the limit', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store)
      const made: string[] = []
      for (const [priority, dueAt] of [
        [0, NOON + 1],
        [9, NOON + 3],
        [5, NOON + 2],
        [9, NOON + 2],
        [9, NOON + 2],
      ] as const) {
        made.push((await planRun(store, job, { priority, dueAt })).id)
      }
      const begun = [...(await store.beginReady(claimAt(LATER), 3)), ...(await store.beginReady(claimAt(LATER), 9))]
      assert.deepEqual(
        begun.map(({ runId }) => made.indexOf(runId)),
        [3, 4, 1, 2, 0],
      )
      assert.deepEqual(await beginAll(store), [])
    })

    it('hands over all that a worker needs, as it is at the start, and stores the start', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store, { name: 'before', payload: '"first"' })
      const run = await planRun(store, job, { coalesced: 2 })
      const changed = {
        ...job,
        name: 'after',
        payload: '"second"',
        version: 2,
        target: { kind: 'handler' as const, handler: 'log' },
        policies: { ...job.policies, timeout: 7 },
      }
      await changeJob(store, job.id, () => ({ job: changed }))
      const [begun] = await store.beginReady(claimAt(LATER, { instanceId: 'ins_a', leaseUntil: LATER + 9 }), 1)
      assert.deepEqual(begun, {
        runId: run.id,
        attempt: 1,
        jobId: job.id,
        jobName: 'after',
        jobVersion: 2,
        target: changed.target,
        policies: changed.policies,
        trigger: 'SCHEDULE',
        scheduledFor: run.scheduledFor,
        dueAt: run.dueAt,
        startedAt: LATER,
        coalesced: 2,
        payload: '"first"',
      })
      const row = await runRow(store, run.id)
      assert.deepEqual(
        [
          row.status,
          row.attempt,
          row.attemptStatus,
          row.startedAt,
          row.attemptStartedAt,
          row.instanceId,
          row.jobVersion,
          row.leaseUntil,
          row.changedAt,
        ],
        ['RUNNING', 1, 'RUNNING', LATER, LATER, 'ins_a', 2, LATER + 9, LATER],
      )
      assert.equal((await store.job({ id: job.id }))?.lastRunStatus, 'RUNNING')
    })

    it('leaves what is not due and what is held, and says when the next may start', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store)
      await planRun(store, job, { heldBy: 'OVERLAP' })
      await planRun(store, job, { dueAt: LATER + 5, priority: 1 })
      await planRun(store, job, { dueAt: LATER + 3 })
      assert.deepEqual(await beginAll(store), [])
      assert.equal(await store.nextReadyAt(LATER), LATER + 3)
      assert.equal((await beginAll(store, LATER + 3)).length, 1)
      assert.deepEqual([await store.nextReadyAt(LATER), await store.nextReadyAt(LATER + 5)], [LATER + 5, null])
    })

    it('tells how many might start now and wait all the same, and since when the first of them does', async (t) => {
      const { store } = await open(t)
      assert.deepEqual(await store.waiting(LATER, 9), { runs: 0, since: null })
      const job = await createJob(store, { policies: { backoff: { initial: 1_000, factor: 1, max: 1_000, jitter: false } } })
      const retried = await planRun(store, job)
      await settleOne(store, (await beginAll(store))[0]!, {
        kind: 'TIMED_OUT',
        error: { code: 'T', message: '', stack: null, retryable: true },
      })
      await planRun(store, job, { heldBy: 'OVERLAP', dueAt: NOON })
      await planRun(store, job, { dueAt: LATER + 2_000 })
      assert.deepEqual(await store.waiting(LATER + 999, 9), { runs: 0, since: null })
      assert.deepEqual(await store.waiting(LATER + 1_000, 9), { runs: 1, since: LATER + 1_000 })
      for (const priority of [9, 0]) await planRun(store, job, { priority, dueAt: NOON + priority })
      assert.deepEqual(await store.waiting(LATER + 1_000, 9), { runs: 3, since: NOON })
      assert.deepEqual(await store.waiting(LATER + 1_000, 2), { runs: 2, since: NOON })
      await beginAll(store, LATER + 1_000)
      assert.equal(await statusOf(store, retried.id), 'RUNNING')
      assert.deepEqual(await store.waiting(LATER + 2_000, 9), { runs: 1, since: LATER + 2_000 })
    })

    it('takes runs whose wait is over among the others, by priority', async (t) => {
      const { store } = await open(t)
      const [low, high] = [
        await createJob(store),
        await createJob(store, { policies: { priority: 3, backoff: { initial: 1_000, factor: 1, max: 1_000, jitter: false } } }),
      ]
      const retried = await planRun(store, high)
      await settleOne(store, (await beginAll(store))[0]!, {
        kind: 'TIMED_OUT',
        error: { code: 'T', message: '', stack: null, retryable: true },
      })
      const fresh = await planRun(store, low, { dueAt: NOON })
      assert.deepEqual([await store.nextReadyAt(NOON - 1), await store.nextReadyAt(NOON)], [NOON, LATER + 1_000])
      assert.deepEqual(
        (await beginAll(store, LATER + 999)).map(({ runId }) => runId),
        [fresh.id],
      )
      assert.equal(await store.nextReadyAt(LATER), LATER + 1_000)
      await planRun(store, low)
      const begun = await beginAll(store, LATER + 1_000)
      assert.deepEqual([begun[0]?.runId, begun[0]?.attempt, begun.length], [retried.id, 2, 2])
      const row = await runRow(store, retried.id)
      assert.deepEqual([row.startedAt, row.attemptStartedAt, row.nextAttemptAt], [LATER, LATER + 1_000, null])
    })

    it('of two workers that ask at once each run goes to one', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store)
      for (let i = 0; i < 10; i++) await planRun(store, job)
      const begun = (await Promise.all(['a', 'b', 'c'].map((instanceId) => store.beginReady(claimAt(LATER, { instanceId }), 4)))).flat()
      assert.deepEqual([begun.length, new Set(begun.map(({ runId }) => runId)).size], [10, 10])
    })
  })

  describe('leases', () => {
    it('are prolonged for whoever holds the attempt, who hears of a cancel with it', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store)
      await planRun(store, job)
      await planRun(store, job)
      const [one, two] = await beginAll(store)
      await store.changeRun(two!.runId, () => ({ kind: 'cancel', now: LATER }))
      const head = await store.streamHead()
      const keys = [one!, two!, { runId: one!.runId, attempt: 2 }, { runId: 'run_none', attempt: 1 }]
      assert.deepEqual(await store.renewLeases(keys, 'ins_test', LATER + 99_000), [
        { held: true, cancel: false },
        { held: true, cancel: true },
        { held: false, cancel: false },
        { held: false, cancel: false },
      ])
      assert.deepEqual(await store.renewLeases([one!], 'ins_other', LATER + 1), [{ held: false, cancel: false }])
      assert.equal((await runRow(store, one!.runId)).leaseUntil, LATER + 99_000)
      assert.equal(await store.streamHead(), head)
      await settleOne(store, one!)
      assert.deepEqual(await store.renewLeases([one!], 'ins_test', LATER + 1), [{ held: false, cancel: false }])
    })

    it('that ran out are found, the oldest first; at a start all of them', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store)
      const ids: string[] = []
      for (const leaseUntil of [LATER + 20, LATER + 10, LATER + 30]) {
        await planRun(store, job)
        ids.push((await store.beginReady(claimAt(LATER, { leaseUntil }), 1))[0]!.runId)
      }
      const lost = async (query: { now: number; everything: boolean; limit: number }) =>
        (await store.lostAttempts(query)).map(({ runId, attempt }) => [ids.indexOf(runId), attempt])
      assert.deepEqual(await lost({ now: LATER + 10, everything: false, limit: 9 }), [])
      assert.deepEqual(await lost({ now: LATER + 21, everything: false, limit: 9 }), [
        [1, 1],
        [0, 1],
      ])
      assert.equal((await lost({ now: LATER, everything: true, limit: 2 })).length, 2)
      assert.equal((await lost({ now: LATER, everything: true, limit: 9 })).length, 3)
    })

    it('that were renewed after they were found ended do not end', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store)
      for (let i = 0; i < 2; i++) await planRun(store, job)
      const claim = claimAt(LATER, { leaseUntil: LATER + 10 })
      const [living, dead] = await store.beginReady(claim, 2)
      const now = LATER + 11
      const found = await store.lostAttempts({ now, everything: false, limit: 9 })
      assert.equal(found.length, 2)
      assert.deepEqual(await store.renewLeases([living!], claim.instanceId, LATER + 99_000), [{ held: true, cancel: false }])
      const reports = [living!, dead!].map(({ runId, attempt }) => ({
        runId,
        attempt,
        outcome: { kind: 'LOST' as const },
        now,
        random: 0,
        leaseOver: now,
      }))
      const results = await store.settle(reports)
      assert.deepEqual(
        results.map(({ kind }) => kind),
        ['stale', 'settled'],
      )
      assert.deepEqual([await statusOf(store, living!.runId), await statusOf(store, dead!.runId)], ['RUNNING', 'RETRYING'])
      // Whose lease does not matter is ended all the same.
      assert.deepEqual((await store.settle([{ ...reports[0]!, leaseOver: undefined }]))[0]?.kind, 'settled')
    })
  })

  describe('cancelling a run', () => {
    it('asks a running one, once, tells the workers, and finds it when it does not end', async (t) => {
      const { store, bus } = await open(t)
      const run = await planRun(store, await createJob(store))
      const [begun] = await beginAll(store)
      const hints: Hint[] = []
      bus.subscribe((hint) => hints.push(hint))
      for (const now of [LATER, LATER + 5]) await store.changeRun(run.id, () => ({ kind: 'cancel', now }))
      assert.deepEqual(
        hints.filter(({ kind }) => kind === 'cancels'),
        [{ kind: 'cancels', runIds: [run.id] }],
      )
      const row = await runRow(store, run.id)
      assert.deepEqual([row.status, row.cancelRequestedAt, row.changedAt], ['RUNNING', LATER, LATER])
      assert.deepEqual(await store.overdueCancels(LATER, 9), [])
      assert.deepEqual(await store.overdueCancels(LATER + 1, 9), [{ runId: run.id, attempt: 1 }])
      assert.equal(await settleOne(store, begun!, { kind: 'LOST' }), 'CANCELLED')
      assert.deepEqual(await store.overdueCancels(LATER * 2, 9), [])
    })

    it('ends a waiting one at once, also between two attempts, and leaves a final one', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store)
      const queued = await planRun(store, job)
      const cancel = (id: string) => store.changeRun(id, () => ({ kind: 'cancel', now: LATER + 7 }))
      await cancel(queued.id)
      const row = await runRow(store, queued.id)
      assert.deepEqual([row.status, row.finishedAt, row.attempt, row.cancelRequestedAt], ['CANCELLED', LATER + 7, 0, LATER + 7])
      const retrying = await planRun(store, job)
      await settleOne(store, (await beginAll(store))[0]!, { kind: 'LOST' })
      assert.equal(await statusOf(store, retrying.id), 'RETRYING')
      await cancel(retrying.id)
      await cancel(retrying.id)
      assert.equal(await statusOf(store, retrying.id), 'CANCELLED')
      assert.deepEqual([await beginAll(store), await store.nextReadyAt(0)], [[], null])
      const { position, lastRunStatus } = (await store.job({ id: job.id }))!
      assert.deepEqual([position.activeRuns, position.lastRunId, lastRunStatus], [0, retrying.id, 'CANCELLED'])
    })

    it('shows the run with its job; what is refused or nothing changes nothing', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store)
      const run = await planRun(store, job)
      const head = await store.streamHead()
      const seen = await store.changeRun(run.id, (current) => ({ refuse: current }))
      const position = await positionOf(store, job.id)
      assert.deepEqual(seen, {
        kind: 'refused',
        refusal: { run: await runRow(store, run.id), job, position },
      })
      assert.deepEqual(await store.changeRun('run_none', (current) => ({ refuse: current })), { kind: 'refused', refusal: null })
      assert.deepEqual(await store.changeRun(run.id, () => ({ kind: 'nothing' })), { kind: 'written' })
      assert.equal(await store.streamHead(), head)
    })

    it('retry-now lets a run that waits start at once', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store, { policies: { backoff: { initial: MINUTE, factor: 1, max: MINUTE, jitter: false } } })
      const run = await planRun(store, job)
      await settleOne(store, (await beginAll(store))[0]!, {
        kind: 'TIMED_OUT',
        error: { code: 'T', message: '', stack: null, retryable: true },
      })
      assert.deepEqual(await beginAll(store), [])
      await store.changeRun(run.id, () => ({ kind: 'retry-now', now: LATER }))
      assert.equal((await beginAll(store))[0]?.attempt, 2)
    })
  })

  describe('progress', () => {
    it('is stored for attempts that run, and told to the stream once a second at most, the last value too', async (t) => {
      const { store, bus } = await open(t)
      const run = await planRun(store, await createJob(store))
      const key = { runId: run.id, attempt: 1 }
      await store.setProgress([{ ...key, progress: 1 }], LATER)
      assert.equal((await runRow(store, run.id)).progress, null)
      await beginAll(store)
      const cursors: number[] = []
      for (const [progress, now] of [
        [10, LATER],
        [20, LATER + 500],
        [30, LATER + 999],
        [40, LATER + 1_000],
        [50, LATER + 1_001],
      ] as const) {
        await store.setProgress(
          [
            { ...key, progress },
            { ...key, attempt: 2, progress: 99 },
          ],
          now,
        )
        const row = await runRow(store, run.id)
        assert.equal(row.progress, progress)
        cursors.push(row.cursor)
      }
      assert.deepEqual(
        cursors.map((cursor) => cursor - cursors[0]!),
        [0, 0, 0, 1, 1],
      )
      await new Promise<void>((resolve) => {
        bus.subscribe((hint) => hint.kind === 'changes' && resolve())
      })
      const { progress, cursor, changedAt } = await runRow(store, run.id)
      assert.deepEqual([progress, cursor], [50, cursors[0]! + 2])
      assert.ok(changedAt >= LATER + 2_000, `told ${changedAt - LATER - 1_000} ms after the event before`)
      await settleOne(store, key)
      await store.setProgress([{ ...key, progress: 60 }], LATER + 9_000)
      assert.equal((await runRow(store, run.id)).progress, 50)
    })
  })
}
