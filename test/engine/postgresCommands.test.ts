import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Pause } from '../../src/domain/job.ts'
import type { Store } from '../../src/engine/store/store.ts'
import {
  beginAll,
  changeJob,
  createJob,
  failed,
  LATER,
  manualRunOf,
  NOON,
  newJobOf,
  positionOf,
  runRow,
  settleOne,
  statusOf,
} from './factories.ts'
import { openPostgresDatabase } from './openPostgres.ts'

/** Two processes on one database. */
async function openTwo(t: TestContext) {
  const database = await openPostgresDatabase(t)
  const [one, other] = [await database.open('ins_one'), await database.open('ins_other')]
  return { engine: one, one: one.store, other: other.store }
}

const renaming = (store: Store, id: string, name: string) =>
  store.changeJob(id, (current) => ({ job: { ...current!.job, name, version: current!.job.version + 1 }, event: 'UPDATED', now: LATER }))

describe('commands of several processes on one Postgres', () => {
  it('create a job of a name once, in whatever order names meet, and all hear its id', async (t) => {
    const { one, other } = await openTwo(t)
    const names = Array.from({ length: 60 }, (_, i) => `job ${i}`)
    const jobsOf = (order: readonly string[]) => order.map((name) => newJobOf({ name }))
    const [mine, yours] = [jobsOf(names), jobsOf([...names].reverse())]
    const [first, second] = await Promise.all([
      Promise.all(mine.map((job) => one.createJobs([job]))),
      Promise.all([other.createJobs(yours.slice(0, 40)), ...yours.slice(40).map((job) => other.createJobs([job]))]),
    ])
    const results = [
      ...mine.map((job, i) => ({ job, result: first.flat()[i]! })),
      ...yours.map((job, i) => ({ job, result: second.flat()[i]! })),
    ]
    for (const name of names) {
      const both = results.filter(({ job }) => job.job.name === name)
      const made = both.filter(({ result }) => result.ok)
      assert.equal(made.length, 1, name)
      const id = made[0]!.job.job.id
      assert.deepEqual(
        both.map(({ result }) => (result.ok ? id : result.existingId)),
        [id, id],
      )
      assert.equal((await one.job({ name }))?.job.id, id)
    }
  })

  it('give a name to one job, whether by creating or by renaming; the others hear whose it is', async (t) => {
    const { one, other } = await openTwo(t)
    for (let i = 0; i < 10; i++) {
      const name = `wanted ${i}`
      const [a, b] = [await createJob(one), await createJob(other)]
      const fresh = newJobOf({ name })
      const [renamed, also, [created]] = await Promise.all([
        renaming(one, a.id, name),
        renaming(other, b.id, name),
        other.createJobs([fresh]),
      ])
      const holder = (await one.job({ name }))!.job.id
      assert.deepEqual(
        [
          renamed.kind === 'name-taken' ? renamed.existingId : a.id,
          also.kind === 'name-taken' ? also.existingId : b.id,
          created!.ok ? fresh.job.id : created!.existingId,
        ],
        [holder, holder, holder],
      )
    }
  })

  it('on one job each see what the one before wrote', async (t) => {
    const { one, other } = await openTwo(t)
    const job = await createJob(one)
    const raise = (store: Store) =>
      store.changeJob(job.id, (current) => ({
        job: { ...current!.job, version: current!.job.version + 1 },
        event: 'UPDATED',
        now: LATER,
      }))
    await Promise.all(Array.from({ length: 40 }, (_, i) => raise(i % 2 === 0 ? one : other)))
    assert.equal((await one.job({ id: job.id }))?.job.version, 41)
  })

  it('on the pauses of the whole scheduling each see what the one before wrote', async (t) => {
    const { one, other } = await openTwo(t)
    const next = (newest: Pause | null): Pause => ({ since: (newest?.since ?? NOON) + 1, until: NOON, note: 'n', by: null })
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        (i % 2 === 0 ? one : other).changeMaintenance((newest) => ({ pause: next(newest), forgetBefore: NOON - 1 })),
      ),
    )
    assert.deepEqual(
      (await other.maintenance()).map(({ since }) => since - NOON),
      Array.from({ length: 20 }, (_, i) => i + 1),
    )
  })

  it('number the lines of a run without gaps or doubles, whoever writes', async (t) => {
    const { one, other } = await openTwo(t)
    const job = await createJob(one)
    const run = manualRunOf(job)
    await changeJob(one, job.id, () => ({ runs: [run] }))
    const line = (message: string) => ({ runId: run.id, attempt: 1, at: LATER, level: 'INFO' as const, message, fields: null })
    const writers = { one, other }
    for (const [name, store] of Object.entries(writers)) await store.appendLogs([line(`${name} 0`)])
    await Promise.all(
      Object.entries(writers).map(async ([name, store]) => {
        for (let i = 1; i < 30; i++) await store.appendLogs([line(`${name} ${i}`)])
      }),
    )
    const lines = await one.logLines({ runId: run.id, after: null, before: null, fromEnd: false, limit: 100 })
    assert.deepEqual(
      lines.map(({ seq }) => seq),
      Array.from({ length: 60 }, (_, i) => i + 1),
    )
    for (const name of Object.keys(writers)) {
      assert.deepEqual(
        lines.filter(({ message }) => message.startsWith(name)).map(({ message }) => message),
        Array.from({ length: 30 }, (_, i) => `${name} ${i}`),
      )
    }
  })

  it('go on with a log that another process has cut', async (t) => {
    const { one, other } = await openTwo(t)
    const job = await createJob(one)
    const run = manualRunOf(job)
    await changeJob(one, job.id, () => ({ runs: [run] }))
    const write = (store: Store, from: number, to: number) =>
      store.appendLogs(
        Array.from({ length: to - from + 1 }, (_, i) => ({
          runId: run.id,
          attempt: 1,
          at: LATER,
          level: 'INFO',
          message: `${from + i} ${'x'.repeat(40_000)}`,
          fields: null,
        })),
      )
    await write(one, 1, 20)
    // All that the first process knows of is the head; of what the second writes the oldest lines of the tail are gone again.
    for (let from = 21; from <= 320; from += 100) await write(other, from, from + 99)
    await write(one, 321, 330)
    const lines = await one.logLines({ runId: run.id, after: null, before: null, fromEnd: false, limit: 1_000 })
    const own = lines.filter(({ level }) => level === 'INFO')
    assert.deepEqual(
      own.map(({ message }) => Number.parseInt(message, 10)),
      own.map(({ seq }) => seq),
    )
    const marker = lines.findIndex(({ level }) => level === 'WARN')
    assert.equal(lines[marker]?.message, `… ${lines[marker + 1]!.seq - lines[marker]!.seq} lines were cut …`)
    assert.equal(lines.at(-1)?.seq, 330)
    assert.ok(lines.reduce((sum, { message }) => sum + message.length, 0) <= 8 * 1024 * 1024)
  })

  it('settle a setting once', async (t) => {
    const { one, other } = await openTwo(t)
    const answers = await Promise.all([one.settleSetting('s', 'one'), other.settleSetting('s', 'other')])
    assert.equal(new Set(answers).size, 1)
    assert.equal(await one.setting('s'), answers[0])
  })

  it('on the same runs and keys never end in a deadlock, and leave every job and key as its rows say', async (t) => {
    const { engine, one, other } = await openTwo(t)
    const stores = [one, other]
    const jobs = await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        createJob(one, {
          policies: { overlap: i % 3 === 0 ? 'ALLOW_ALL' : 'BUFFER_ALL', concurrencyKey: i % 2 === 0 ? 'k' : null, maxConcurrency: 3 },
        }),
      ),
    )
    const runs: string[] = []
    const random = pseudoRandom(7)
    const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)]!
    const trigger = (store: Store) => {
      const job = pick(jobs)
      return store.changeJob(job.id, (current) => {
        if (current === null) return { refuse: 'gone' }
        const run = manualRunOf(job, { heldBy: job.policies.overlap === 'BUFFER_ALL' && current.active.length > 0 ? 'OVERLAP' : null })
        runs.push(run.id)
        return { runs: [run], event: null, now: LATER }
      })
    }
    const acts: readonly ((store: Store) => Promise<unknown>)[] = [
      trigger,
      trigger,
      trigger,
      (store) => store.changeRun(pick(runs), () => ({ kind: 'cancel', now: LATER })),
      (store) => store.changeRun(pick(runs), () => ({ kind: 'retry-now', now: LATER })),
      (store) =>
        store.changeJob(pick(jobs).id, (current) => ({
          cancels: current!.active.slice(0, 3).map(({ id }) => id),
          event: null,
          now: LATER,
        })),
      (store) => renaming(store, pick(jobs).id, `name ${Math.floor(random() * 20)}`),
      (store) =>
        store.setProgress(
          Array.from({ length: 4 }, () => ({ runId: pick(runs), attempt: 1, progress: 5 })),
          LATER,
        ),
      (store) =>
        store.appendLogs(
          Array.from({ length: 4 }, () => ({ runId: pick(runs), attempt: 1, at: LATER, level: 'INFO', message: 'm', fields: null })),
        ),
      async (store) => {
        const begun = await store.beginReady({ instanceId: 'i', now: LATER, leaseUntil: LATER + 1, handlers: null }, 5)
        await store.settle(
          begun.map(({ runId, attempt }, i) => ({
            runId,
            attempt,
            outcome: i % 3 === 0 ? failed({ retryable: true }) : { kind: 'SUCCEEDED', output: null },
            now: LATER,
            random: 0,
          })),
        )
      },
    ]
    for (const store of stores) await trigger(store)
    for (let round = 0; round < 25; round++) await Promise.all(Array.from({ length: 24 }, (_, i) => pick(acts)(stores[i % 2]!)))

    const active = await engine.prisma.run.findMany({ where: { finishedAt: null } })
    for (const { id } of jobs) {
      const ofJob = active.filter(({ jobId }) => jobId === id)
      assert.equal((await positionOf(one, id)).activeRuns, ofJob.length)
      if (ofJob.length > 0)
        assert.ok(
          ofJob.some(({ heldBy }) => heldBy !== 'OVERLAP'),
          'nobody waits for a job of which nothing goes',
        )
    }
    const ofKey = active.filter(({ concurrencyKey }) => concurrencyKey === 'k')
    const going = ofKey.filter(({ heldBy }) => heldBy === null).length
    assert.ok(going <= 3, `${going} go`)
    if (ofKey.some(({ heldBy }) => heldBy === 'CONCURRENCY')) assert.equal(going, 3, 'nobody waits for a slot that is free')
  })
})

describe('what a decision looks at on Postgres', () => {
  /** A job of which more runs are active than are read without being asked for. */
  const openBusy = async (t: TestContext) => {
    const { store } = await (await openPostgresDatabase(t)).open()
    const job = await createJob(store, { policies: { overlap: 'ALLOW_ALL' } })
    await changeJob(store, job.id, () => ({ runs: Array.from({ length: 101 }, () => manualRunOf(job)) }))
    return { store, job }
  }

  it('is not read where it does not look', async (t) => {
    const { store, job } = await openBusy(t)
    let decisions = 0
    let later: (() => unknown) | undefined
    await store.changeJob(job.id, (current) => {
      decisions++
      later = () => current!.active
      return { event: null, now: LATER }
    })
    assert.equal(decisions, 1)
    assert.throws(() => later!(), /within the decision/)
  })

  it('is there where it looks, also where it would rather not hear of it', async (t) => {
    const { store, job } = await openBusy(t)
    for (const look of [(read: () => number) => read(), (read: () => number) => orZero(read)]) {
      let seen = 0
      const result = await store.changeJob(job.id, (current) => {
        seen = look(() => current!.active.length)
        return { refuse: seen }
      })
      assert.deepEqual([seen, result], [101, { kind: 'refused', refusal: 101 }])
    }
  })

  it('is all there for the one that ends them all', async (t) => {
    const { store, job } = await openBusy(t)
    await store.changeJob(job.id, (current) => ({
      cancels: current!.active.map(({ id }) => id),
      delete: true,
      event: 'DELETED',
      now: LATER,
    }))
    assert.equal((await positionOf(store, job.id)).activeRuns, 0)
  })
})

describe('a retry at once on Postgres', () => {
  it('is due in the commit that asks for it, for whichever process', async (t) => {
    const { one, other } = await openTwo(t)
    const job = await createJob(one, { policies: { maxAttempts: 3, backoff: { initial: 60_000, factor: 1, max: 60_000, jitter: false } } })
    const run = manualRunOf(job)
    await changeJob(one, job.id, () => ({ runs: [run] }))
    const [attempt] = await beginAll(one)
    assert.equal(await settleOne(one, attempt!, failed({ retryable: true })), 'RETRYING')
    assert.deepEqual(await beginAll(other), [])
    await other.changeRun(run.id, () => ({ kind: 'retry-now', now: LATER }))
    assert.equal((await runRow(one, run.id)).nextAttemptAt, LATER)
    assert.deepEqual(
      (await beginAll(one)).map(({ runId, attempt: number }) => [runId, number]),
      [[run.id, 2]],
    )
    assert.equal(await statusOf(other, run.id), 'RUNNING')
  })
})

function orZero(read: () => number): number {
  try {
    return read()
  } catch {
    return 0
  }
}

/** Numbers in [0, 1), the same at every run. */
function pseudoRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}
