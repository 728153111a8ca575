import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { startEmbeddedPostgres } from '../../deploy/cluster/embeddedPostgres.ts'
import { isRunning } from '../../deploy/cluster/processes.ts'
import { createPostgresDatabase, type OwnPostgres, startPostgres } from './postgres.ts'
import { Recorder } from './recorder.ts'
import { temporaryDirectory } from './temporary.ts'

const WHERE_IT_IS = `SELECT current_setting('data_directory') AS folder, split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::INT AS pid`

async function ask<Row extends object>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return (await client.query<Row>(sql)).rows
  } finally {
    await client.end()
  }
}

describe('databases for tests', () => {
  it('are migrated or empty, and nobody else sees what one writes', async () => {
    const [one, other, empty] = await Promise.all([
      createPostgresDatabase(),
      createPostgresDatabase(),
      createPostgresDatabase({ empty: true }),
    ])
    await ask(one.url, 'CREATE TABLE mine (id INT)')
    await assert.rejects(ask(other.url, 'SELECT FROM mine'), /"mine" does not exist/)
    assert.deepEqual(await ask(other.url, 'SELECT FROM "Run"'), [])
    assert.deepEqual(await ask(empty.url, `SELECT FROM pg_tables WHERE schemaname = 'public'`), [])
    await Promise.all([one, other, empty].map((each) => each.drop()))
    await assert.rejects(ask(one.url, 'SELECT 1'), { code: '3D000' })
  })

  it('order text that has no collation of its own unlike bytes do, so that forgetting one shows', async () => {
    const { url, drop } = await createPostgresDatabase({ empty: true })
    assert.deepEqual(await ask(url, `SELECT 'b' < 'C' AS words, 'b' COLLATE "C" < 'C' AS bytes`), [{ words: true, bytes: false }])
    await drop()
  })

  it('are dropped under whoever is connected', async () => {
    const { url, drop } = await createPostgresDatabase()
    const client = new pg.Client(url)
    const errors = new Recorder<Error>()
    client.on('error', (error) => errors.add(error))
    await client.connect()
    await drop()
    await errors.first('the end of the connection', ({ message }) => /terminat/.test(message))
  })
})

describe('a server of a test', () => {
  let server: OwnPostgres
  before(async () => {
    server = await startPostgres()
  })
  after(() => server.remove())

  for (const mode of ['fast', 'immediate', 'kill'] as const) {
    it(`keeps what was committed when it is stopped (${mode}) and started again on its port`, async () => {
      await ask(server.url, 'CREATE TABLE IF NOT EXISTS kept (id INT); TRUNCATE kept; INSERT INTO kept VALUES (1)')
      await server.stop(mode)
      await assert.rejects(ask(server.url, 'SELECT 1'), { code: 'ECONNREFUSED' })
      await server.start()
      assert.deepEqual(await ask(server.url, 'SELECT id FROM kept'), [{ id: 1 }])
      if (mode !== 'fast') assert.match(server.log(), /not properly shut down/)
    })
  }

  it('is as durable as servers are', async () => {
    assert.deepEqual(await ask(server.url, `SELECT current_setting('fsync') AS f, current_setting('synchronous_commit') AS s`), [
      { f: 'on', s: 'on' },
    ])
  })

  it('answers nobody while it is frozen, and goes on where it was', { skip: process.platform !== 'linux' && 'Linux only' }, async () => {
    const client = new pg.Client(server.url)
    await client.connect()
    server.freeze()
    let answered = false
    const answer = client.query('SELECT 1 AS one').finally(() => {
      answered = true
    })
    await delay(100)
    assert.equal(answered, false)
    server.thaw()
    assert.deepEqual((await answer).rows, [{ one: 1 }])
    await client.end()
  })

  it('leaves no process and no folder', async () => {
    const [{ folder, pid }] = (await ask(server.url, WHERE_IT_IS)) as [{ folder: string; pid: number }]
    assert.ok(isRunning(pid) && existsSync(folder))
    await server.remove()
    assert.ok(!isRunning(pid) && !existsSync(join(folder, '..')))
  })
})

describe('a server', { concurrency: true }, () => {
  // As a test that is ended by the runner, one whose process crashes, and one whose machine is short of memory.
  for (const end of ['SIGTERM', 'SIGKILL', 'frozen'] as const) {
    it(`goes with a process that ends without a word (${end})`, { skip: process.platform === 'win32' && 'no signals' }, async () => {
      const script = `
        import { startPostgres } from ${JSON.stringify(new URL('./postgresServer.ts', import.meta.url).href)}
        import pg from ${JSON.stringify(import.meta.resolve('pg'))}
        const server = await startPostgres()
        const client = new pg.Client(server.url)
        await client.connect()
        process.stdout.write(JSON.stringify((await client.query(${JSON.stringify(WHERE_IT_IS)})).rows[0]) + '\\n', () => {
          if (${JSON.stringify(end)} === 'frozen') server.freeze()
          if (${JSON.stringify(end)}.startsWith('SIG')) process.kill(process.pid, ${JSON.stringify(end)})
          else process.exit()
        })`
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
      let output = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
      await new Promise((resolve) => child.once('close', resolve))
      const { folder, pid } = JSON.parse(output) as { folder: string; pid: number }
      while (isRunning(pid) || existsSync(join(folder, '..'))) await delay(20)
    })
  }

  it('says what is wrong with a port that somebody has, and leaves nothing', async (t) => {
    const holder = createServer()
    t.after(() => holder.close())
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve))
    const { port } = holder.address() as AddressInfo
    const folder = mkdtempSync(join(tmpdir(), 'orrery-postgres-'))
    await assert.rejects(startEmbeddedPostgres({ folder, temporary: true, password: 'x', port }), /port \d+:[\s\S]*could not bind/)
    assert.ok(!existsSync(folder))
  })

  it('says who cannot reach its folder', { skip: process.getuid?.() !== 0 && 'root only' }, async () => {
    const folder = join(temporaryDirectory(), 'server')
    const start = startEmbeddedPostgres({ folder, temporary: true, password: 'x' })
    await assert.rejects(start, /user \w+, who cannot reach/)
  })
})
