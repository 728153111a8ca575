import assert from 'node:assert/strict'
import { it } from 'node:test'
import pg from 'pg'
import { openEngine } from '../../src/engine/engine.ts'
import { keepingLog } from '../support/parts.ts'
import { createPostgresDatabase } from '../support/postgres.ts'
import { changeJob, claimAt, createJob, failed, LATER, manualRunOf, NOON, positionOf, settleOne } from './factories.ts'

/** More than two statements cancel. */
const WAITING = 20_500

it('the end of a job with many runs on Postgres ends each of them once, and asks those that run', async (t) => {
  const { url, drop } = await createPostgresDatabase()
  const engine = await openEngine({ databaseUrl: url, instanceId: 'ins_test', log: keepingLog().log })
  const sql = new pg.Client({ connectionString: url })
  await sql.connect()
  t.after(async () => {
    await sql.end()
    await engine.close()
    await drop()
  })
  const { store, bus } = engine
  const backoff = { initial: 60_000, factor: 1, max: 60_000, jitter: false }
  const job = await createJob(store, { policies: { overlap: 'ALLOW_ALL', maxAttempts: 3, backoff } })
  const first = Array.from({ length: 4 }, () => manualRunOf(job, { priority: 9 }))
  // Many share an instant, also where one statement ends and the next one begins.
  const rest = Array.from({ length: WAITING }, (_, i) => manualRunOf(job, { dueAt: NOON + Math.floor(i / 7_000), priority: 3 }))
  await changeJob(store, job.id, () => ({ runs: [...rest, ...first] }))
  const [retried, asked, ...running] = await store.beginReady(claimAt(LATER), 4)
  await settleOne(store, retried!, failed({ retryable: true }))
  await changeJob(store, job.id, () => ({ cancels: [asked!.runId], now: LATER + 1 }))

  const head = await store.streamHead()
  const told: string[] = []
  bus.subscribe((hint) => {
    if (hint.kind === 'cancels') told.push(...hint.runIds)
  })
  await changeJob(store, job.id, () => ({ delete: true, event: 'DELETED', now: LATER + 2 }))
  const { rows } = await sql.query<{ status: string; runs: number; cursors: number; changes: number; ended: number }>(
    `SELECT status, count(*)::int AS runs, count(DISTINCT cursor)::int AS cursors, count(*) FILTER (WHERE cursor > $2)::int AS changes,
       count(*) FILTER (WHERE "finishedAt" = $3 AND "cancelRequestedAt" = $3 AND "changedAt" = $3)::int AS ended
     FROM "Run" WHERE "jobId" = $1 GROUP BY status ORDER BY status`,
    [job.id, head, new Date(LATER + 2)],
  )
  const ended = WAITING + 1
  assert.deepEqual(rows, [
    { status: 'CANCELLED', runs: ended, cursors: ended, changes: ended, ended },
    { status: 'RUNNING', runs: 3, cursors: 3, changes: 2, ended: 0 },
  ])
  assert.deepEqual([...told].sort(), running.map(({ runId }) => runId).sort())
  assert.equal((await positionOf(store, job.id)).activeRuns, 3)
  const figures = await store.figures({ jobId: job.id, from: NOON, to: LATER + 60_000, buckets: 1 })
  assert.equal(figures[0]!.cancelled, ended)
})
