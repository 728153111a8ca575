import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type pg from 'pg'
import { openPostgresBus } from '../../src/engine/bus/postgresBus.ts'
import { DatabaseClock } from '../../src/engine/databaseClock.ts'
import { openEngine } from '../../src/engine/engine.ts'
import { readingDatabase } from '../../src/engine/store/postgres/database.ts'
import { closePool, openPool } from '../../src/engine/store/postgres/pool.ts'
import { postgresStore } from '../../src/engine/store/postgres/postgresStore.ts'
import { keepingLog, NOON } from '../support/parts.ts'
import { createPostgresDatabase } from '../support/postgres.ts'
import {
  claimAt,
  createJob,
  LATER,
  MINUTE,
  planOf,
  planRun,
  positionOf,
  runEntry,
  runOf,
  spanEntry,
  spanOf,
  succeeded,
} from './factories.ts'

describe('a commit whose answer is lost', () => {
  it('of log lines: told again, each stands once', async (t) => {
    const { store, loseNext } = await openLosing(t)
    const run = await begun(store)
    const line = (message: string) => ({ ...run, at: NOON, level: 'INFO' as const, message, fields: null })
    await store.appendLogs([line('before')])
    const lines = [line('one'), line('"two" \\ {}'), line('three\0')]
    loseNext()
    await assert.rejects(store.appendLogs(lines), { code: 'UNAVAILABLE' })
    await store.appendLogs([...lines, line('three\0')])
    const stored = await store.logLines({ runId: run.runId, after: null, before: null, fromEnd: false, limit: 100 })
    assert.deepEqual(
      stored.map(({ seq, message }) => [seq, message]),
      [
        [1, 'before'],
        [2, 'one'],
        [3, '"two" \\ {}'],
        [4, 'three\ufffd'],
        [5, 'three\ufffd'],
      ],
    )
  })

  it('of an outcome: told again it is stale, and counted once', async (t) => {
    const { store, loseNext } = await openLosing(t)
    const run = await begun(store)
    const report = { ...run, outcome: succeeded, now: LATER + 5, random: 0 }
    loseNext()
    await assert.rejects(store.settle([report]), { code: 'UNAVAILABLE' })
    assert.deepEqual(await store.settle([report]), [{ kind: 'stale' }])
    assert.equal((await store.run(run.runId))?.status, 'SUCCEEDED')
    const [figures] = await store.figures({ jobId: null, from: LATER, to: LATER + 60_000, buckets: 1 })
    assert.equal(figures?.succeeded, 1)
  })

  it('of a plan: made again it is refused, and its instants have one verdict each', async (t) => {
    const { store, loseNext } = await openLosing(t)
    const job = await createJob(store)
    const position = await positionOf(store, job.id)
    const entries = [spanEntry(spanOf({ first: NOON + MINUTE })), runEntry(runOf(job, { occurrence: NOON + 2 * MINUTE }))]
    const plan = () => planOf(position, entries, { position: { plannedUntil: NOON + 2 * MINUTE } })
    loseNext()
    await assert.rejects(store.commitPlans([plan()], LATER), { code: 'UNAVAILABLE' })
    assert.deepEqual(await store.commitPlans([plan()], LATER), [false])
    const { runs, shared } = await store.ledger({ jobId: job.id, after: NOON, before: LATER, fromEnd: false, limit: 10 })
    assert.deepEqual(
      [runs.map(({ first }) => first), shared.map(({ first, count }) => [first, count])],
      [[NOON + 2 * MINUTE], [[NOON + MINUTE, 1]]],
    )
    assert.equal((await positionOf(store, job.id)).activeRuns, 1)
  })

  it('of a claim: what has begun for nobody is interrupted, which costs no attempt, and begins anew', async (t) => {
    const { store, loseNext } = await openLosing(t)
    const job = await createJob(store)
    const delivered: string[] = []
    store.attach({
      instanceId: 'ins_a',
      free: () => 10,
      leaseUntil: (now) => now + 30_000,
      handlers: () => null,
      deliver: (attempts) => void delivered.push(...attempts.map(({ runId, attempt }) => `${runId} ${attempt}`)),
    })
    const planned = await planRun(store, job, { dueAt: LATER + MINUTE })
    const others = await createJob(store)
    const plan = planOf(await positionOf(store, others.id), [runEntry(runOf(others, { occurrence: NOON + MINUTE }))])
    loseNext()
    // One begins in the commit of its plan, the other is looked for; both claims are of one instant.
    await assert.rejects(store.commitPlans([plan], LATER + MINUTE), { code: 'UNAVAILABLE' })
    loseNext()
    await assert.rejects(store.beginForConsumer(LATER + MINUTE, 10), { code: 'UNAVAILABLE' })
    assert.deepEqual(delivered, [])
    const third = await planRun(store, job, { occurrence: NOON + 5 * MINUTE, dueAt: LATER + MINUTE })

    assert.equal(await store.beginForConsumer(LATER + MINUTE + 5, 10), 3)
    const { runs } = await store.ledger({ jobId: others.id, after: NOON, before: LATER, fromEnd: false, limit: 10 })
    const begunWithPlan = runs[0]!.runId!
    assert.deepEqual(delivered.toSorted(), [`${planned.id} 2`, `${begunWithPlan} 2`, `${third.id} 1`].toSorted())
    for (const id of [planned.id, begunWithPlan]) {
      const row = await store.run(id)
      assert.deepEqual([row?.status, row?.attempt, row?.attemptsUsed], ['RUNNING', 2, 0])
    }
    // They are this process's own now, and nobody doubts them any more.
    assert.equal(await store.beginForConsumer(LATER + MINUTE + 10, 10), 0)
    assert.equal((await store.run(planned.id))?.attempt, 2)
  })

  it('of a cancel: asked again the run has ended, and what waited for it goes on', async (t) => {
    const { store, loseNext } = await openLosing(t)
    const job = await createJob(store, { policies: { overlap: 'BUFFER_ALL' } })
    const [first, next] = [await planRun(store, job), await planRun(store, job, { occurrence: NOON + 2 * MINUTE, heldBy: 'OVERLAP' })]
    const cancel = () =>
      store.changeRun(first.id, (current) => (current?.run.status === 'QUEUED' ? { kind: 'cancel', now: LATER } : { refuse: 'ended' }))
    loseNext()
    await assert.rejects(cancel(), { code: 'UNAVAILABLE' })
    assert.deepEqual(await cancel(), { kind: 'refused', refusal: 'ended' })
    assert.deepEqual(
      (await store.beginReady(claimAt(LATER), 10)).map(({ runId }) => runId),
      [next.id],
    )
  })
})

type LosingStore = Awaited<ReturnType<typeof openLosing>>['store']

async function begun(store: LosingStore) {
  const run = await planRun(store, await createJob(store))
  const [attempt] = await store.beginReady(claimAt(LATER), 1)
  assert.equal(attempt?.runId, run.id)
  return { runId: run.id, attempt: 1 }
}

/** A store that can be made to lose the answer to the next COMMIT, as where the connection breaks just then. */
async function openLosing(t: TestContext) {
  const { url, drop } = await createPostgresDatabase()
  const { log } = keepingLog()
  await (await openEngine({ databaseUrl: url, instanceId: 'ins_before', log })).close()
  const pool = openPool({ url, applicationName: 'orrery:ins_a', log })
  let loses = false
  const losing = {
    query: pool.query.bind(pool),
    async connect() {
      const client = await pool.connect()
      return {
        release: (broken?: boolean) => client.release(broken),
        async query(config: pg.QueryConfig, values: unknown[]) {
          const answer = await client.query(config, values)
          if (config.text !== 'COMMIT' || !loses) return answer
          loses = false
          throw new Error('Connection terminated unexpectedly')
        },
      }
    },
  } as unknown as pg.Pool
  const bus = await openPostgresBus({
    url,
    applicationName: 'orrery:ins_a',
    instanceId: 'ins_a',
    clock: new DatabaseClock(),
    onSilence() {},
    log,
  })
  const store = await postgresStore({ pool: losing, reads: readingDatabase(pool), instanceId: 'ins_a', bus, now: Date.now, log })
  t.after(async () => {
    await store.close()
    await bus.close()
    await closePool(pool)
    await drop()
  })
  return {
    store,
    loseNext() {
      loses = true
    },
  }
}
