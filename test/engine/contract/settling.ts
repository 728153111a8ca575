import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Outcome } from '../../../src/domain/run.ts'
import type { Engine } from '../../../src/engine/engine.ts'
import {
  beginAll,
  changeJob,
  createJob,
  failed,
  LATER,
  MINUTE,
  NOON,
  planRun,
  positionOf,
  runRow,
  settleOne,
  statusOf,
  succeeded,
} from '../factories.ts'

type Open = (t: TestContext) => Promise<Engine>

const timedOut: Outcome = { kind: 'TIMED_OUT', error: { code: 'TIMEOUT', message: 'late', stack: null, retryable: true } }

export function settlingContract(open: Open): void {
  describe('settling', () => {
    it('stores the outcome, frees the job, and shows it as its last run', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store)
      const run = await planRun(store, job)
      const [begun] = await beginAll(store)
      const outcome = failed({ code: 'E', message: 'ü', stack: 'at x', retryable: false })
      assert.equal(await settleOne(store, begun!, outcome, LATER + 9), 'FAILED')
      const row = await runRow(store, run.id)
      assert.deepEqual(
        [row.status, row.finishedAt, row.attemptStatus, row.attemptsUsed, row.error, row.output, row.leaseUntil, row.changedAt],
        ['FAILED', LATER + 9, 'FAILED', 1, { code: 'E', message: 'ü', stack: 'at x', retryable: false }, null, null, LATER + 9],
      )
      const { position, lastRunStatus } = (await store.job({ id: job.id }))!
      assert.deepEqual([position.activeRuns, position.failuresInRow, lastRunStatus], [0, 1, 'FAILED'])
      assert.deepEqual((await store.activeRuns([job.id])).get(job.id), [])
    })

    it('keeps the output', async (t) => {
      const { store } = await open(t)
      const run = await planRun(store, await createJob(store))
      await settleOne(store, (await beginAll(store))[0]!, { kind: 'SUCCEEDED', output: '{"a":[1,"ü"]}' })
      assert.equal((await runRow(store, run.id)).output, '{"a":[1,"ü"]}')
    })

    it('answers stale, and changes nothing, where the attempt is not the one that runs', async (t) => {
      const { store } = await open(t)
      const run = await planRun(store, await createJob(store))
      assert.equal(await settleOne(store, { runId: run.id, attempt: 0 }), 'stale')
      const [begun] = await beginAll(store)
      assert.equal(await settleOne(store, { runId: run.id, attempt: 2 }), 'stale')
      assert.equal(await settleOne(store, { runId: 'run_none', attempt: 1 }), 'stale')
      assert.equal(await settleOne(store, begun!, { kind: 'LOST' }), 'RETRYING')
      const before = await runRow(store, run.id)
      assert.equal(await settleOne(store, begun!), 'stale')
      assert.deepEqual(await runRow(store, run.id), before)
      const [second] = await beginAll(store)
      assert.equal(await settleOne(store, begun!), 'stale')
      assert.equal(await settleOne(store, second!), 'SUCCEEDED')
      assert.equal(await settleOne(store, second!, failed()), 'stale')
      assert.equal(await statusOf(store, run.id), 'SUCCEEDED')
    })

    it('of two reports of one attempt the first counts, in one call and in two', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store)
      await planRun(store, job)
      await planRun(store, job)
      const [one, two] = await beginAll(store)
      const report = (attempt: typeof one, outcome: Outcome) => ({ runId: attempt!.runId, attempt: 1, outcome, now: LATER, random: 0 })
      assert.deepEqual(await store.settle([report(one, succeeded), report(one, failed())]), [
        { kind: 'settled', status: 'SUCCEEDED' },
        { kind: 'stale' },
      ])
      const answers = await Promise.all([store.settle([report(two, failed())]), store.settle([report(two, succeeded)])])
      assert.deepEqual(answers.flat(), [{ kind: 'settled', status: 'FAILED' }, { kind: 'stale' }])
      assert.equal((await positionOf(store, job.id)).activeRuns, 0)
    })

    it('goes on to the next attempt after its wait; all attempts are kept, the newest once', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store, {
        policies: { maxAttempts: 2, backoff: { initial: 1_000, factor: 1, max: 1_000, jitter: false } },
      })
      const run = await planRun(store, job)
      const attempts = async () =>
        (await store.attempts([run.id, 'run_none']))
          .get(run.id)!
          .map(({ number, status, startedAt, finishedAt, error }) => [
            number,
            status,
            startedAt - LATER,
            finishedAt === null ? null : finishedAt - LATER,
            error?.code ?? null,
          ])
      assert.deepEqual(await attempts(), [])
      const [first] = await beginAll(store)
      assert.deepEqual(await attempts(), [[1, 'RUNNING', 0, null, null]])
      assert.equal(await settleOne(store, first!, timedOut, LATER + 5), 'RETRYING')
      const waiting = await runRow(store, run.id)
      assert.deepEqual(
        [waiting.nextAttemptAt, waiting.error?.code, waiting.finishedAt, waiting.attempt],
        [LATER + 1_005, 'TIMEOUT', null, 1],
      )
      assert.deepEqual(await attempts(), [[1, 'TIMED_OUT', 0, 5, 'TIMEOUT']])
      const [second] = await beginAll(store, LATER + 1_005)
      assert.deepEqual(await attempts(), [
        [1, 'TIMED_OUT', 0, 5, 'TIMEOUT'],
        [2, 'RUNNING', 1_005, null, null],
      ])
      assert.equal(await settleOne(store, second!, failed(), LATER + 1_010), 'FAILED')
      assert.deepEqual(await attempts(), [
        [1, 'TIMED_OUT', 0, 5, 'TIMEOUT'],
        [2, 'FAILED', 1_005, 1_010, 'X'],
      ])
    })

    it('an interrupted attempt does not count, and the run goes on at once', async (t) => {
      const { store } = await open(t)
      const run = await planRun(store, await createJob(store, { policies: { maxAttempts: 1 } }))
      assert.equal(await settleOne(store, (await beginAll(store))[0]!, { kind: 'INTERRUPTED' }), 'RETRYING')
      assert.equal((await runRow(store, run.id)).attemptsUsed, 0)
      const [next] = await beginAll(store)
      assert.deepEqual([next?.attempt, await settleOne(store, next!)], [2, 'SUCCEEDED'])
    })

    it('reads the policies as they are when the attempt ends', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store, { policies: { maxAttempts: 3 } })
      await planRun(store, job)
      const [begun] = await beginAll(store)
      await changeJob(store, job.id, () => ({ job: { ...job, version: 2, policies: { ...job.policies, maxAttempts: 1 } } }))
      assert.equal(await settleOne(store, begun!, timedOut), 'TIMED_OUT')
    })

    it('the last run stays the newest one, whichever ends last', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store)
      const [older, newer] = [await planRun(store, job), await planRun(store, job)]
      const begun = await beginAll(store)
      const last = async () => {
        const row = await store.job({ id: job.id })
        return [row?.position.lastRunId, row?.lastRunStatus]
      }
      assert.deepEqual(await last(), [newer.id, 'RUNNING'])
      await settleOne(store, begun.find(({ runId }) => runId === newer.id)!, { kind: 'INTERRUPTED' })
      assert.deepEqual(await last(), [newer.id, 'RETRYING'])
      await settleOne(store, begun.find(({ runId }) => runId === older.id)!, failed())
      assert.deepEqual(await last(), [newer.id, 'RETRYING'])
      await settleOne(store, (await beginAll(store))[0]!)
      assert.deepEqual(await last(), [newer.id, 'SUCCEEDED'])
    })
  })

  describe('failures in a row', () => {
    it('count FAILED and TIMED_OUT; a success starts anew, a cancelled run changes nothing', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store, { policies: { maxAttempts: 1 } })
      const counts: number[] = []
      for (const outcome of [failed(), timedOut, { kind: 'CANCELLED' } as const, { kind: 'LOST' } as const, succeeded, failed()]) {
        await planRun(store, job)
        await settleOne(store, (await beginAll(store))[0]!, outcome)
        counts.push((await positionOf(store, job.id)).failuresInRow)
      }
      assert.deepEqual(counts, [1, 2, 2, 3, 0, 1])
    })

    it('pause the job when there are too many: told, with the reason, without raising the version', async (t) => {
      const engine = await open(t)
      const { store } = engine
      const job = await createJob(store, { policies: { pauseAfterFailures: 2 } })
      const fail = async () => {
        await planRun(store, job)
        await settleOne(store, (await beginAll(store))[0]!, failed())
        return (await store.job({ id: job.id }))!
      }
      assert.equal((await fail()).job.pause, null)
      const before = await positionOf(store, job.id)
      const paused = await fail()
      assert.deepEqual(paused.job.pause, { since: LATER, until: null, note: 'Paused after 2 failed runs in a row', by: null })
      assert.deepEqual([paused.job.version, paused.position.nextRunAt, paused.position.wakeAt], [1, null, NOON + 3 * MINUTE])
      assert.notEqual(paused.position.version, before.version)
      const events = await engine.prisma.jobEvent.findMany({ where: { jobId: job.id } })
      assert.deepEqual(events.map(({ change }) => change).sort(), ['CREATED', 'UPDATED'])
      // Runs that exist go on; a third failure finds the job paused already.
      assert.equal((await fail()).job.pause?.since, LATER)
    })

    it('leave a job that is paused, completed or deleted as it is', async (t) => {
      const { store } = await open(t)
      const policies = { pauseAfterFailures: 1 }
      const pause = { since: NOON, until: NOON + 1, note: 'by hand', by: 'me' }
      const [paused, completed, deleted] = [
        await createJob(store, { policies, pause }),
        await createJob(store, { policies }, { completed: true }),
        await createJob(store, { policies }),
      ]
      for (const job of [paused, completed, deleted]) await planRun(store, job)
      await changeJob(store, completed.id, () => ({ position: { completed: true } }))
      const begun = await beginAll(store)
      await changeJob(store, deleted.id, () => ({ delete: true }))
      for (const attempt of begun) await settleOne(store, attempt, failed())
      const rows = await store.jobRows([paused.id, completed.id, deleted.id])
      assert.deepEqual(
        rows.map((row) => row?.job.pause),
        [pause, null, null],
      )
    })
  })
}
