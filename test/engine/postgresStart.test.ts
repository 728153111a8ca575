import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openEngine } from '../../src/engine/engine.ts'
import { EngineStartError, StoreUnavailable } from '../../src/engine/errors.ts'
import { claimAt, createJob, newJobOf, NOON, succeeded } from './factories.ts'
import { keepingLog } from '../support/parts.ts'
import { administer, urlOf } from '../support/postgresServer.ts'
import { createPostgresDatabase } from '../support/postgres.ts'
import { freePort } from '../../deploy/cluster/ports.ts'

const PASSWORD = 'hunter2'

async function refusalOf(databaseUrl: string): Promise<Error> {
  const { log } = keepingLog()
  try {
    const engine = await openEngine({ databaseUrl, instanceId: 'ins_test', log })
    await engine.close()
  } catch (error) {
    assert.ok(error instanceof Error)
    assert.ok(!`${error.message} ${error.stack}`.includes(PASSWORD), error.message)
    return error
  }
  assert.fail('it was opened')
}

test('what the operator has to mend ends the start with the reason', async (t) => {
  const database = await createPostgresDatabase()
  t.after(() => database.drop())
  const name = new URL(database.url).pathname.slice(1)
  const role = `reader_${process.pid}`
  await administer(database.url, `CREATE ROLE ${role} LOGIN PASSWORD '${PASSWORD}'`)
  t.after(() => administer(database.url, `DROP OWNED BY ${role}; DROP ROLE ${role}`).catch(() => {}))
  const as = (user: string, password: string, url = database.url) => {
    const changed = new URL(url)
    changed.username = user
    changed.password = password
    return changed.href
  }
  const nothing = urlOf(database.url, 'no_such_database')
  const secured = `${database.url}?sslmode=require`
  for (const [url, message] of [
    [nothing, /no_such_database on 127\.0\.0\.1:\d+\) refuses: there is no such database/],
    [as(role, `${PASSWORD}x`), /the password is wrong/],
    [as(role, PASSWORD), /the user may not do what a start must/],
    [secured, /the two do not agree on TLS/],
  ] as const) {
    const error = await refusalOf(url)
    assert.ok(error instanceof EngineStartError, String(error))
    assert.equal(error.code, 'REFUSED')
    assert.match(error.message, message)
  }
  assert.equal(
    (await administer(database.url, `SELECT 1 FROM pg_stat_activity WHERE datname = '${name}' AND usename = '${role}'`)).length,
    0,
  )
})

test('a database that is away may be opened later', async () => {
  const error = await refusalOf(`postgres://orrery:${PASSWORD}@127.0.0.1:${await freePort()}/orrery`)
  assert.ok(error instanceof StoreUnavailable, String(error))
  assert.match(error.message, /ECONNREFUSED/)
})

test('a process has as many connections for its store as it is allowed to', async (t) => {
  const database = await createPostgresDatabase()
  t.after(() => database.drop())
  const { log } = keepingLog()
  const busiest = async (connections: number) => {
    const engine = await openEngine({ databaseUrl: database.url, connections, instanceId: `ins_with_${connections}`, log })
    const { store } = engine
    const { id } = await createJob(store)
    // Verbs of one kind share transactions; these are of many kinds.
    await Promise.all([
      store.changeJob(id, () => ({ refuse: 'no' })),
      store.changeRun('run_none', () => ({ refuse: 'no' })),
      store.createJobs([newJobOf()]),
      store.beginReady(claimAt(NOON), 1),
      store.settle([{ runId: 'run_none', attempt: 1, outcome: succeeded, now: NOON, random: 0 }]),
      store.settleSetting('a', 'b'),
      store.changeMaintenance(() => null),
      store.markUnhandled({ handlers: new Set(), since: NOON, now: NOON, limit: 1 }),
      store.removeDeleted(1),
      store.appendLogs([]),
      store.renewLeases([{ runId: 'run_none', attempt: 1 }], 'ins_none', NOON),
    ])
    const count = await open()
    await engine.close()
    return count
  }
  const open = async () => {
    const sql = `SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`
    return ((await administer(database.url, sql)) as { n: number }[])[0]!.n
  }
  const [few, many] = [await busiest(2), await busiest(8)]
  assert.ok(many > few, `${few} with two allowed, ${many} with eight`)
})
