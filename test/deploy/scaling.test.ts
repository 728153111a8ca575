import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import pg from 'pg'
import { createPostgresDatabase, type PostgresDatabase } from '../support/postgres.ts'
import { read, readKubernetes } from './manifests.ts'

// Every statement that docs/scaling.md gives an operator is tried on a real server, and those that are asked all day must stay cheap.

const statements = [...read('docs/scaling.md').matchAll(/^```sql\n([\s\S]*?)^```/gm)].map(([, sql]) => sql!)
const [WAITING, WORK] = ['AS waiting', 'AS work'].map((name) => statements.find((sql) => sql.includes(name))!) as [string, string]

describe('on a database', () => {
  let database: PostgresDatabase
  let client: pg.Client
  before(async () => {
    database = await createPostgresDatabase()
    client = new pg.Client(database.url)
    await client.connect()
    await fill(client)
  })
  after(async () => {
    await client?.end()
    await database?.drop()
  })

  test('every statement is answered', async () => {
    assert.ok(statements.length >= 12)
    for (const sql of statements) await client.query(sql).catch((error: Error) => assert.fail(`${error.message}\n${sql}`))
  })

  test('the queue is counted: what is due, not held, and waits', async () => {
    // Of each kind of run `fill` makes ten.
    assert.equal(Number((await client.query(WAITING)).rows[0].waiting), 20)
    assert.equal(Number((await client.query(WORK)).rows[0].work), 30)
  })

  test('the queue is counted in the indexes of what waits, whatever the history', async () => {
    const { rows } = await client.query(`EXPLAIN ${WORK}`)
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
    for (const index of ['run_ready', 'run_retrying', 'run_leased']) assert.match(plan, new RegExp(`using ${index} `), plan)
    assert.doesNotMatch(plan, /Seq Scan/, plan)
  })
})

test('KEDA asks as the documents say', () => {
  const scaled = readKubernetes()
    .get('keda/workers.yaml')!
    .find(({ kind }) => kind === 'ScaledObject')
  const plain = (sql: string): string => sql.replace(/\s+/g, ' ').trim()
  assert.equal(plain(scaled.spec.triggers[0].metadata.query), plain(WORK))
})

/** Runs that have ended, and ten of each kind that has not. */
async function fill(client: pg.Client): Promise<void> {
  await client.query(`
    INSERT INTO "Job" (id, name, "searchText", tags, schedule, revision, target, "targetKind", policies, version, "createdAt", "updatedAt")
      VALUES ('job', 'job', 'job', '[]', '{}', 1, '{}', 'HANDLER', '{}', 1, now(), now())`)
  const runs = async (kind: string, count: number, status: string, more: Readonly<Record<string, string>> = {}): Promise<void> => {
    const values = { dueAt: `now() - interval '1 second'`, ...more }
    await client.query(`
      INSERT INTO "Run" (id, "jobId", trigger, status, "scheduledFor", "queuedAt", priority, cursor, "changedAt", "${Object.keys(values).join('", "')}")
        SELECT '${kind}-' || i, 'job', 'MANUAL', '${status}', now(), now(), 0, nextval('"streamCursor"'), now(), ${Object.values(values).join(', ')}
        FROM generate_series(1, ${count}) AS i`)
  }
  await runs('ended', 20_000, 'SUCCEEDED', { finishedAt: 'now()' })
  await runs('ready', 10, 'QUEUED')
  await runs('early', 10, 'QUEUED', { dueAt: `now() + interval '1 hour'` })
  await runs('held', 10, 'QUEUED', { heldBy: `'OVERLAP'` })
  await runs('later', 10, 'RETRYING', { nextAttemptAt: `now() + interval '1 hour'` })
  await runs('again', 10, 'RETRYING', { nextAttemptAt: `now() - interval '1 second'` })
  await runs('going', 10, 'RUNNING', { leaseUntil: 'now()' })
  await client.query('ANALYZE "Run"')
}
