import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import fc from 'fast-check'
import { DAY, HOUR } from '../../../src/domain/instant.ts'
import type { Job } from '../../../src/domain/job.ts'
import { occurrencesOf } from '../../../src/domain/occurrences.ts'
import type { RetentionRules } from '../../../src/domain/retention.ts'
import type { NewRun, Outcome } from '../../../src/domain/run.ts'
import type { Engine } from '../../../src/engine/engine.ts'
import type { SweepPlace } from '../../../src/engine/store/store.ts'
import {
  beginAll,
  changeJob,
  createJob,
  failed,
  manualRunOf,
  MINUTE,
  NOON,
  planOf,
  planRun,
  positionOf,
  settleOne,
  spanEntry,
  spanOf,
  succeeded,
  verdictsOf,
} from '../factories.ts'

type Open = (t: TestContext) => Promise<Engine>

const RULES: RetentionRules = { succeededFor: 30 * DAY, failedFor: 90 * DAY, mostOfJob: 10_000, alwaysOfJob: 0 }

/** Sweeps over all jobs, piece by piece; answers the rows removed by each piece. */
async function sweep({ store }: Engine, now: number, rules: Partial<RetentionRules> = {}): Promise<number[]> {
  const pieces: number[] = []
  let from: SweepPlace | null = null
  do {
    const { next, removed } = await store.sweepJobs({ rules: { ...RULES, ...rules }, from, now })
    if (removed > 0) pieces.push(removed)
    from = next
  } while (from !== null)
  return pieces
}

/** Runs of the job's next instants, each ended as told a second after its instant. */
async function endRuns({ store }: Engine, job: Job, outcomes: readonly Outcome[], overrides: Partial<NewRun> = {}): Promise<NewRun[]> {
  const runs: NewRun[] = []
  for (const outcome of outcomes) {
    const run = await planRun(store, job, overrides)
    const [attempt] = await beginAll(store, run.dueAt)
    await settleOne(store, attempt!, outcome, run.dueAt + 1_000)
    runs.push(run)
  }
  return runs
}

const runsOf = async ({ prisma }: Engine, jobId: string) =>
  (await prisma.run.findMany({ where: { jobId }, orderBy: { id: 'asc' }, select: { id: true } })).map(({ id }) => id)
const idsOf = (runs: readonly NewRun[]) => runs.map(({ id }) => id)
const cancelled: Outcome = { kind: 'CANCELLED' }
const timedOut: Outcome = { kind: 'TIMED_OUT', error: { code: 'TIMEOUT', message: 'm', stack: null, retryable: true } }
const once = { policies: { maxAttempts: 1 } }

/** Instants as the ledger holds them: of runs that count and of shared rows, each as often as it is held. */
async function held(engine: Engine, job: Job): Promise<number[]> {
  const runs = await engine.prisma.run.findMany({ where: { jobId: job.id, counted: true, occurrence: { not: null } } })
  const instants = runs.map(({ occurrence }) => occurrence!.getTime())
  const schedule = occurrencesOf(job.schedule)
  for (const { first, last, count } of await verdictsOf(engine, job.id)) {
    const before = instants.length
    for (let at: number | null = first; at !== null && at <= last; at = schedule.next(at)) instants.push(at)
    assert.equal(instants.length - before, count)
  }
  return instants.sort((a, b) => a - b)
}

export function retentionContract(open: Open): void {
  describe('removing runs by age and number', () => {
    it('takes those past their time, failed ones later', async (t) => {
      const engine = await open(t)
      const job = await createJob(engine.store, once)
      const runs = await endRuns(engine, job, [succeeded, failed(), timedOut, cancelled])
      const [, failedRun, timedOutRun] = runs
      await sweep(engine, NOON + 30 * DAY)
      assert.deepEqual(await runsOf(engine, job.id), idsOf(runs))
      await sweep(engine, NOON + 31 * DAY)
      assert.deepEqual(await runsOf(engine, job.id), idsOf([failedRun!, timedOutRun!]))
      await sweep(engine, NOON + 91 * DAY)
      assert.deepEqual(await runsOf(engine, job.id), [])
    })

    it('leaves the newest of each job, however old', async (t) => {
      const engine = await open(t)
      const [job, other] = [await createJob(engine.store, once), await createJob(engine.store, once)]
      const runs = await endRuns(engine, job, [succeeded, failed(), succeeded, failed()])
      const others = await endRuns(engine, other, [succeeded])
      await sweep(engine, NOON + 900 * DAY, { alwaysOfJob: 2 })
      assert.deepEqual([await runsOf(engine, job.id), await runsOf(engine, other.id)], [idsOf(runs.slice(2)), idsOf(others)])
    })

    it('takes those beyond the newest so many of each job, however young, but never those that always stay', async (t) => {
      const engine = await open(t)
      const job = await createJob(engine.store, once)
      const runs = await endRuns(engine, job, [succeeded, failed(), succeeded, failed(), succeeded])
      const now = NOON + HOUR
      await sweep(engine, now, { mostOfJob: 3 })
      assert.deepEqual(await runsOf(engine, job.id), idsOf(runs.slice(2)))
      await sweep(engine, now, { mostOfJob: 1, alwaysOfJob: 2 })
      assert.deepEqual(await runsOf(engine, job.id), idsOf(runs.slice(3)))
    })

    it('never takes one that has not ended', async (t) => {
      const engine = await open(t)
      const job = await createJob(engine.store)
      const waiting = [await planRun(engine.store, job), await planRun(engine.store, job)]
      await beginAll(engine.store)
      const queued = await planRun(engine.store, job)
      await sweep(engine, NOON + 900 * DAY, { mostOfJob: 1 })
      assert.deepEqual(await runsOf(engine, job.id), idsOf([...waiting, queued]))
    })

    it('leaves a run for a day while it holds an idempotency key', async (t) => {
      const engine = await open(t)
      const job = await createJob(engine.store)
      const keys = [{ idempotencyKey: 'k', idempotencyHash: 'h' }, {}]
      const runs = keys.map((key) => manualRunOf(job, { scheduledFor: NOON, ...key }))
      await changeJob(engine.store, job.id, () => ({ runs }))
      for (const attempt of await beginAll(engine.store)) await settleOne(engine.store, attempt, succeeded, NOON + MINUTE)
      const rules = { succeededFor: MINUTE }
      await sweep(engine, NOON + DAY - 1, rules)
      assert.deepEqual(await runsOf(engine, job.id), idsOf(runs.slice(0, 1)))
      await sweep(engine, NOON + DAY, rules)
      assert.deepEqual(await runsOf(engine, job.id), [])
    })

    it('takes attempts and log lines along, lines in pieces before their run, and leaves those of others', async (t) => {
      const engine = await open(t)
      const { store, prisma } = engine
      const job = await createJob(store)
      const logged = async (lines: number) => {
        const run = await planRun(store, job)
        const [first] = await beginAll(store, run.dueAt)
        const line = { runId: run.id, attempt: 1, at: NOON, level: 'INFO' as const, fields: null }
        await store.appendLogs(Array.from({ length: lines }, (_, i) => ({ ...line, message: `${i}` })))
        await settleOne(store, first!, { kind: 'LOST' }, run.dueAt)
        const [second] = await beginAll(store, run.dueAt)
        await settleOne(store, second!, succeeded, run.dueAt + 1)
        return run
      }
      await logged(2_000)
      const kept = await logged(5)
      const pieces = await sweep(engine, NOON + 40 * DAY, { alwaysOfJob: 1 })
      assert.ok(Math.max(...pieces) <= 500 && pieces.length > 3, `${pieces}`)
      assert.deepEqual([await runsOf(engine, job.id), await prisma.logLine.count(), await prisma.attempt.count()], [[kept.id], 5, 1])
      await store.appendLogs([{ runId: kept.id, attempt: 1, at: NOON, level: 'INFO', message: 'late', fields: null }])
      assert.equal(await prisma.logLine.count(), 6)
    })

    it('comes to all jobs, in pieces', async (t) => {
      const engine = await open(t)
      const jobs: Job[] = []
      for (let i = 0; i < 30; i++) {
        const job = await createJob(engine.store)
        await endRuns(engine, job, [succeeded, succeeded])
        jobs.push(job)
      }
      await sweep(engine, NOON + 40 * DAY, { alwaysOfJob: 1 })
      assert.deepEqual(
        await Promise.all(jobs.map(async ({ id }) => (await runsOf(engine, id)).length)),
        jobs.map(() => 1),
      )
    })

    it('leaves nothing to find of a run: not as the newest of its job, nor as the original of another', async (t) => {
      const engine = await open(t)
      const { store } = engine
      const job = await createJob(store)
      const [run] = await endRuns(engine, job, [succeeded])
      await changeJob(store, job.id, () => ({ runs: [manualRunOf(job, { trigger: 'RERUN', rerunOfId: run!.id })] }))
      await sweep(engine, NOON + 40 * DAY)
      assert.deepEqual(await store.runRows([run!.id]), [null])
    })
  })

  describe('a run that was removed', () => {
    it('leaves its verdict, in a row that it shares with its neighbours', async (t) => {
      const engine = await open(t)
      const job = await createJob(engine.store)
      await endRuns(engine, job, [succeeded, succeeded, succeeded])
      await sweep(engine, NOON + 40 * DAY)
      const rows = (await verdictsOf(engine, job.id)).map(({ id: _, ...row }) => row)
      assert.deepEqual(rows, [
        { verdict: 'RUN', first: NOON + MINUTE, last: NOON + 3 * MINUTE, count: 3, reason: null, revision: 1, runId: null },
      ])
    })

    it('closes the gap between two rows when it goes later than its neighbours', async (t) => {
      const engine = await open(t)
      const job = await createJob(engine.store, once)
      await endRuns(engine, job, [succeeded, failed(), succeeded, failed(), succeeded])
      await sweep(engine, NOON + 40 * DAY)
      assert.deepEqual(
        (await verdictsOf(engine, job.id)).map(({ count }) => count),
        [1, 1, 1],
      )
      await sweep(engine, NOON + 100 * DAY)
      assert.deepEqual(
        (await verdictsOf(engine, job.id)).map(({ first, count }) => [first, count]),
        [[NOON + MINUTE, 5]],
      )
    })

    it('does not share a row with another verdict, another revision, or beyond a day', async (t) => {
      const engine = await open(t)
      const { store } = engine
      const job = await createJob(store, { schedule: { ...hourly, anchor: NOON } })
      await endAt(engine, job, [1])
      const position = await positionOf(store, job.id)
      const skipped = spanOf({ verdict: 'SKIPPED_OVERLAP', first: NOON + 2 * HOUR, reason: null })
      await store.commitPlans([planOf(position, [spanEntry(skipped)], { position: { plannedUntil: NOON + 2 * HOUR } })], NOON + 2 * HOUR)
      await endAt(engine, job, [3, 4])
      const closeAt = NOON + 4 * HOUR
      const schedule = { ...hourly, anchor: NOON, every: 6 * HOUR }
      const open2 = { number: 2, schedule, from: closeAt, until: null }
      await changeJob(store, job.id, (current) => ({
        job: { ...current, schedule, revision: 2, version: 2 },
        newRevision: { closeAt, open: open2 },
      }))
      // So few that one look finds them all, however slow the machine: what is removed together is shared out together.
      await endAt(engine, job, [6, 12, 18, 24, 30, 36])
      await sweep(engine, NOON + 40 * DAY)
      assert.deepEqual(
        (await verdictsOf(engine, job.id)).map(({ verdict, revision, first, count }) => [verdict, revision, (first - NOON) / HOUR, count]),
        [
          ['RUN', 1, 1, 1],
          ['SKIPPED_OVERLAP', 1, 2, 1],
          ['RUN', 1, 3, 2],
          ['RUN', 2, 6, 5],
          ['RUN', 2, 36, 1],
        ],
      )
    })

    it('leaves nothing where it had no occurrence, or none that was planned', async (t) => {
      const engine = await open(t)
      const { store } = engine
      const job = await createJob(store)
      await changeJob(store, job.id, () => ({ runs: [manualRunOf(job)] }))
      for (const attempt of await beginAll(store)) await settleOne(store, attempt, succeeded, NOON + MINUTE)
      await sweep(engine, NOON + 40 * DAY)
      assert.deepEqual([await runsOf(engine, job.id), await verdictsOf(engine, job.id)], [[], []])
    })

    it('keeps the ledger whole, whatever goes in whatever order', async (t) => {
      const engine = await open(t)
      const outcome = fc.constantFrom<Outcome>(succeeded, succeeded, failed(), cancelled)
      const moment = fc.record({
        at: fc.integer({ min: 1, max: 100 }).map((days) => NOON + days * DAY),
        mostOfJob: fc.integer({ min: 1, max: 12 }),
        alwaysOfJob: fc.integer({ min: 0, max: 5 }),
      })
      await fc.assert(
        fc.asyncProperty(
          fc.array(outcome, { minLength: 1, maxLength: 12 }),
          fc.array(moment, { maxLength: 5 }),
          async (outcomes, moments) => {
            const job = await createJob(engine.store, once)
            await endRuns(engine, job, outcomes)
            const planned = outcomes.map((_, i) => NOON + (i + 1) * MINUTE)
            for (const { at, ...rules } of moments) {
              await sweep(engine, at, rules)
              assert.deepEqual(await held(engine, job), planned)
            }
          },
        ),
        { numRuns: 25 },
      )
    })

    it('is walked over no longer than it stays: many that stay between some that go', async (t) => {
      const engine = await open(t)
      const job = await createJob(engine.store, once)
      const outcomes = Array.from({ length: 300 }, (_, i) => (i % 10 === 0 ? succeeded : failed()))
      const runs = await endRuns(engine, job, outcomes)
      const failedOnes = idsOf(runs.filter((_, i) => i % 10 !== 0))
      const rules: RetentionRules = { ...RULES, mostOfJob: 500 }
      const sweepWith = async (now: number, given: RetentionRules) => {
        let from: SweepPlace | null = null
        do from = (await engine.store.sweepJobs({ rules: given, from, now })).next
        while (from !== null)
      }
      for (const day of [31, 32, 33]) await sweepWith(NOON + day * DAY, rules)
      assert.deepEqual(await runsOf(engine, job.id), failedOnes)
      await sweepWith(NOON + 91 * DAY, rules)
      assert.deepEqual([await runsOf(engine, job.id), (await held(engine, job)).length], [[], 300])
    })

    it('raises the floor of the stream to its newest change; runs of deleted jobs do not', async (t) => {
      const engine = await open(t)
      const { store } = engine
      const [job, gone] = [await createJob(store), await createJob(store)]
      const [first, second] = await endRuns(engine, job, [succeeded, succeeded, succeeded])
      await endRuns(engine, gone, [succeeded, succeeded])
      await changeJob(store, gone.id, () => ({ delete: true, event: 'DELETED' }))
      const cursors = (await store.runRows([first!.id, second!.id])).map((row) => row!.cursor)
      await sweep(engine, NOON + 40 * DAY, { alwaysOfJob: 1 })
      assert.equal(await store.streamFloor(), Math.max(...cursors))
      await store.removeDeleted(1_000)
      assert.equal(await store.streamFloor(), Math.max(...cursors))
    })
  })
}

const hourly = { kind: 'interval', every: HOUR, anchor: NOON, startAt: null, endAt: null, maxRuns: null, jitter: null } as const

/** Runs of an hourly job at these hours after NOON. */
async function endAt(engine: Engine, job: Job, hours: readonly number[]): Promise<void> {
  for (const hour of hours) {
    const at = NOON + hour * HOUR
    await planRun(engine.store, job, { occurrence: at, scheduledFor: at, dueAt: at, queuedAt: at })
    const [attempt] = await beginAll(engine.store, at)
    await settleOne(engine.store, attempt!, succeeded, at + 1)
  }
}
