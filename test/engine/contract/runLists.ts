import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import fc from 'fast-check'
import { RUN_STATUSES, RUN_TRIGGERS, type RunTrigger } from '../../../src/domain/run.ts'
import type { Engine } from '../../../src/engine/engine.ts'
import {
  type PageKey,
  RUN_ORDER_FIELDS,
  type RunListFilter,
  type RunOrderField,
  type RunRow,
  type Store,
} from '../../../src/engine/store/store.ts'
import { allRuns, beginAll, changeJob, createJob, failed, LATER, NOON, newId, runOf, settleOne } from '../factories.ts'
import { checkFiltered, checkPaging, inOrder } from './paging.ts'

type Open = (t: TestContext) => Promise<Engine>

/** Some eighty runs of three jobs in all statuses. */
async function storeRuns(
  store: Store,
): Promise<{ readonly rows: readonly RunRow[]; readonly jobIds: readonly string[]; readonly tagged: ReadonlySet<string> }> {
  const jobs = [await createJob(store, { tags: ['a', 'b'] }), await createJob(store, { tags: ['b'] }), await createJob(store)]
  const ids: string[] = []
  for (let i = 0; i < 84; i++) {
    const job = jobs[i % 7 === 0 ? 1 : i % 5 === 0 ? 2 : 0]!
    const trigger = (['SCHEDULE', 'MANUAL', 'BACKFILL', 'RERUN'] as const)[i % 4]!
    const scheduledFor = NOON + ((i * 37) % 23)
    const queuedAt = NOON + Math.floor(i / 3)
    const occurrence = trigger === 'SCHEDULE' || trigger === 'BACKFILL' ? NOON + 1_000 * i : null
    const run = runOf(job, {
      id: newId('run', queuedAt),
      trigger,
      occurrence,
      scheduledFor,
      dueAt: NOON,
      queuedAt,
      heldBy: i % 13 === 0 ? 'OVERLAP' : null,
    })
    await changeJob(store, job.id, () => ({ runs: [run] }))
    ids.push(run.id)
    if (i % 3 !== 0) {
      const [begun] = await beginAll(store)
      if (begun !== undefined && i % 6 !== 1) await settleOne(store, begun, i % 2 === 0 ? failed() : undefined, LATER + ((i * 3) % 10))
    }
  }
  return {
    rows: (await store.runRows(ids)).filter((row) => row !== null),
    jobIds: jobs.map(({ id }) => id),
    tagged: new Set([jobs[0]!.id, jobs[1]!.id]),
  }
}

const VALUES: Readonly<Record<RunOrderField, (row: RunRow) => number | null>> = {
  SCHEDULED_FOR: (row) => row.scheduledFor,
  QUEUED_AT: (row) => row.queuedAt,
  FINISHED_AT: (row) => row.finishedAt,
}

export function runListContract(open: Open): void {
  describe('lists of runs', () => {
    it('come in every order, of all jobs and of one, as sorting in memory gives them', async (t) => {
      const { store } = await open(t)
      const { rows, jobIds } = await storeRuns(store)
      assert.deepEqual(await store.runRows([rows[0]!.id, 'run_none']), [rows[0], null])
      for (const field of RUN_ORDER_FIELDS) {
        const keyOf = (row: RunRow): PageKey => ({ value: VALUES[field](row), id: row.id })
        for (const direction of ['ASC', 'DESC'] as const) {
          for (const filter of [allRuns, { ...allRuns, jobIds: [jobIds[0]!] }]) {
            const listed = rows.filter(({ jobId }) => filter.jobIds === null || filter.jobIds.includes(jobId))
            await checkPaging(listed, keyOf, direction, (bounds) => store.listRuns({ filter, orderBy: { field, direction }, ...bounds }))
          }
        }
      }
    })

    it('hold what the filters let through, all of them together, and count the same', async (t) => {
      const { store } = await open(t)
      const { rows, jobIds, tagged } = await storeRuns(store)
      const cases: [Partial<RunListFilter>, (row: RunRow) => boolean][] = [
        [{}, () => true],
        [{ jobIds: [jobIds[1]!] }, (row) => row.jobId === jobIds[1]],
        [{ jobIds: [jobIds[1]!, jobIds[2]!, 'job_none'] }, (row) => row.jobId !== jobIds[0]],
        [{ jobIds: [] }, () => false],
        [{ status: ['RUNNING'] }, (row) => row.status === 'RUNNING'],
        [{ status: ['QUEUED', 'FAILED'] }, (row) => row.status === 'QUEUED' || row.status === 'FAILED'],
        [{ status: ['SUCCEEDED'] }, (row) => row.status === 'SUCCEEDED'],
        [{ status: [] }, () => false],
        [{ trigger: ['MANUAL', 'RERUN'] satisfies RunTrigger[] }, (row) => row.occurrence === null],
        [{ scheduledFrom: NOON + 5 }, (row) => row.scheduledFor >= NOON + 5],
        [{ scheduledFrom: NOON + 5, scheduledTo: NOON + 9 }, (row) => row.scheduledFor >= NOON + 5 && row.scheduledFor < NOON + 9],
        [{ tags: ['b'] }, (row) => tagged.has(row.jobId)],
        [{ tags: ['a', 'b'] }, (row) => row.jobId === jobIds[0]],
        [{ tags: ['none'] }, () => false],
        [
          { jobIds: [jobIds[0]!], status: ['SUCCEEDED', 'FAILED'], trigger: ['SCHEDULE'], scheduledTo: NOON + 20, tags: ['a'] },
          (row) => row.jobId === jobIds[0] && row.finishedAt !== null && row.trigger === 'SCHEDULE' && row.scheduledFor < NOON + 20,
        ],
      ]
      for (const [some, fits] of cases) {
        const filter = { ...allRuns, ...some }
        const expected = rows.filter(fits)
        assert.equal(await store.countRuns(filter), expected.length, JSON.stringify(some))
        for (const field of RUN_ORDER_FIELDS) {
          const listed = await store.listRuns({
            filter,
            orderBy: { field, direction: 'DESC' },
            after: null,
            before: null,
            fromEnd: false,
            limit: 100,
          })
          const sorted = inOrder(expected, (row) => ({ value: VALUES[field](row), id: row.id }), 'DESC')
          assert.deepEqual(listed, sorted, JSON.stringify({ ...some, field }))
        }
      }
    })

    it('hold what any filter lets through, in every order and between any bounds', async (t) => {
      const { store } = await open(t)
      const { rows, jobIds, tagged } = await storeRuns(store)
      const some = <T>(values: readonly T[]) => fc.option(fc.subarray([...values]))
      const filters: fc.Arbitrary<RunListFilter> = fc.record({
        jobIds: some(jobIds),
        status: some(RUN_STATUSES),
        trigger: some(RUN_TRIGGERS),
        scheduledFrom: fc.option(fc.integer({ min: NOON, max: NOON + 24 })),
        scheduledTo: fc.option(fc.integer({ min: NOON, max: NOON + 24 })),
        tags: some(['a', 'b']),
      })
      const tagsOf = (row: RunRow) => (row.jobId === jobIds[0] ? ['a', 'b'] : tagged.has(row.jobId) ? ['b'] : [])
      const fits = ({ jobIds, status, trigger, scheduledFrom, scheduledTo, tags }: RunListFilter, row: RunRow) =>
        (jobIds?.includes(row.jobId) ?? true) &&
        (status?.includes(row.status) ?? true) &&
        (trigger?.includes(row.trigger) ?? true) &&
        (scheduledFrom === null || row.scheduledFor >= scheduledFrom) &&
        (scheduledTo === null || row.scheduledFor < scheduledTo) &&
        (tags?.every((tag) => tagsOf(row).includes(tag)) ?? true)
      for (const field of RUN_ORDER_FIELDS) {
        const keyOf = (row: RunRow): PageKey => ({ value: VALUES[field](row), id: row.id })
        for (const direction of ['ASC', 'DESC'] as const) {
          await checkFiltered(rows, keyOf, direction, { filters, fits }, (filter, bounds) =>
            store.listRuns({ filter, orderBy: { field, direction }, ...bounds }),
          )
        }
      }
    })

    it('the newest come first by the order of their making', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store)
      // The clock was turned back between the two: the later one is the newer all the same.
      const [first, second] = [runOf(job, { queuedAt: LATER, occurrence: NOON }), runOf(job, { queuedAt: LATER, occurrence: NOON + 1 })]
      await changeJob(store, job.id, () => ({ runs: [first, second] }))
      const listed = await store.listRuns({
        filter: allRuns,
        orderBy: { field: 'QUEUED_AT', direction: 'DESC' },
        after: null,
        before: null,
        fromEnd: false,
        limit: 9,
      })
      assert.deepEqual(
        listed.map(({ id }) => id),
        [second.id, first.id],
      )
    })

    it('of many jobs: the newest of each, as its own list has them', async (t) => {
      const { store } = await open(t)
      const { jobIds } = await storeRuns(store)
      const [idle] = [await createJob(store)]
      const orderBy = { field: 'QUEUED_AT', direction: 'DESC' } as const
      const page = { after: null, before: null, fromEnd: false, limit: 5 }
      const lists = await store.newestRuns([...jobIds, idle.id, 'job_none'], 5)
      const single = await Promise.all(jobIds.map((id) => store.listRuns({ filter: { ...allRuns, jobIds: [id] }, orderBy, ...page })))
      assert.deepEqual(lists, [...single, [], []])
      assert.ok(single.every((runs) => runs.length === 5))
    })
  })
}
