import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, it, type TestContext } from 'node:test'
import { Planners } from '../../src/engine/bus/planners.ts'
import { openEngine } from '../../src/engine/engine.ts'
import type { Store } from '../../src/engine/store/store.ts'
import { DUE, DUE_OTHERS, DUE_OWN, NEXT, NEXT_OWN, type Share, Shares } from '../../src/engine/store/postgres/shares.ts'
import { Database } from '../../src/engine/store/postgres/database.ts'
import { closePool, openPool } from '../../src/engine/store/postgres/pool.ts'
import { keepingLog } from '../support/parts.ts'
import { createPostgresDatabase } from '../support/postgres.ts'
import { onPostgres } from '../support/postgresRows.ts'
import { Recorder } from '../support/recorder.ts'
import { ExplainedSession, fill } from './explainedSession.ts'
import { jobOf, minutely, newJobOf, NOON } from './factories.ts'

const LATE = 750

describe('shares of the jobs among schedulers', () => {
  it('are each job’s once, and about as many for each', async (t) => {
    const { jobs, sharesOf } = await openJobs(t, 300)
    const found: string[] = []
    for (const rank of [0, 1, 2]) {
      const own = await sharesOf({ rank, of: 3 }).shares.duePositions(NOON, 1_000)
      assert.ok(own.length > 60 && own.length < 140, `${own.length} of 300`)
      found.push(...own.map(({ jobId }) => jobId))
    }
    assert.deepEqual(found.sort(), jobs)
    assert.equal((await sharesOf({ rank: 0, of: 1 }).shares.duePositions(NOON, 1_000)).length, 300)
  })

  it('come first, the earliest first; jobs of others when they are late, and as many as are asked for', async (t) => {
    const { sharesOf } = await openJobs(t, 300)
    const { shares } = sharesOf({ rank: 0, of: 2 })
    const own = (await shares.duePositions(NOON, 1_000)).length
    const late = await shares.duePositions(NOON + LATE, own + 20)
    assert.equal(late.length, own + 20)
    const wakes = late.map(({ wakeAt }) => wakeAt!)
    assert.deepEqual(
      wakes.slice(0, own),
      wakes.slice(0, own).sort((a, b) => a - b),
    )
  })

  it('come first also where jobs of others are taken over: nobody does the work of another before its own', async (t) => {
    const { sharesOf } = await openJobs(t, 300)
    const { shares } = sharesOf({ rank: 0, of: 2 })
    const own = (await shares.duePositions(NOON, 1_000)).map(({ jobId }) => jobId)
    assert.equal((await shares.duePositions(NOON + LATE, 1_000)).length, 300)
    const jobs = async (limit: number) => (await shares.duePositions(NOON, limit)).map(({ jobId }) => jobId)
    assert.deepEqual(await jobs(own.length), own)
    assert.deepEqual((await jobs(own.length + 10)).slice(0, own.length), own)
    assert.equal((await jobs(1_000)).length, 300)
  })

  it('leave to others what they are planning at this moment, however late it is', async (t) => {
    const { url, sharesOf } = await openJobs(t, 40)
    const { shares } = sharesOf({ rank: 0, of: 2 })
    const own = (await shares.duePositions(NOON, 1_000)).map(({ jobId }) => jobId)
    await onPostgres(url, async (client) => {
      await client.query('BEGIN')
      const { rows } = await client.query<{ jobId: string }>(
        'SELECT "jobId" FROM "JobPosition" WHERE "jobId" <> ALL($1::text[]) ORDER BY "jobId" LIMIT 5 FOR UPDATE',
        [own],
      )
      const due = (await shares.duePositions(NOON + LATE, 1_000)).map(({ jobId }) => jobId)
      assert.equal(due.length, 35)
      assert.ok(rows.every(({ jobId }) => !due.includes(jobId)))
      await client.query('ROLLBACK')
    })
    assert.equal((await shares.duePositions(NOON + LATE, 1_000)).length, 40)
  })

  it('wake a scheduler for its first job, or when the first of all is late', async (t) => {
    const { store, sharesOf } = await openJobs(t, 0)
    assert.equal(await sharesOf({ rank: 0, of: 2 }).shares.nextWakeAt(), null)
    await store.createJobs([newJobOf({}, { wakeAt: NOON })])
    const next = await Promise.all([0, 1].map((rank) => sharesOf({ rank, of: 2 }).shares.nextWakeAt()))
    assert.deepEqual(
      next.map((at) => at! - NOON).sort((a, b) => a - b),
      [0, LATE],
    )
    assert.equal(await sharesOf({ rank: 0, of: 1 }).shares.nextWakeAt(), NOON)
  })

  it('are all jobs for ten seconds after one of another’s was late; for longer, should that go on', async (t) => {
    const { sharesOf } = await openJobs(t, 100)
    const { shares, clock } = sharesOf({ rank: 0, of: 2 })
    const all = async () => (await shares.duePositions(NOON, 1_000)).length === 100
    const takesOver = async () => assert.equal((await shares.duePositions(NOON + LATE, 1_000)).length, 100)
    assert.equal(await all(), false)
    await takesOver()
    for (const seconds of [10, 20, 40, 60, 60]) {
      clock.elapsed += seconds * 1_000 - 1
      assert.equal(await all(), true)
      assert.equal(await shares.nextWakeAt(), NOON - 100)
      clock.elapsed += 1
      assert.equal(await all(), false)
      await takesOver()
    }
    // After a long time without any it is as at first.
    clock.elapsed += 60_000 + 10_000
    await takesOver()
    clock.elapsed += 10_000
    assert.equal(await all(), false)
  })

  it('are looked for along the index of instants', async (t) => {
    const { url, drop } = await createPostgresDatabase()
    await fill(url, { jobs: 4_000, runsEach: 0 })
    const session = await ExplainedSession.open(url)
    t.after(async () => {
      await session.end()
      await drop()
    })
    const far = new Date(Date.UTC(2100, 0, 1)).toISOString()
    for (const [sql, values] of [
      [DUE, [far, 20]],
      [DUE_OWN, [2, 1, far, 20]],
      [DUE_OTHERS, [2, 1, far, 20]],
      [NEXT, []],
      [NEXT_OWN, [2, 1]],
    ] as const) {
      session.explained.length = 0
      await session.rows(sql, values)
      assert.ok(session.explained[0]!.looked < 100, JSON.stringify(session.explained[0]))
    }
  })
})

describe('the schedulers that a process has heard of', () => {
  it('count as long as they are heard, and until they say that they leave', () => {
    let elapsed = 0
    const planners = new Planners('ins_b', () => elapsed)
    assert.deepEqual(planners.share, { rank: 0, of: 1 })
    planners.heard('ins_a', true)
    planners.heard('ins_c', true)
    assert.deepEqual(planners.share, { rank: 1, of: 3 })
    elapsed = 3_000
    planners.heard('ins_c', true)
    elapsed = 4_000
    assert.deepEqual(planners.share, { rank: 0, of: 2 })
    planners.heard('ins_c', false)
    assert.deepEqual(planners.share, { rank: 0, of: 1 })
  })
})

describe('two schedulers on one database', () => {
  it('plan about half each; when one is killed the other plans all of it, late by no more than its patience', async (t) => {
    const { url, store } = await openJobs(t, 0)
    const anchor = Date.now()
    const jobs = Array.from({ length: 40 }, () =>
      jobOf({
        schedule: { ...minutely, every: 1_000, anchor },
        policies: { overlap: 'ALLOW_ALL' },
        createdAt: anchor,
        updatedAt: anchor,
      }),
    )
    await store.createJobs(jobs.map((job) => newJobOf(job, { plannedUntil: anchor, wakeAt: anchor + 1_000, nextRunAt: anchor + 1_000 })))
    const [a, b] = [startPlanning(t, url, 'ins_a'), startPlanning(t, url, 'ins_b')]
    const bothPlan = async (from: readonly [number, number]) => {
      await a.plans.until('plans of one', (all) => all.length > from[0] + 30)
      await b.plans.until('plans of the other', (all) => all.length > from[1] + 30)
    }
    await bothPlan([0, 0])
    // By now each has heard of the other: what follows is shared.
    const from = [a.plans.all.length, b.plans.all.length] as const
    await bothPlan(from)
    const [ofA, ofB] = [jobsOf(a.plans.all.slice(from[0])), jobsOf(b.plans.all.slice(from[1]))]
    assert.ok(ofA.size >= 8 && ofB.size >= 8, `${ofA.size} and ${ofB.size}`)

    a.child.kill('SIGKILL')
    await once(a.child, 'exit')
    const killed = performance.now()
    const before = b.plans.all.length
    const orphans = [...ofA].filter((id) => !ofB.has(id))
    const since = () => b.plans.all.slice(before).filter(({ jobId }) => orphans.includes(jobId))
    await b.plans.until('a plan of the other’s', () => since().length > 0)
    const waited = performance.now() - killed
    // The next instant is a second away at most.
    assert.ok(waited < 3_000, `${waited} ms`)
    await b.plans.until('eight rounds of the other’s', () => since().length > 8 * orphans.length)
    const lags = since()
      .slice(-2 * orphans.length)
      .map(({ lag }) => lag)
      .sort((x, y) => x - y)
    assert.ok(lags[orphans.length]! < LATE, `median ${lags[orphans.length]} ms`)
  })
})

interface Planned {
  readonly jobId: string
  readonly lag: number
}

function jobsOf(plans: readonly Planned[]): ReadonlySet<string> {
  return new Set(plans.map(({ jobId }) => jobId))
}

function startPlanning(
  t: TestContext,
  url: string,
  instanceId: string,
): { readonly child: ChildProcess; readonly plans: Recorder<Planned> } {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'planning.ts'), url, instanceId], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  const plans = new Recorder<Planned>()
  createInterface(child.stdout).on('line', (line) => plans.add(JSON.parse(line) as Planned))
  return { child, plans }
}

/** A database with so many jobs, due one millisecond after the other up to NOON. */
async function openJobs(t: TestContext, count: number) {
  const { url, drop } = await createPostgresDatabase()
  const { log } = keepingLog()
  const engine = await openEngine({ databaseUrl: url, instanceId: 'ins_test', log })
  const pool = openPool({ url, applicationName: 'orrery:shares', log })
  t.after(async () => {
    await closePool(pool)
    await engine.close()
    await drop()
  })
  const db = new Database(pool, { beforeCommit: async () => {}, afterCommit: () => {} })
  const jobs = Array.from({ length: count }, (_, i) => newJobOf({}, { wakeAt: NOON - count + i }))
  if (jobs.length > 0) await engine.store.createJobs(jobs)
  return {
    url,
    store: engine.store as Store,
    jobs: jobs.map(({ job }) => job.id).sort(),
    sharesOf(share: Share) {
      const clock = { elapsed: 0 }
      return {
        shares: new Shares(
          db,
          () => share,
          () => clock.elapsed,
        ),
        clock,
      }
    },
  }
}
