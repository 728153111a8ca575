import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import fc from 'fast-check'
import { JOB_STATES, jobState } from '../../../src/domain/job.ts'
import { RUN_STATUSES } from '../../../src/domain/run.ts'
import { factsOf, mayMatch } from '../../../src/domain/jobFilter.ts'
import type { Engine } from '../../../src/engine/engine.ts'
import {
  JOB_ORDER_FIELDS,
  type JobListFilter,
  type JobOrderField,
  type JobRow,
  type PageKey,
  type Store,
} from '../../../src/engine/store/store.ts'
import { beginAll, changeJob, createJob, failed, LATER, NOON, newId, newJobOf, planRun, settleOne } from '../factories.ts'
import { checkFiltered, checkPaging, inOrder } from './paging.ts'

type Open = (t: TestContext) => Promise<Engine>

const NOW = LATER
const everything: JobListFilter = { state: null, search: null, tags: null, handler: null, lastRunStatus: null, now: NOW }

/** Some sixty jobs, alike in some things and different in others, with and without next and last runs; some deleted. */
async function storeJobs(store: Store): Promise<readonly JobRow[]> {
  const ids: string[] = []
  for (let i = 0; i < 66; i++) {
    const createdAt = NOON + Math.floor(i / 4)
    const pause = i % 5 === 0 ? { since: NOON, until: i % 10 === 0 ? NOW : null, note: 'n', by: null } : null
    const target =
      i % 3 === 0
        ? ({ kind: 'handler', handler: i % 2 === 0 ? 'log' : 'noop' } as const)
        : ({ kind: 'command', executable: '/x', args: [] } as const)
    const job = await createJob(
      store,
      {
        id: newId('job', createdAt),
        name: `${['Z', 'a', 'ä', 'É', '0', '_', '😀'][i % 7]}${i}`,
        description: i % 4 === 0 ? `Straße ${i}% of_all` : null,
        tags: [`t${i % 2}`, `u${i % 3}`, ...(i === 7 ? ['rare'] : [])],
        pause,
        target,
        createdAt,
        updatedAt: NOON + ((i * 7) % 5),
        policies: { maxAttempts: 1 },
      },
      { nextRunAt: i % 3 === 0 ? null : NOON + ((i * 11) % 6), completed: i % 11 === 0 },
    )
    ids.push(job.id)
    if (i % 2 === 0) {
      await planRun(store, job, { queuedAt: NOON + ((i * 5) % 8) })
      if (i % 4 === 0) await settleOne(store, (await beginAll(store))[0]!, i % 8 === 0 ? failed() : undefined)
      await changeJob(store, job.id, () => ({
        position: { nextRunAt: i % 3 === 0 ? null : NOON + ((i * 11) % 6), completed: i % 11 === 0 },
      }))
    }
  }
  for (const id of ids.splice(20, 6)) await changeJob(store, id, () => ({ delete: true }))
  return (await store.jobRows(ids)).filter((row) => row !== null)
}

const VALUES: Readonly<Record<JobOrderField, (row: JobRow) => string | number | null>> = {
  NAME: (row) => row.job.name,
  CREATED_AT: (row) => row.job.createdAt,
  UPDATED_AT: (row) => row.job.updatedAt,
  NEXT_RUN_AT: (row) => row.position.nextRunAt,
  LAST_RUN_AT: (row) => row.lastRunAt,
}

export function jobListContract(open: Open): void {
  describe('lists of jobs', () => {
    it('come in every order, from both ends and between any bounds, as sorting in memory gives them', async (t) => {
      const { store } = await open(t)
      const rows = await storeJobs(store)
      for (const field of JOB_ORDER_FIELDS) {
        const keyOf = (row: JobRow): PageKey => ({ value: VALUES[field](row), id: row.job.id })
        for (const direction of ['ASC', 'DESC'] as const) {
          await checkPaging(rows, keyOf, direction, (bounds) =>
            store.listJobs({ filter: everything, orderBy: { field, direction }, ...bounds }),
          )
        }
      }
    })

    it('hold what the filters let through, all of them together, and count the same', async (t) => {
      const { store } = await open(t)
      const rows = await storeJobs(store)
      const state = (row: JobRow) => jobState(row.job, row.position, NOW)
      const cases: [Partial<JobListFilter>, (row: JobRow) => boolean][] = [
        [{}, () => true],
        [{ state: ['ACTIVE'] }, (row) => state(row) === 'ACTIVE'],
        [{ state: ['PAUSED', 'COMPLETED'] }, (row) => state(row) !== 'ACTIVE'],
        [{ state: [] }, () => false],
        [{ state: ['PAUSED'], now: NOW - 1 }, (row) => jobState(row.job, row.position, NOW - 1) === 'PAUSED'],
        [{ tags: ['t1'] }, (row) => row.job.tags.includes('t1')],
        [{ tags: ['t1', 'u2'] }, (row) => row.job.tags.includes('t1') && row.job.tags.includes('u2')],
        [{ tags: ['t1', 'rare'] }, (row) => row.job.tags.includes('rare')],
        [{ tags: ['none'] }, () => false],
        [{ tags: [] }, () => true],
        [{ handler: 'log' }, (row) => row.job.target.kind === 'handler' && row.job.target.handler === 'log'],
        [{ lastRunStatus: ['FAILED'] }, (row) => row.lastRunStatus === 'FAILED'],
        [{ lastRunStatus: ['QUEUED', 'SUCCEEDED'] }, (row) => row.lastRunStatus === 'QUEUED' || row.lastRunStatus === 'SUCCEEDED'],
        [{ search: 'STRASSE' }, () => false],
        [{ search: 'straße' }, (row) => row.job.description !== null],
        [{ search: 'É' }, (row) => row.job.name.startsWith('É')],
        [{ search: 'é' }, (row) => row.job.name.startsWith('É')],
        [{ search: '4%' }, (row) => row.job.description?.includes('4%') === true],
        [{ search: 'f_a' }, (row) => row.job.description !== null],
        [{ search: '\\' }, () => false],
        [{ search: '' }, () => true],
        [
          { search: 'straße', tags: ['u0'], state: ['ACTIVE'], handler: 'log' },
          (row) =>
            row.job.description !== null && row.job.tags.includes('u0') && state(row) === 'ACTIVE' && row.job.target.kind === 'handler',
        ],
      ]
      for (const [some, fits] of cases) {
        const filter = { ...everything, ...some }
        const expected = rows.filter(fits)
        // The stream of jobs has the same filters, and asks the domain.
        const passing = rows.filter((row) =>
          mayMatch(filter, { ...factsOf(row.job, row.position, filter.now), lastRunStatus: row.lastRunStatus }),
        )
        assert.deepEqual(passing, expected, JSON.stringify(some))
        assert.equal(await store.countJobs(filter), expected.length, JSON.stringify(some))
        for (const field of ['NAME', 'LAST_RUN_AT'] as const) {
          const listed = await store.listJobs({
            filter,
            orderBy: { field, direction: 'ASC' },
            after: null,
            before: null,
            fromEnd: false,
            limit: 100,
          })
          const sorted = inOrder(expected, (row) => ({ value: VALUES[field](row), id: row.job.id }), 'ASC')
          assert.deepEqual(listed, sorted, JSON.stringify(some))
        }
      }
    })

    it('hold what any filter lets through, in every order and between any bounds', async (t) => {
      const { store } = await open(t)
      const rows = await storeJobs(store)
      const some = <T>(values: readonly T[]) => fc.option(fc.subarray([...values]))
      const filters: fc.Arbitrary<JobListFilter> = fc.record({
        state: some(JOB_STATES),
        search: fc.option(fc.constantFrom('STRASSE', 'straße', 'é', '0', '')),
        tags: some(['t0', 't1', 'u0', 'rare']),
        handler: fc.option(fc.constantFrom('log', 'noop')),
        lastRunStatus: some(RUN_STATUSES),
        now: fc.constantFrom(NOW, NOW - 1),
      })
      const fits = ({ state, search, tags, handler, lastRunStatus, now }: JobListFilter, { job, position, lastRunStatus: last }: JobRow) =>
        (state?.includes(jobState(job, position, now)) ?? true) &&
        `${job.name}\n${job.description ?? ''}`.toLowerCase().includes((search ?? '').toLowerCase()) &&
        (tags?.every((tag) => job.tags.includes(tag)) ?? true) &&
        (handler === null || (job.target.kind === 'handler' && job.target.handler === handler)) &&
        (lastRunStatus === null || (last !== null && lastRunStatus.includes(last)))
      for (const field of JOB_ORDER_FIELDS) {
        const keyOf = (row: JobRow): PageKey => ({ value: VALUES[field](row), id: row.job.id })
        for (const direction of ['ASC', 'DESC'] as const) {
          await checkFiltered(rows, keyOf, direction, { filters, fits }, (filter, bounds) =>
            store.listJobs({ filter, orderBy: { field, direction }, ...bounds }),
          )
        }
      }
    })

    it('count up to ten thousand and no further, and page through the rare ones among many', async (t) => {
      const { store } = await open(t)
      const jobs = Array.from({ length: 10_001 }, (_, i) => newJobOf({ description: i % 2_500 === 1 ? 'needle' : null }))
      for (let i = 0; i < jobs.length; i += 1_000) await store.createJobs(jobs.slice(i, i + 1_000))
      assert.equal(await store.countJobs(everything), null)
      assert.equal(await store.countJobs({ ...everything, state: ['ACTIVE'] }), null)
      const filter = { ...everything, search: 'NEEDLE' }
      assert.equal(await store.countJobs(filter), 4)
      for (const fromEnd of [false, true]) {
        const rows = await store.listJobs({
          filter,
          orderBy: { field: 'CREATED_AT', direction: 'DESC' },
          after: null,
          before: null,
          fromEnd,
          limit: 3,
        })
        const places = rows.map(({ job }) => jobs.findIndex((each) => each.job.id === job.id))
        assert.deepEqual(places, fromEnd ? [5_001, 2_501, 1] : [7_501, 5_001, 2_501])
      }
      await changeJob(store, jobs[0]!.job.id, () => ({ delete: true }))
      assert.equal(await store.countJobs(everything), 10_000)
    })
  })
}
