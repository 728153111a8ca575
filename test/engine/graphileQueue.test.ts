import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type pg from 'pg'
import { localBus } from '../../src/engine/bus/localBus.ts'
import type { Hint } from '../../src/engine/bus/bus.ts'
import type { PostgresBus } from '../../src/engine/bus/postgresBus.ts'
import { graphileQueue, type QueueRows } from '../../src/engine/queue/graphileQueue.ts'
import type { Consumer } from '../../src/engine/queue/queue.ts'
import { Database } from '../../src/engine/store/postgres/database.ts'
import { closePool, openPool } from '../../src/engine/store/postgres/pool.ts'
import { addRings, Rings, sessionName } from '../../src/engine/store/postgres/rings.ts'
import { keepingLog } from '../support/parts.ts'
import { createPostgresDatabase } from '../support/postgres.ts'
import { administer } from '../support/postgresServer.ts'
import { Recorder } from '../support/recorder.ts'

describe('the queue of many machines', () => {
  it('hears a ring once, looks for as many runs as it speaks of, and leaves nothing of it', async (t) => {
    const { ring, open, rings } = await openDatabase(t)
    const workers = [open('ins_a'), open('ins_b')]
    for (const worker of workers) await worker.started
    await ring(['run_1', 'run_2', 'run_3'])
    await Promise.race(workers.map(({ looks }) => looks.first('a look', ({ limit }) => limit === 3)))
    await emptied(rings)
    assert.equal(workers.flatMap(({ looks }) => looks.all).filter(({ limit }) => limit !== Number.POSITIVE_INFINITY).length, 1)
  })

  it('hears rings that waited before it started, those of a higher priority first', async (t) => {
    const { ring, open, rings } = await openDatabase(t)
    for (let i = 0; i < 30; i++) await ring(['a', 'b'], 0)
    await ring(['a'], 9)
    const { looks } = open('ins_a')
    await emptied(rings)
    // Several are heard at once, and share a look.
    const limited = looks.all.filter(({ limit }) => limit !== Number.POSITIVE_INFINITY)
    assert.ok(limited[0]!.limit <= 1 + 3 * 2)
    assert.equal(
      limited.reduce((sum, { limit }) => sum + limit, 0),
      61,
    )
  })

  it('speaks of fifty runs of one priority at most', async (t) => {
    const { db, rings } = await openDatabase(t)
    const ready = Array.from({ length: 120 }, (_, i) => ({ id: `run_${i}`, priority: i % 2 === 0 ? 3 : 7 }))
    await db.transaction((tx) => addRings(tx, ready))
    assert.deepEqual((await rings()).map(({ priority, payload }) => `${priority}: ${payload.runIds.length}`).sort(), [
      '2: 10',
      '2: 50',
      '6: 10',
      '6: 50',
    ])
  })

  it('has the others look where it left some of the runs: for want of room, or of their handler', async (t) => {
    const { ring, open, rings } = await openDatabase(t)
    const full = open('ins_a', { anyReady: async () => true })
    await full.started
    await ring(['run_1'])
    await full.there.first('a hint', ({ kind }) => kind === 'runs')
    await emptied(rings)
  })

  it('has nobody look where all that the ring spoke of has begun', async (t) => {
    const { ring, open, rings } = await openDatabase(t)
    const worker = open('ins_a')
    await worker.started
    await ring(['run_1'])
    await emptied(rings)
    assert.deepEqual(worker.there.all, [])
  })

  it('survives rings of others, and looks that fail', async (t) => {
    const { db, ring, open, rings } = await openDatabase(t)
    const fails = open('ins_a', { begin: () => Promise.reject(new Error('away')), anyReady: () => Promise.reject(new Error('away')) })
    await db.rows(`SELECT graphile_worker.add_job('orrery_runs', '[7]'::json)`)
    await ring(['run_1'])
    await emptied(rings)
    assert.equal(fails.entries.filter(({ level }) => level === 'error').length > 0, true)
  })

  it('asks every second which of its attempts were asked to cancel, though no hint came', async (t) => {
    const { open } = await openDatabase(t)
    const { heard } = open('ins_a', { askedToCancel: async () => ['run_1'] })
    await heard.first('a cancel', (hint) => hint.kind === 'cancels' && hint.runIds[0] === 'run_1', 2_000)
  })

  it('goes on hearing after all its connections were ended', async (t) => {
    const { url, ring, open, rings } = await openDatabase(t)
    const worker = open('ins_a')
    await worker.started
    for (let round = 1; round <= 3; round++) {
      await administer(url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '${sessionName('ins_a')}'`)
      await ring(['run_1', 'run_2'])
      await worker.looks.until(`${round} looks for two`, (all) => all.filter(({ limit }) => limit === 2).length >= round)
      await emptied(rings)
    }
  })

  it('frees the rings that dead processes hold, forgets those that nobody could hear, and ends their sessions', async (t) => {
    const { db, url, ring, rings, openPoolOf } = await openDatabase(t)
    await ring(['run_1'])
    await ring(['run_2'])
    await ring(['run_3'])
    const lock = (by: string, attempts: number, run: string) =>
      db.write(
        `UPDATE graphile_worker._private_jobs SET locked_by = $1, locked_at = now(), attempts = $2 WHERE payload->'runIds'->>0 = $3`,
        [by, attempts, run],
      )
    await lock('ins_dead', 1, 'run_1')
    await lock('ins_dead', 3, 'run_2')
    await lock('ins_alive', 1, 'run_3')
    const frozen = openPoolOf('ins_dead')
    const client = await frozen.connect()
    const ended = new Promise((resolve) => client.once('end', resolve))
    await new Rings(db).releaseRings(['ins_dead'])
    await ended
    client.release(true)
    assert.deepEqual(
      (await rings()).map(({ locked_by, payload }) => [locked_by, payload.runIds[0]]),
      [
        [null, 'run_1'],
        ['ins_alive', 'run_3'],
      ],
    )
    assert.deepEqual(await administer(url, `SELECT 1 FROM pg_stat_activity WHERE application_name = '${sessionName('ins_dead')}'`), [])
  })

  it('locks rings in the name of its process', async (t) => {
    const { ring, open, rings } = await openDatabase(t)
    let go = () => {}
    const held = new Promise<boolean>((resolve) => {
      go = () => resolve(false)
    })
    const worker = open('ins_a', { anyReady: () => held })
    await worker.started
    await ring(['run_1'])
    await worker.looks.first('a look for one', ({ limit }) => limit === 1)
    assert.deepEqual(
      (await rings()).map(({ locked_by }) => locked_by),
      ['ins_a'],
    )
    go()
    await emptied(rings)
  })
})

interface RingRow {
  readonly priority: number
  readonly locked_by: string | null
  readonly payload: { readonly runIds: readonly string[] }
}

interface Behaviour {
  readonly begin?: () => Promise<number>
  readonly anyReady?: () => Promise<boolean>
  readonly askedToCancel?: () => Promise<readonly string[]>
}

async function openDatabase(t: TestContext) {
  const { url, drop } = await createPostgresDatabase()
  const closings: (() => Promise<void>)[] = [drop]
  t.after(async () => {
    for (const close of closings.reverse()) await close()
  })
  const { entries, log } = keepingLog()
  const openPoolOf = (instanceId: string, max = 4): pg.Pool => {
    const pool = openPool({ url, applicationName: sessionName(instanceId), max, plainTypes: true, log })
    if (max === 4) closings.push(() => closePool(pool))
    return pool
  }
  const db = new Database(openPoolOf('ins_test'), { beforeCommit: async () => {}, afterCommit: () => {} })

  /** A worker with so much room, whose store knows of no run unless told otherwise. */
  function open(instanceId: string, { begin, anyReady, askedToCancel }: Behaviour = {}) {
    const looks = new Recorder<{ readonly limit: number }>()
    const heard = new Recorder<Hint>()
    const there = new Recorder<Hint>()
    const local = localBus(log)
    const bus: PostgresBus = {
      ...local,
      publishHere: (hint) => local.publish(hint),
      publishThere: (hint) => there.add(hint),
      share: () => ({ rank: 0, of: 1 }),
    }
    bus.subscribe((hint) => heard.add(hint))
    const store: QueueRows = {
      attach: () => {},
      detach: () => {},
      async beginForConsumer(_now, limit) {
        looks.add({ limit })
        return begin === undefined ? 0 : begin()
      },
      nextReadyAt: async () => null,
      anyReady: anyReady ?? (async () => false),
      askedToCancel: askedToCancel ?? (async () => []),
      releaseRings: async () => {},
    }
    const queue = graphileQueue({
      store,
      bus,
      instanceId,
      openPool: () => openPool({ url, applicationName: sessionName(instanceId), max: 4, plainTypes: true, log }),
      now: Date.now,
      log,
    })
    queue.start(consumer(instanceId))
    closings.push(() => queue.close())
    return { queue, looks, heard, there, entries, started: listening(db, instanceId) }
  }

  return {
    url,
    db,
    open,
    openPoolOf,
    ring: (runIds: readonly string[], priority = 5) =>
      db.transaction((tx) =>
        addRings(
          tx,
          runIds.map((id) => ({ id, priority })),
        ),
      ),
    rings: () => db.rows<RingRow>('SELECT priority, locked_by, payload FROM graphile_worker._private_jobs ORDER BY priority, id'),
  }
}

function consumer(instanceId: string): Consumer {
  return { instanceId, free: () => 100, leaseUntil: (now) => now + 30_000, handlers: () => null, deliver: () => {} }
}

/** Resolves when the process listens for rings. */
async function listening(db: Database, instanceId: string): Promise<void> {
  const sql = `SELECT 1 FROM pg_stat_activity WHERE application_name = $1 AND query LIKE 'LISTEN "jobs:insert"%' AND state = 'idle'`
  await eventually(async () => (await db.rows(sql, [sessionName(instanceId)])).length > 0)
}

async function emptied(rings: () => Promise<readonly RingRow[]>): Promise<void> {
  await eventually(async () => (await rings()).length === 0)
}

async function eventually(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 15_000
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('it did not come about')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
