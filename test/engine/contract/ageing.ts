import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { DAY, HOUR } from '../../../src/domain/instant.ts'
import type { Job } from '../../../src/domain/job.ts'
import type { RetentionRules } from '../../../src/domain/retention.ts'
import type { Engine } from '../../../src/engine/engine.ts'
import type { SweepPlace } from '../../../src/engine/store/store.ts'
import {
  beginAll,
  changeJob,
  createJob,
  LATER,
  MINUTE,
  minutely,
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

const RULES: RetentionRules = { succeededFor: 30 * DAY, failedFor: 90 * DAY, mostOfJob: 10_000, alwaysOfJob: 50 }

async function sweep({ store }: Engine, now: number): Promise<void> {
  let from: SweepPlace | null = null
  do from = (await store.sweepJobs({ rules: RULES, from, now })).next
  while (from !== null)
}

/** Stores what the planner said of a job's instants: rows of one verdict each, `[first, last]` in minutes after NOON. */
async function decide({ store }: Engine, job: Job, rows: readonly (readonly [number, number])[]): Promise<void> {
  for (const [first, last] of rows) {
    const span = spanOf({ first: NOON + first * MINUTE, last: NOON + last * MINUTE, count: last - first + 1, reason: `${first}` })
    const position = { plannedUntil: NOON + last * MINUTE }
    await store.commitPlans([planOf(await positionOf(store, job.id), [spanEntry(span)], { position })], NOON)
  }
}

export function ageingContract(open: Open): void {
  describe('the ledger', () => {
    it('is cut by age, row by row; one that reaches over the cut stays until it ends before it', async (t) => {
      const engine = await open(t)
      const job = await createJob(engine.store)
      await decide(engine, job, [
        [1, 3],
        [4, 90],
        [91, 200],
      ])
      await sweep(engine, NOON + 400 * DAY)
      assert.deepEqual([(await verdictsOf(engine, job.id)).length, await engine.store.ledgerBegins()], [3, null])
      await sweep(engine, NOON + 400 * DAY + HOUR)
      const firsts = (await verdictsOf(engine, job.id)).map(({ first }) => (first - NOON) / MINUTE)
      assert.deepEqual([firsts, await engine.store.ledgerBegins()], [[4, 91], NOON + HOUR])
      await sweep(engine, NOON + 402 * DAY)
      assert.deepEqual(await verdictsOf(engine, job.id), [])
    })

    it('keeps the revisions it is read by, and the last one of each job always', async (t) => {
      const engine = await open(t)
      const { store } = engine
      const job = await createJob(store)
      for (const number of [2, 3]) {
        const from = NOON + (number - 1) * DAY
        const open = { number, schedule: minutely, from, until: number === 3 ? from + DAY : null }
        await changeJob(store, job.id, (current) => ({ job: { ...current, revision: number }, newRevision: { closeAt: from, open } }))
      }
      const numbers = async () => (await store.revisions(job.id)).map(({ number }) => number)
      await sweep(engine, NOON + 401 * DAY)
      assert.deepEqual(await numbers(), [1, 2, 3])
      await sweep(engine, NOON + 401 * DAY + HOUR)
      assert.deepEqual([await numbers(), await store.ledgerBegins()], [[2, 3], NOON + DAY + HOUR])
      await sweep(engine, NOON + 500 * DAY)
      assert.deepEqual(await numbers(), [3])
    })
  })

  describe('figures that grow old', () => {
    /** A run that ended at each of these instants. */
    async function endAt({ store }: Engine, job: Job, instants: readonly number[]): Promise<void> {
      for (const instant of instants) {
        await planRun(store, job, { dueAt: instant - 100 })
        await settleOne(store, (await beginAll(store, instant - 50))[0]!, succeeded, instant)
      }
    }
    const rollUp = async ({ store }: Engine, now: number, limit = 2) => {
      let rows = 0
      for (let batch = limit; batch === limit; rows += batch) batch = await store.rollUpFigures(now, limit)
      return rows
    }

    it('are summed up by the hour when that is over, and say the same', async (t) => {
      const engine = await open(t)
      const { store, prisma } = engine
      const [job, other] = [await createJob(store), await createJob(store)]
      await endAt(engine, job, [LATER, LATER + MINUTE, LATER + 59 * MINUTE, LATER + HOUR, LATER + 4 * HOUR])
      await endAt(engine, other, [LATER + 2])
      const ask = async (from: number, buckets: number) =>
        Promise.all([job.id, null].map((jobId) => store.figures({ jobId, from, to: LATER + 10 * HOUR, buckets })))
      const [wide, narrow] = [await ask(LATER, 2), await ask(LATER + 30 * MINUTE, 50)]
      assert.equal(await rollUp(engine, LATER + HOUR + 4 * MINUTE), 0)
      assert.equal(await rollUp(engine, LATER + HOUR + 5 * MINUTE), 7)
      assert.deepEqual([await ask(LATER, 2), await ask(LATER + 30 * MINUTE, 50)], [wide, narrow])
      assert.equal(await rollUp(engine, LATER + DAY), 4)
      assert.deepEqual([await ask(LATER, 2), await ask(LATER + 30 * MINUTE, 50)], [wide, narrow])
      assert.deepEqual([await prisma.jobMinute.count(), await prisma.jobHour.count()], [11, 7])
    })

    it('are kept by the minute for a week, and then count whole hours', async (t) => {
      const engine = await open(t)
      const { store, prisma } = engine
      const job = await createJob(store)
      await endAt(engine, job, [LATER, LATER + 59 * MINUTE])
      const ask = async () => (await store.figures({ jobId: job.id, from: LATER + 30 * MINUTE, to: LATER + DAY, buckets: 1 }))[0]?.succeeded
      await rollUp(engine, LATER + 8 * DAY + 59 * MINUTE)
      assert.deepEqual([await ask(), await prisma.jobMinute.count()], [1, 4])
      await rollUp(engine, LATER + 8 * DAY + HOUR)
      assert.deepEqual([await ask(), await prisma.jobMinute.count()], [2, 0])
    })

    it('go after three months, those of all jobs together too', async (t) => {
      const engine = await open(t)
      await endAt(engine, await createJob(engine.store), [LATER, LATER + 5 * DAY])
      await rollUp(engine, LATER + 20 * DAY)
      await sweep(engine, LATER + 91 * DAY)
      assert.equal(await engine.prisma.jobHour.count(), 4)
      await sweep(engine, LATER + 91 * DAY + 1)
      assert.equal(await engine.prisma.jobHour.count(), 2)
    })

    it('of deleted jobs are not kept', async (t) => {
      const engine = await open(t)
      const { store, prisma } = engine
      const [gone, late] = [await createJob(store), await createJob(store)]
      await endAt(engine, gone, [LATER])
      await rollUp(engine, LATER + DAY)
      await endAt(engine, late, [LATER + 2 * DAY])
      for (const { id } of [gone, late]) await changeJob(store, id, () => ({ delete: true, event: 'DELETED' }))
      await store.removeDeleted(1_000)
      await rollUp(engine, LATER + 20 * DAY)
      const hours = await prisma.jobHour.findMany()
      assert.deepEqual(
        [hours.map(({ jobId, succeeded: s }) => [jobId, s]), await prisma.jobMinute.count()],
        [
          [
            ['', 1],
            ['', 1],
          ],
          0,
        ],
      )
    })
  })

  describe('commands on jobs in their stream', () => {
    it('are kept as long as the ledger; the floor is the newest that went', async (t) => {
      const { store, prisma } = await open(t)
      const job = await createJob(store)
      await changeJob(store, job.id, () => ({ event: 'UPDATED', now: NOON + 1 }))
      await changeJob(store, job.id, () => ({ delete: true, event: 'DELETED', now: NOON + 10 * DAY }))
      const events = await prisma.jobEvent.findMany({ orderBy: { cursor: 'asc' } })
      assert.deepEqual([await store.removeJobEvents(NOON + 400 * DAY, 10), await store.jobStreamFloor()], [0, 0])
      assert.equal(await store.removeJobEvents(NOON + 401 * DAY, 1), 1)
      assert.equal(await store.removeJobEvents(NOON + 401 * DAY, 10), 1)
      assert.deepEqual([await store.jobStreamFloor(), (await prisma.jobEvent.findMany()).length], [Number(events[1]!.cursor), 1])
    })
  })
}
