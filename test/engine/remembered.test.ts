import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { Remembered } from '../../src/engine/store/sqlite/remembered.ts'
import type { JobListFilter, JobListQuery, RunListQuery } from '../../src/engine/store/store.ts'
import { changeJob, createJob, manualRunOf, NOON, newJobOf } from './factories.ts'
import { openSqliteDatabase } from './openSqlite.ts'

const EVERY_JOB: JobListFilter = { state: null, search: null, tags: null, handler: null, lastRunStatus: null, now: NOON }
const BY_NAME: JobListQuery = {
  filter: EVERY_JOB,
  orderBy: { field: 'NAME', direction: 'ASC' },
  after: null,
  before: null,
  fromEnd: false,
  limit: 10,
}
const NEWEST_RUNS: RunListQuery = {
  filter: { jobIds: null, status: null, trigger: null, scheduledFrom: null, scheduledTo: null, tags: null },
  orderBy: { field: 'QUEUED_AT', direction: 'DESC' },
  after: null,
  before: null,
  fromEnd: false,
  limit: 10,
}

const open = async (t: TestContext) => (await (await openSqliteDatabase(t)).open()).store

describe('answers remembered between two commits', () => {
  it('every change is seen by whoever asks after it, in lists and in counts', async (t) => {
    const store = await open(t)
    const names = async () => (await store.listJobs(BY_NAME)).map(({ job }) => job.name)
    const runs = async () => (await store.listRuns(NEWEST_RUNS)).map(({ id, status }) => `${id} ${status}`)
    assert.deepEqual([await names(), await runs(), await store.countJobs(EVERY_JOB)], [[], [], 0])
    for (let round = 0; round < 3; round++) {
      const job = await createJob(store, { name: `job ${round}` })
      assert.deepEqual([await names(), await store.countJobs(EVERY_JOB)], [[`job ${round}`], 1])
      await changeJob(store, job.id, (stored) => ({ job: { ...stored, name: `renamed ${round}`, version: 2 }, event: 'UPDATED' }))
      assert.deepEqual(await names(), [`renamed ${round}`])
      const run = manualRunOf(job)
      await changeJob(store, job.id, () => ({ runs: [run] }))
      assert.equal((await runs())[0], `${run.id} QUEUED`)
      assert.equal(await store.countRuns(NEWEST_RUNS.filter), round + 1)
      const [begun] = await store.beginReady({ instanceId: 'ins_test', now: NOON + 60_000, leaseUntil: NOON + 90_000, handlers: null }, 1)
      assert.equal((await runs())[0], `${run.id} RUNNING`)
      await store.settle([{ ...begun!, outcome: { kind: 'SUCCEEDED', output: null }, now: NOON + 61_000, random: 0 }])
      assert.equal((await runs())[0], `${run.id} SUCCEEDED`)
      assert.equal((await store.listJobs(BY_NAME))[0]?.lastRunStatus, 'SUCCEEDED')
      await changeJob(store, job.id, () => ({ delete: true, event: 'DELETED' }))
      assert.deepEqual([await names(), await store.countJobs(EVERY_JOB)], [[], 0])
    }
  })

  it('what is asked while a change waits does not outlive the change', async (t) => {
    const store = await open(t)
    for (let count = 1; count <= 20; count++) {
      const [, before] = await Promise.all([store.createJobs([newJobOf()]), store.countJobs(EVERY_JOB)])
      assert.equal(before, count - 1)
      assert.equal(await store.countJobs(EVERY_JOB), count)
    }
  })

  it('between two commits a question is read once; time is part of it where pauses end by themselves', async (t) => {
    const store = await open(t)
    await createJob(store, { name: 'paused', pause: { since: NOON, until: NOON + 5, note: 'soon over', by: null } })
    assert.equal(await store.listJobs(BY_NAME), await store.listJobs({ ...BY_NAME, filter: { ...EVERY_JOB, now: NOON + 10 } }))
    const paused = async (now: number) => (await store.listJobs({ ...BY_NAME, filter: { ...EVERY_JOB, state: ['PAUSED'], now } })).length
    assert.deepEqual([await paused(NOON), await paused(NOON + 10)], [1, 0])
    const counted = (now: number) => store.countJobs({ ...EVERY_JOB, state: ['PAUSED'], now })
    assert.deepEqual([await counted(NOON), await counted(NOON + 10)], [1, 0])
    assert.equal((await store.listJobs({ ...BY_NAME, limit: 0 })).length, 0)
  })

  it('a read that a commit overtakes answers those who asked before it, nobody after', async () => {
    let commits = 0
    const remembered = new Remembered(() => commits)
    const slow = Promise.withResolvers<string>()
    const ask = (read: () => Promise<string>) => remembered.answer('q', read, () => 0)
    const never = () => assert.fail('it is remembered')
    const [first, shared] = [ask(() => slow.promise), ask(never)]
    commits++
    assert.equal(await ask(async () => 'new'), 'new')
    slow.resolve('old')
    assert.deepEqual(await Promise.all([first, shared]), ['old', 'old'])
    assert.equal(await ask(never), 'new')
  })

  it('failures, large answers and those to long questions are not kept, and of others only so many', async () => {
    const remembered = new Remembered(() => 0)
    await assert.rejects(
      remembered.answer(
        'q',
        () => Promise.reject(new Error('away')),
        () => 0,
      ),
      /away/,
    )
    assert.equal(
      await remembered.answer(
        'q',
        async () => 'back',
        () => 0,
      ),
      'back',
    )
    assert.equal(
      await remembered.answer(
        'large',
        async () => 1,
        () => 10_000_000,
      ),
      1,
    )
    assert.equal(
      await remembered.answer(
        'large',
        async () => 2,
        () => 10_000_000,
      ),
      2,
    )
    const long = 'q'.repeat(5_000)
    const two = [1, 2].map((value) =>
      remembered.answer(
        long,
        async () => value,
        () => 0,
      ),
    )
    assert.deepEqual(await Promise.all(two), [1, 2])
    for (let index = 0; index < 1_000; index++)
      await remembered.answer(
        `q${index}`,
        async () => index,
        () => 1_000,
      )
    assert.equal(remembered.size, 100)
    assert.equal(
      await remembered.answer(
        'q999',
        async () => -1,
        () => 0,
      ),
      999,
    )
    assert.equal(
      await remembered.answer(
        'q0',
        async () => -1,
        () => 0,
      ),
      -1,
    )
  })
})
