import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import fc from 'fast-check'
import pg from 'pg'
import { openEngine } from '../../src/engine/engine.ts'
import { closePool, openPool } from '../../src/engine/store/postgres/pool.ts'
import { keepingLog } from '../support/parts.ts'
import { createPostgresDatabase } from '../support/postgres.ts'
import { createJob } from './factories.ts'

// Transactions draw positions in one order and commit in another. Whoever follows the head must see every row all the same, each once.

describe('the head of the stream, with transactions under way', () => {
  it('waits for whoever drew first, though others drew later and committed', async (t) => {
    const { reader, writer } = await openStream(t)
    const [a, b] = [await writer(), await writer()]
    await a.draw(2)
    await b.draw(1)
    await b.commit()
    assert.deepEqual(await reader.look(), [])
    await a.commit()
    assert.deepEqual(await reader.look(), [1, 2, 3])
  })

  it('goes on where a transaction was taken back, or its connection broke', async (t) => {
    const { reader, writer } = await openStream(t)
    const [a, b, c] = [await writer(), await writer(), await writer()]
    await a.draw(1)
    await b.draw(1)
    await c.draw(1)
    await c.commit()
    await a.rollback()
    assert.deepEqual(await reader.look(), [])
    await b.die()
    await reader.until([3])
  })

  it('does not go past a transaction that drew more than once', async (t) => {
    const { reader, writer } = await openStream(t)
    const [a, b] = [await writer(), await writer()]
    await a.draw(1)
    await b.draw(1)
    await a.draw(1)
    await b.commit()
    assert.deepEqual(await reader.look(), [])
    await a.commit()
    assert.deepEqual(await reader.look(), [1, 2, 3])
  })

  it('is never above what was committed: a crash gives again what only a transaction that was taken back had drawn', async (t) => {
    const { url, reader, writer } = await openStream(t)
    const [a, b] = [await writer(), await writer()]
    await a.draw(1)
    await a.commit()
    await b.draw(500)
    await b.rollback()
    assert.deepEqual(await reader.look(), [1])
    assert.equal(reader.position, 1)
    // As the sequence stands after a crash, when nothing of the second transaction had reached the disk.
    const afterCrash = await connect(t, url)
    await afterCrash.query(`SELECT setval('"streamCursor"', 33)`)
    await a.draw(1)
    await a.commit()
    assert.deepEqual(await reader.look(), [34])
  })

  it('is not held up by transactions that draw nothing, in this database or another', async (t) => {
    const { url, reader, writer } = await openStream(t)
    const other = await openStream(t)
    const idle = await other.writer()
    await idle.draw(1)
    const [open] = [await connect(t, url)]
    await open!.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT txid_current()')
    const a = await writer()
    await a.draw(1)
    await a.commit()
    assert.deepEqual(await reader.look(), [1])
  })

  it('lets nobody who follows it miss a row, whatever the order of draws, commits, breaks and looks', async (t) => {
    const { reset, reader, writer, committed } = await openStream(t)
    const writers = await Promise.all(Array.from({ length: 4 }, () => writer()))
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.record({ what: fc.constant('draw' as const), who: fc.nat(3), count: fc.integer({ min: 1, max: 3 }) }) },
      { weight: 3, arbitrary: fc.record({ what: fc.constant('commit' as const), who: fc.nat(3) }) },
      { weight: 1, arbitrary: fc.record({ what: fc.constant('rollback' as const), who: fc.nat(3) }) },
      { weight: 2, arbitrary: fc.record({ what: fc.constant('look' as const) }) },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        await reset()
        for (const each of steps) {
          if (each.what === 'look') await reader.look()
          else if (each.what === 'draw') await writers[each.who]!.draw(each.count)
          else await writers[each.who]![each.what]()
        }
        for (const one of writers) await one.commit()
        await reader.look()
        assert.deepEqual(reader.seen, await committed())
      }),
      { numRuns: 60 },
    )
  })

  it('lets nobody miss a row while eight connections write at once', async (t) => {
    const { url, reader, committed } = await openStream(t)
    const clients = await Promise.all(Array.from({ length: 8 }, () => connect(t, url)))
    let writing = true
    const follow = (async () => {
      while (writing) await reader.look()
    })()
    await Promise.all(
      clients.map(async (client, i) => {
        for (let n = 0; n < 150; n++) {
          // Some commit in the breath of their draw, some keep the transaction open over other statements.
          await client.query('BEGIN')
          await client.query(WRITE, [1 + (n % 3)])
          if (n % (i + 1) === 0) await client.query('SELECT pg_sleep(0.001)')
          await client.query(n % 7 === 0 ? 'ROLLBACK' : 'COMMIT')
        }
      }),
    )
    writing = false
    await follow
    await reader.look()
    assert.ok(reader.looks > 20, 'it looked while they wrote')
    assert.deepEqual(reader.seen, await committed())
  })

  it('goes on when the server ends a session that is frozen in its transaction, as it does with every session of ours', async (t) => {
    const { url, reader, writer } = await openStream(t)
    const pool = openPool({ url, applicationName: 'orrery:ins_x', log: keepingLog().log })
    t.after(() => closePool(pool))
    const { rows } = await pool.query('SHOW idle_in_transaction_session_timeout')
    assert.deepEqual(rows, [{ idle_in_transaction_session_timeout: '5s' }])
    const frozen = await connect(t, url)
    await frozen.query('SET idle_in_transaction_session_timeout = 300')
    const ended = new Promise((resolve) => frozen.once('end', resolve))
    await frozen.query('BEGIN')
    await frozen.query('SELECT "orrery_cursors"(1)')
    const a = await writer()
    await a.draw(1)
    await a.commit()
    assert.deepEqual(await reader.look(), [])
    await ended
    await reader.until([2])
  })
})

describe('the head of the stream, of two processes', () => {
  it('is behind what the other one may have told already, and no cursor of that is taken for one of another database', async (t) => {
    const { url } = await openStream(t)
    const engines = await Promise.all(
      ['ins_a', 'ins_b'].map((instanceId) => openEngine({ databaseUrl: url, instanceId, log: keepingLog().log })),
    )
    t.after(() => Promise.all(engines.map((engine) => engine.close())))
    const [a, b] = engines.map(({ store }) => store)
    await createJob(a!)
    const before = await a!.streamHead()
    const slow = await connect(t, url)
    await slow.query('BEGIN; SELECT "orrery_cursors"(1)')
    const job = await createJob(b!)
    assert.deepEqual([await a!.streamHead(), await b!.streamHead()], [before, before])
    assert.equal(await a!.streamGiven(), before + 2)
    await slow.query('COMMIT')
    assert.deepEqual([await a!.streamHead(), await b!.streamHead()], [before + 2, before + 2])
    const changes = await a!.jobChanges({ after: before, upTo: before + 2, limit: 10 })
    assert.deepEqual(
      changes.map(({ jobId, cursor }) => [jobId, cursor]),
      [[job.id, before + 2]],
    )
  })

  it('never goes back, though a transaction marks a place below it', async (t) => {
    const { url } = await openStream(t)
    const engine = await openEngine({ databaseUrl: url, instanceId: 'ins_a', log: keepingLog().log })
    t.after(() => engine.close())
    await createJob(engine.store)
    const head = await engine.store.streamHead()
    const late = await connect(t, url)
    // As one that read where the sequence stood, and was held up before it could say so.
    await late.query(`BEGIN; SELECT pg_advisory_xact_lock_shared((337::bigint << 53) + ${head - 1})`)
    assert.equal(await engine.store.streamHead(), head)
    await late.query('COMMIT')
  })
})

/** Changes of the stream, as many as asked for. */
const WRITE = `INSERT INTO "JobEvent" (cursor, "jobId", change, "at") SELECT drawn, 'job_x', 'UPDATED', now() FROM unnest("orrery_cursors"($1)) AS drawn`

interface Writer {
  draw(count: number): Promise<void>
  commit(): Promise<void>
  rollback(): Promise<void>
  die(): Promise<void>
}

async function openStream(t: TestContext) {
  const { url, drop } = await createPostgresDatabase()
  t.after(drop)
  const admin = await connect(t, url)

  async function writer(): Promise<Writer> {
    const client = await connect(t, url)
    let open = false
    const end = async (how: string) => {
      if (open) await client.query(how)
      open = false
    }
    return {
      async draw(count) {
        if (!open) await client.query('BEGIN')
        open = true
        await client.query(WRITE, [count])
      },
      commit: () => end('COMMIT'),
      rollback: () => end('ROLLBACK'),
      async die() {
        const ended = new Promise((resolve) => client.once('end', resolve))
        await admin.query('SELECT pg_terminate_backend($1)', [(client as unknown as { processID: number }).processID])
        await ended
      },
    }
  }

  const following = await connect(t, url)
  const reader = {
    seen: [] as number[],
    position: 0,
    looks: 0,
    /** Reads on up to the head, as streams do: the head first, then the rows. Answers those that are new. */
    async look(): Promise<number[]> {
      const { rows } = await following.query<{ head: string }>('SELECT "orrery_stream_head"() AS head')
      const head = Number(rows[0]!.head)
      const found = await following.query<{ cursor: string }>(
        'SELECT cursor FROM "JobEvent" WHERE cursor > $1 AND cursor <= $2 ORDER BY cursor',
        [this.position, head],
      )
      const fresh = found.rows.map(({ cursor }) => Number(cursor))
      this.position = Math.max(this.position, head)
      this.seen.push(...fresh)
      this.looks++
      return fresh
    },
    /** Looks until it has seen these: locks of a session that was ended go a moment after it. */
    async until(expected: readonly number[]): Promise<void> {
      const deadline = Date.now() + 10_000
      while (this.seen.length < expected.length && Date.now() < deadline) await this.look()
      assert.deepEqual(this.seen, expected)
    },
  }
  return {
    url,
    reader,
    writer,
    async committed(): Promise<number[]> {
      return (await admin.query<{ cursor: string }>('SELECT cursor FROM "JobEvent" ORDER BY cursor')).rows.map(({ cursor }) =>
        Number(cursor),
      )
    },
    async reset(): Promise<void> {
      await admin.query('TRUNCATE "JobEvent"')
      reader.seen = []
    },
  }
}

/** Closed when the test ends; one that the server ends before that is no error. */
async function connect(t: TestContext, url: string): Promise<pg.Client> {
  const client = new pg.Client(url)
  client.on('error', () => {})
  await client.connect()
  t.after(() => client.end())
  return client
}
