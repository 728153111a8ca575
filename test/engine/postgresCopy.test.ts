import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import pg from 'pg'
import { openEngine } from '../../src/engine/engine.ts'
import { StoreUnavailable } from '../../src/engine/errors.ts'
import { ASKED_AGAIN_AFTER, Copy } from '../../src/engine/store/postgres/copy.ts'
import { readingDatabase } from '../../src/engine/store/postgres/database.ts'
import { closePool, openPool } from '../../src/engine/store/postgres/pool.ts'
import type { JobListQuery } from '../../src/engine/store/store.ts'
import { keepingLog } from '../support/parts.ts'
import { createPostgresDatabase } from '../support/postgres.ts'
import { allRuns, createJob, LATER } from './factories.ts'

const everyJob: JobListQuery = {
  filter: { state: null, search: null, tags: null, handler: null, lastRunStatus: null, now: LATER },
  orderBy: { field: 'NAME', direction: 'ASC' },
  after: null,
  before: null,
  fromEnd: false,
  limit: 10,
}

async function databases(t: TestContext, count: number): Promise<readonly string[]> {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const { url, drop } = await createPostgresDatabase()
      t.after(drop)
      return url
    }),
  )
}

/** A way to a server that can be cut and opened again. */
async function wayTo(t: TestContext, url: string) {
  const { hostname, port: target } = new URL(url)
  const sockets = new Set<Socket>()
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
  }
  const server = createServer((incoming) => {
    const outgoing = connect(Number(target), hostname)
    for (const socket of [incoming, outgoing]) keep(socket)
    incoming.pipe(outgoing).pipe(incoming)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const cut = async () => {
    const closed = once(server, 'close')
    server.close()
    for (const socket of sockets) socket.destroy()
    await closed
  }
  t.after(() => server.listening && cut())
  const way = new URL(url)
  way.host = `127.0.0.1:${port}`
  return { url: way.href, cut, open: () => once(server.listen(port, '127.0.0.1'), 'listening') }
}

describe('a database for reads (DATABASE_READ_URL)', () => {
  it('answers lists, and nothing else', async (t) => {
    const [url, copyUrl] = await databases(t, 2)
    const { log } = keepingLog()
    const copied = await openEngine({ databaseUrl: copyUrl!, instanceId: 'ins_copy', log })
    const engine = await openEngine({ databaseUrl: url!, readUrl: copyUrl!, instanceId: 'ins_test', log })
    t.after(async () => {
      await engine.close()
      await copied.close()
    })
    // Two databases that differ show which of them was asked: a true copy only ever differs by what is on its way.
    const here = await createJob(engine.store, { name: 'here' })
    const there = await createJob(copied.store, { name: 'there' })

    assert.deepEqual(
      (await engine.lists.listJobs(everyJob)).map(({ job }) => job.name),
      ['there'],
    )
    assert.equal(await engine.lists.countJobs({ ...everyJob.filter, search: 'here' }), 1)
    assert.equal(await engine.lists.countRuns(allRuns), 0)
    assert.equal((await engine.lists.population(LATER)).jobs, 1)
    assert.deepEqual(
      (await engine.store.listJobs(everyJob)).map(({ job }) => job.name),
      ['here'],
    )
    assert.equal((await engine.store.job({ id: here.id }))?.job.name, 'here')
    assert.equal(await engine.store.job({ id: there.id }), null)
    assert.deepEqual(await engine.prisma.job.findMany({ select: { name: true } }), [{ name: 'here' }])
  })

  it('may go away: the primary answers meanwhile, and it is asked again after a while', async (t) => {
    const [url, copyUrl] = await databases(t, 2)
    const way = await wayTo(t, copyUrl!)
    const { log, entries } = keepingLog()
    const open = (from: string) => {
      const pool = openPool({ url: from, applicationName: 'test', max: 2, readOnly: true, log })
      t.after(() => closePool(pool))
      return readingDatabase(pool)
    }
    let now = 0
    const copy = new Copy({ copy: open(way.url), primary: open(url!), log, now: () => now })
    const asked = async () => (await copy.rows<{ name: string }>('SELECT current_database() AS name'))[0]!.name
    const [primaryName, copyName] = [url!, copyUrl!].map((each) => new URL(each).pathname.slice(1))
    const told = () => entries.filter(({ message }) => message.includes('DATABASE_READ_URL')).map(({ message }) => message.split('; ')[0])

    assert.equal(await asked(), copyName)
    await way.cut()
    assert.deepEqual(await Promise.all([asked(), asked(), asked()]), [primaryName, primaryName, primaryName])
    now = ASKED_AGAIN_AFTER
    assert.equal(await asked(), primaryName)
    assert.deepEqual(told(), ['the database for reads (DATABASE_READ_URL) is away'])

    await way.open()
    assert.equal(await asked(), primaryName)
    now = 2 * ASKED_AGAIN_AFTER
    assert.equal(await asked(), copyName)
    assert.equal(
      await copy.snapshot(async (session) => (await session.rows<{ name: string }>('SELECT current_database() AS name'))[0]!.name),
      copyName,
    )
    assert.deepEqual(told().slice(1), ['the database for reads (DATABASE_READ_URL) answers again'])
  })

  it('that has not come to a migration yet, or gives way to its copying, has single statements answered by the primary', async (t) => {
    const [url, copyUrl] = await databases(t, 2)
    const admin = new pg.Client(copyUrl!)
    await admin.connect()
    await admin.query('ALTER TABLE "Job" RENAME TO "JobOfTheVersionBefore"')
    await admin.end()
    const { log, entries } = keepingLog()
    const engine = await openEngine({ databaseUrl: url!, readUrl: copyUrl!, instanceId: 'ins_test', log })
    t.after(() => engine.close())
    await createJob(engine.store, { name: 'here' })
    assert.deepEqual(
      (await engine.lists.listJobs(everyJob)).map(({ job }) => job.name),
      ['here'],
    )
    assert.equal(await engine.lists.countRuns(allRuns), 0)
    assert.equal(
      entries.some(({ message }) => message.includes('away')),
      false,
    )
  })

  it('whose statement took too long is not helped by the primary', async () => {
    const timeout = Object.assign(new Error('canceling statement due to statement timeout'), { code: '57014' })
    const failing = (error: Error) => ({
      rows: () => Promise.reject(error),
      rowsOnce: () => Promise.reject(error),
      write: () => Promise.reject(error),
      snapshot: () => Promise.reject(error),
    })
    const unavailable = new StoreUnavailable('x', { cause: timeout })
    const copy = new Copy({ copy: failing(unavailable), primary: failing(new Error('the primary was asked')), log: keepingLog().log })
    await assert.rejects(copy.rowsOnce('SELECT 1'), unavailable)
  })
})
