import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import Database from 'better-sqlite3'
import type { Hint } from '../../src/engine/bus/bus.ts'
import { localBus } from '../../src/engine/bus/localBus.ts'
import { StoreUnavailable } from '../../src/engine/errors.ts'
import { migrate } from '../../src/engine/migrate.ts'
import { openWriter } from '../../src/engine/store/sqlite/connection.ts'
import { sqliteStore } from '../../src/engine/store/sqlite/sqliteStore.ts'
import { keepingLog } from '../support/parts.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import {
  allRuns,
  beginAll,
  changeJob,
  createJob,
  LATER,
  manualRunOf,
  newJobOf,
  planOf,
  planRun,
  positionOf,
  runEntry,
  runOf,
  settleOne,
  statusOf,
} from './factories.ts'

/** A store whose connection the test can harm. */
function openStore(t: TestContext) {
  const db = openWriter(join(temporaryDirectory(), 'orrery.db'))
  migrate(db)
  const { log } = keepingLog()
  const bus = localBus(log)
  const store = sqliteStore({ db, instanceId: 'ins_test', bus, log })
  t.after(() => db.open && store.close())
  return { db, store, bus }
}

function fillDisk(db: Database.Database): () => void {
  const before = db.pragma('max_page_count', { simple: true })
  db.pragma(`max_page_count = ${db.pragma('page_count', { simple: true })}`)
  return () => db.pragma(`max_page_count = ${before}`)
}

const isAway = (error: unknown) => error instanceof StoreUnavailable && error.code === 'UNAVAILABLE'
const large = 'x'.repeat(60_000)

describe('a full disk', () => {
  it('is answered to every call of the transaction as UNAVAILABLE, with nothing stored; later calls succeed when there is room', async (t) => {
    const { db, store, bus } = openStore(t)
    const job = await createJob(store)
    const head = await store.streamHead()
    const hints: Hint[] = []
    bus.subscribe((hint) => hints.push(hint))
    const makeRoom = fillDisk(db)
    const calls = [
      store.createJobs([newJobOf({ name: 'small' })]),
      ...Array.from({ length: 20 }, () => changeJob(store, job.id, (current) => ({ runs: [manualRunOf(current, { payload: large })] }))),
    ]
    for (const result of await Promise.allSettled(calls)) assert.ok(result.status === 'rejected' && isAway(result.reason))
    assert.deepEqual([await store.job({ name: 'small' }), await store.countRuns(allRuns), hints, db.inTransaction], [null, 0, [], false])
    assert.equal(await store.streamHead(), head)
    makeRoom()
    await store.createJobs([newJobOf({ name: 'small' })])
    await changeJob(store, job.id, (current) => ({ runs: [manualRunOf(current, { payload: large })] }))
    assert.deepEqual(
      hints.map(({ kind }) => kind),
      ['changes', 'jobs', 'changes', 'runs'],
    )
    assert.equal((hints.at(-2) as { upTo: number }).upTo, head + 2)
  })

  it('leaves what is remembered in step with what is stored: slots, figures, positions, numbers of log lines', async (t) => {
    const { db, store } = openStore(t)
    const job = await createJob(store, { policies: { concurrencyKey: 'k', maxConcurrency: 1 } })
    await planRun(store, job)
    const [begun] = await beginAll(store)
    const logLine = (message: string) => ({ runId: begun!.runId, attempt: 1, at: LATER, level: 'INFO' as const, message, fields: null })
    await store.appendLogs([logLine('first')])

    const makeRoom = fillDisk(db)
    // Freed pages would be used before the disk is felt to be full: what is written here is larger than those.
    await assert.rejects(store.appendLogs(Array.from({ length: 50 }, () => logLine(large))), isAway)
    const plan = planOf(await positionOf(store, job.id), [runEntry(runOf(job, { occurrence: LATER, payload: large.repeat(20) }))])
    await assert.rejects(store.commitPlans([plan], LATER), isAway)
    const settling = store.settle([
      { runId: begun!.runId, attempt: 1, outcome: { kind: 'SUCCEEDED', output: large.repeat(20) }, now: LATER, random: 0 },
    ])
    await assert.rejects(settling, isAway)
    assert.equal(await statusOf(store, begun!.runId), 'RUNNING')
    makeRoom()

    assert.deepEqual(await store.commitPlans([plan], LATER), [true])
    const [, held] = await store.listRuns({
      filter: allRuns,
      orderBy: { field: 'QUEUED_AT', direction: 'ASC' },
      after: null,
      before: null,
      fromEnd: false,
      limit: 9,
    })
    assert.equal(await statusOf(store, held!.id), 'QUEUED held by CONCURRENCY')
    await store.appendLogs([logLine('second')])
    assert.deepEqual(db.prepare('SELECT seq, message FROM "LogLine" ORDER BY seq').all(), [
      { seq: 1, message: 'first' },
      { seq: 2, message: 'second' },
    ])
    assert.equal(await settleOne(store, begun!), 'SUCCEEDED')
    assert.deepEqual(db.prepare('SELECT sum(succeeded) AS succeeded FROM "JobMinute" WHERE "jobId" = ?').get(job.id), { succeeded: 1 })
    assert.equal(await statusOf(store, held!.id), 'QUEUED')
  })

  it('shows in the check of the store from the write that failed until one succeeds, though reading goes on', async (t) => {
    const { db, store } = openStore(t)
    const job = await createJob(store)
    await store.check()
    const makeRoom = fillDisk(db)
    await store.check()
    const write = () => changeJob(store, job.id, (current) => ({ runs: [manualRunOf(current, { payload: large })] }))
    await assert.rejects(write(), isAway)
    await assert.rejects(store.check(), isAway)
    assert.notEqual(await store.job({ id: job.id }), null)
    await assert.rejects(
      changeJob(store, job.id, () => assert.fail("the caller's own")),
      assert.AssertionError,
    )
    makeRoom()
    await write()
    await store.check()
  })
})

describe('a database that somebody else holds', () => {
  it('is UNAVAILABLE as long as that lasts, and soon: the loop is not held up', async (t) => {
    const { db, store } = openStore(t)
    const other = new Database(db.name)
    other.exec('BEGIN IMMEDIATE')
    const began = performance.now()
    await assert.rejects(store.createJobs([newJobOf()]), isAway)
    assert.ok(performance.now() - began < 1_000)
    other.exec('COMMIT')
    other.close()
    assert.deepEqual(await store.createJobs([newJobOf()]), [{ ok: true }])
  })
})

describe('a closed store', () => {
  it('has committed what was asked of it before, and answers UNAVAILABLE to what comes after', async (t) => {
    const { db, store } = openStore(t)
    const asked = store.createJobs([newJobOf({ name: 'last' })])
    await store.close()
    assert.deepEqual(await asked, [{ ok: true }])
    await assert.rejects(store.createJobs([newJobOf()]), isAway)
    await assert.rejects(store.job({ name: 'last' }), isAway)
    await assert.rejects(store.countRuns(allRuns), isAway)
    await assert.rejects(store.check(), isAway)
    const again = new Database(db.name, { readonly: true })
    assert.deepEqual(again.prepare('SELECT name FROM "Job"').all(), [{ name: 'last' }])
    again.close()
  })
})
