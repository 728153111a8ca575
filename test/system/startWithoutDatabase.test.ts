import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freePort } from '../../deploy/cluster/ports.ts'
import { request } from '../support/graphqlClient.ts'
import { createPostgresDatabase, startPostgres } from '../support/postgres.ts'
import { runOrrery, startWaiting } from '../support/process.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const PASSWORD = 'hunter2'

test('a process whose database is away waits for it: alive, not ready, and gone at once when it is told to go', async () => {
  const url = `postgres://orrery:${PASSWORD}@127.0.0.1:${await freePort()}/orrery`
  const waiting = await startWaiting({ directory: temporaryDirectory(), env: { DATABASE_URL: url } })
  await waiting.logs.first('a second look', ({ msg, retryInMs }) => msg === 'the database is away; waiting for it' && retryInMs === 500)
  assert.equal((await fetch(`${waiting.origin}/health/live`)).status, 200)
  const ready = await fetch(`${waiting.origin}/health/ready`)
  const { status, checks } = (await ready.json()) as { status: string; checks: { database: string } }
  assert.deepEqual([ready.status, status], [503, 'not ready'])
  assert.match(checks.database, /not available.*ECONNREFUSED/)
  assert.equal((await fetch(`${waiting.origin}/graphql?query={system{version}}`)).status, 503)
  assert.match(await (await fetch(`${waiting.origin}/metrics`)).text(), /\norrery_database_up 0\n/)

  const { code, stdout, stderr } = await waiting.kill('SIGTERM')
  assert.deepEqual([code, stdout], [0, ''])
  assert.ok(!stderr.includes(PASSWORD), stderr)
  assert.doesNotMatch(stderr, /"level":"(error|fatal)"/)
})

test('it starts when its database is there', async (t) => {
  const postgres = await startPostgres()
  t.after(() => postgres.remove())
  await postgres.stop('immediate')
  const env = { DATABASE_URL: postgres.url, ORRERY_ROLES: 'api,worker' }
  const waiting = await startWaiting({ directory: temporaryDirectory(), env })
  await waiting.logs.first('the wait', ({ msg }) => msg === 'the database is away; waiting for it')
  await postgres.start()
  await waiting.ready()
  assert.equal((await fetch(`${waiting.origin}/health/ready`)).status, 200)
  const { system } = await request<{ system: { engine: string } }>(waiting.url, '{ system { engine } }')
  assert.equal(system.engine, 'POSTGRES')
  const { code, stderr } = await waiting.kill('SIGTERM')
  assert.equal(code, 0)
  assert.ok(!stderr.includes(new URL(postgres.url).password))
})

test('what the operator has to mend is not waited for', async (t) => {
  const database = await createPostgresDatabase({ empty: true })
  t.after(() => database.drop())
  const wrong = new URL(database.url)
  wrong.password = `${PASSWORD}-wrong`
  const { code, stdout, stderr } = await runOrrery({ directory: temporaryDirectory(), env: { DATABASE_URL: wrong.href } })
  assert.deepEqual([code, stdout], [1, ''])
  assert.match(stderr, /the password is wrong/)
  assert.doesNotMatch(stderr, new RegExp(`${PASSWORD}|at .*\\.ts:`))
})
