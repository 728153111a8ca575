import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { OverlapPolicy } from '../../src/domain/job.ts'
import { auditOf, ledgerOf } from '../support/ledger.ts'
import { caller, NOON, openParts, type Parts } from '../support/parts.ts'

const MINUTE = 60_000
const at = (minute: number) => NOON + minute * MINUTE

/** The answer to a backfill that must be accepted. */
async function backfilled(parts: Parts, id: string, from: number, to: number, overlap?: OverlapPolicy) {
  const result = await parts.commands.backfillJob({ id, from: at(from), to: at(to), overlap }, caller)
  if (!result.ok) throw new Error(JSON.stringify(result.errors))
  return result.value
}

async function refusalOf(parts: Parts, id: string, from: number, to: number) {
  const result = await parts.commands.backfillJob({ id, from, to }, caller)
  return result.ok ? [] : result.errors.map(({ code, path, message }) => [code, path.join('.'), message])
}

/** A job every minute that was down until minute 10 and missed all but that. */
async function afterAnOutage(t: TestContext) {
  const parts = await openParts(t)
  const id = await parts.create({ payload: { a: 1 }, policies: { misfire: 'NONE' } })
  parts.clock.instant = at(10)
  await parts.scheduler.tick()
  return { parts, id }
}

describe('a backfill', () => {
  it('makes a run for each instant of the window, both ends included, and takes it out of its row', async (t) => {
    const { parts, id } = await afterAnOutage(t)
    const { planned, created } = await backfilled(parts, id, 3, 5)
    assert.deepEqual([planned, created.length], [3, 3])
    assert.deepEqual(await ledgerOf(parts, id, NOON), ['1-2 MISSED', '3 RUN', '4 RUN', '5 RUN', '6-9 MISSED', '10 RUN'])
    assert.equal(await auditOf(parts, id), '10 planned, 0 missing, 0 duplicated')
  })

  it('makes them wait for each other, in order, with the payload of the job and the name of the caller', async (t) => {
    const { parts, id } = await afterAnOutage(t)
    const { created } = await backfilled(parts, id, 3, 4)
    const [run, next] = await parts.engine.store.runRows(created)
    const shown = [run!.trigger, run!.occurrence, run!.scheduledFor, run!.dueAt, run!.queuedAt, run!.payload, run!.triggeredBy, run!.heldBy]
    assert.deepEqual(shown, ['BACKFILL', at(3), at(3), at(3), at(10), '{"a":1}', 'tester', 'OVERLAP'])
    assert.deepEqual([next!.occurrence, next!.heldBy], [at(4), 'OVERLAP'])
  })

  it('delays a run by the jitter of its instant', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({ schedule: { interval: { every: MINUTE, jitter: 30_000 } }, policies: { misfire: 'NONE' } })
    parts.clock.instant = at(10) + 59_000
    await parts.scheduler.tick()
    const { created } = await backfilled(parts, id, 1, 5)
    const delays = (await parts.engine.store.runRows(created)).map((run) => run!.dueAt - run!.occurrence!)
    assert.ok(delays.every((delay) => delay >= 0 && delay <= 30_000) && delays.some((delay) => delay > 0), String(delays))
  })

  it('leaves instants that have a run, and does nothing when called again', async (t) => {
    const { parts, id } = await afterAnOutage(t)
    await backfilled(parts, id, 3, 5)
    assert.deepEqual(await backfilled(parts, id, 3, 5), { planned: 3, created: [] })
    assert.equal((await backfilled(parts, id, 4, 6)).created.length, 1)
    assert.equal(await auditOf(parts, id), '10 planned, 0 missing, 0 duplicated')
  })

  it('asked for several times at once makes each run once, while the planner goes on', async (t) => {
    const { parts, id } = await afterAnOutage(t)
    parts.clock.instant = at(400)
    const calls = [1, 1, 200].map((from) => parts.commands.backfillJob({ id, from: at(from), to: at(399), overlap: 'ALLOW_ALL' }, caller))
    const answers = await Promise.all([...calls, parts.scheduler.tick()])
    const created = answers.flatMap((answer) => (typeof answer === 'object' && answer.ok ? answer.value.created : []))
    assert.deepEqual([created.length, new Set(created).size], [398, 398], 'all but minute 10, which has one')
    assert.equal(await auditOf(parts, id), '400 planned, 0 missing, 0 duplicated')
  })

  it('leaves instants whose run was removed by age', async (t) => {
    const { parts, id } = await afterAnOutage(t)
    await parts.tamper(`UPDATE "Verdict" SET verdict = 'RUN', reason = NULL`)
    assert.deepEqual(await backfilled(parts, id, 3, 10), { planned: 8, created: [] })
  })

  it('gives verdicts to what is not decided yet first, and runs to what then has none', async (t) => {
    const { parts, id } = await afterAnOutage(t)
    parts.clock.instant = at(14) + 1
    const { planned, created } = await backfilled(parts, id, 9, 14)
    assert.deepEqual([planned, created.length], [6, 5], 'the run of minute 10 is still active: 14 was skipped, and then backfilled')
    await parts.scheduler.tick()
    assert.deepEqual(await ledgerOf(parts, id, NOON), ['1-8 MISSED', '9 RUN', '10 RUN', '11 RUN', '12 RUN', '13 RUN', '14 RUN'])
    assert.equal(await auditOf(parts, id), '14 planned, 0 missing, 0 duplicated')
  })

  it('decides nothing before its time that lies behind the window', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({ schedule: { interval: { every: MINUTE, jitter: 59_000 } }, policies: { misfire: 'NONE' } })
    parts.clock.instant = at(10)
    await parts.scheduler.tick()
    const before = (await parts.engine.store.job({ id }))!.position.plannedUntil
    assert.equal(before, at(9), 'the jitter of minute 10 is not over')
    await backfilled(parts, id, 3, 9)
    assert.equal((await parts.engine.store.job({ id }))!.position.plannedUntil, before)
    await backfilled(parts, id, 3, 10)
    assert.equal((await parts.engine.store.job({ id }))!.position.plannedUntil, at(10))
    assert.equal(await auditOf(parts, id), '10 planned, 0 missing, 0 duplicated')
  })

  it('goes back beyond the creation of the job, with runs that the audit does not count', async (t) => {
    const { parts, id } = await afterAnOutage(t)
    const { created } = await backfilled(parts, id, -2, 1)
    assert.equal(created.length, 4)
    assert.deepEqual((await ledgerOf(parts, id, NOON)).slice(0, 5), [
      '-2 RUN not counted',
      '-1 RUN not counted',
      '0 RUN not counted',
      '1 RUN',
      '2-9 MISSED',
    ])
    assert.equal(await auditOf(parts, id), '10 planned, 0 missing, 0 duplicated')
  })

  it('is about the instants of the current schedule, whichever was there at the time', async (t) => {
    const { parts, id } = await afterAnOutage(t)
    await parts.commands.updateJob({ id, schedule: { interval: { every: MINUTE / 2, anchor: NOON } } }, caller)
    const { planned, created } = await backfilled(parts, id, 3, 5)
    assert.deepEqual([planned, created.length], [5, 5])
    assert.deepEqual(await ledgerOf(parts, id, NOON), [
      '1-2 MISSED',
      '3 RUN',
      '3.5 RUN not counted',
      '4 RUN',
      '4.5 RUN not counted',
      '5 RUN',
      '6-9 MISSED',
      '10 RUN',
    ])
    assert.equal(await auditOf(parts, id), '10 planned, 0 missing, 0 duplicated')
  })

  it('works on a paused job, beyond the catch-up window, and beyond maxRuns', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({ schedule: { interval: { every: MINUTE, maxRuns: 2 } }, policies: { overlap: 'ALLOW_ALL' } })
    for (const minute of [1, 2]) {
      parts.clock.instant = at(minute)
      await parts.scheduler.tick()
    }
    parts.clock.instant = at(3_000)
    const { created } = await backfilled(parts, id, 1, 5)
    assert.equal(created.length, 3)
    assert.deepEqual(await ledgerOf(parts, id, NOON), ['1 RUN', '2 RUN', '3 RUN not counted', '4 RUN not counted', '5 RUN not counted'])
    const paused = await parts.create({ name: 'paused', pause: { note: 'n' } })
    parts.clock.instant = at(3_002)
    assert.equal((await backfilled(parts, paused, 3_001, 3_002)).created.length, 2)
    for (const each of [id, paused]) assert.match(await auditOf(parts, each), /^2 planned, 0 missing, 0 duplicated$/)
  })

  it('of a one-off job runs its instant', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({ schedule: { once: { at: at(1) } }, policies: { misfire: 'NONE' } })
    parts.clock.instant = at(10)
    await parts.scheduler.tick()
    assert.equal((await backfilled(parts, id, 0, 10)).created.length, 1)
    assert.equal(await auditOf(parts, id), '1 planned, 0 missing, 0 duplicated')
  })
})

describe('the row of the newest instant', () => {
  it('is not prolonged across an instant that left it', async (t) => {
    const { parts, id } = await afterAnOutage(t)
    await parts.commands.pauseJob({ id, note: 'n' }, caller)
    const goOnTo = async (minute: number) => {
      parts.clock.instant = at(minute)
      await parts.commands.pauseJob({ id, note: 'n' }, caller)
    }
    await goOnTo(13)
    await backfilled(parts, id, 12, 12)
    await goOnTo(15)
    assert.deepEqual((await ledgerOf(parts, id, NOON)).slice(2), ['11 SKIPPED_PAUSED', '12 RUN', '13-15 SKIPPED_PAUSED'])
    await backfilled(parts, id, 15, 15)
    await goOnTo(17)
    assert.deepEqual((await ledgerOf(parts, id, NOON)).slice(4), ['13-14 SKIPPED_PAUSED', '15 RUN', '16-17 SKIPPED_PAUSED'])
    await backfilled(parts, id, 11, 17)
    await goOnTo(18)
    assert.deepEqual((await ledgerOf(parts, id, NOON)).slice(-2), ['17 RUN', '18 SKIPPED_PAUSED'])
    assert.equal(await auditOf(parts, id), '18 planned, 0 missing, 0 duplicated')
  })
})

describe('the overlap of a backfill', () => {
  for (const [overlap, created, heldBy] of [
    ['SKIP', 0, []],
    ['BUFFER_ONE', 1, ['OVERLAP']],
    ['ALLOW_ALL', 3, [null, null, null]],
    ['CANCEL_OTHER', 3, ['OVERLAP', 'OVERLAP', 'OVERLAP']],
  ] as const) {
    it(`${overlap}: while a run is active ${created} of 3 are made`, async (t) => {
      const { parts, id } = await afterAnOutage(t)
      await parts.engine.store.beginReady({ instanceId: 'i', now: parts.clock.now(), leaseUntil: at(20), handlers: null }, 10)
      const answer = await backfilled(parts, id, 3, 5, overlap)
      assert.deepEqual([answer.planned, answer.created.length], [3, created])
      assert.deepEqual(
        (await parts.engine.store.runRows(answer.created)).map((run) => run!.heldBy),
        heldBy,
      )
      assert.equal(await auditOf(parts, id), '10 planned, 0 missing, 0 duplicated')
    })
  }

  it('CANCEL_OTHER cancels what was there, and not its own', async (t) => {
    const { parts, id } = await afterAnOutage(t)
    const { created } = await backfilled(parts, id, 3, 5, 'CANCEL_OTHER')
    const [before] = (await parts.engine.store.ledger({ jobId: id, after: at(9), before: at(11), fromEnd: false, limit: 9 })).runs
    const statuses = (await parts.engine.store.runRows([before!.runId!, ...created])).map((run) => `${run!.status} ${run!.heldBy}`)
    assert.deepEqual(statuses, ['CANCELLED null', 'QUEUED null', 'QUEUED OVERLAP', 'QUEUED OVERLAP'])
  })

  it('BUFFER_ALL makes no more than a thousand wait', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({ schedule: { interval: { every: 1_000 } }, policies: { misfire: 'NONE' } })
    parts.clock.instant = NOON + 1_500_000
    await parts.scheduler.tick()
    const first = await parts.commands.backfillJob({ id, from: NOON + 1_000, to: NOON + 1_000_000 }, caller)
    assert.equal(first.ok && first.value.created.length, 1_000)
    const second = await parts.commands.backfillJob({ id, from: NOON + 1_000, to: NOON + 1_400_000 }, caller)
    assert.deepEqual(second.ok && [second.value.planned, second.value.created.length], [1_400, 0])
    assert.equal(await auditOf(parts, id), '1500 planned, 0 missing, 0 duplicated')
  })
})

describe('a backfill is refused', () => {
  it('for a window that ends before it begins, or in the future', async (t) => {
    const { parts, id } = await afterAnOutage(t)
    assert.deepEqual(await refusalOf(parts, id, at(5), at(4)), [
      ['INVALID', 'from', 'from is 2026-06-10T12:05:00.000Z, after to (2026-06-10T12:04:00.000Z); accepted: at or before it.'],
    ])
    const message = 'to is 2026-06-10T12:10:00.001Z, which is still to come; accepted: up to now (2026-06-10T12:10:00.000Z).'
    assert.deepEqual(await refusalOf(parts, id, at(5), at(10) + 1), [['INVALID', 'to', message]])
    assert.deepEqual((await refusalOf(parts, id, at(5), at(5))).length, 0)
  })

  it('for a job that is not there', async (t) => {
    const parts = await openParts(t)
    assert.deepEqual(await refusalOf(parts, 'job_x', NOON, NOON), [['NOT_FOUND', 'id', 'There is no job "job_x".']])
  })

  it('for more than a thousand instants without a run, says how many there are, and stores nothing', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({ policies: { misfire: 'NONE' } })
    parts.clock.instant = at(1_500)
    await parts.scheduler.tick()
    assert.deepEqual(await refusalOf(parts, id, at(1), at(1_001)), [
      ['TOO_MANY', 'to', 'The window has 1001 instants without a run; accepted: at most 1000 a call. Give a shorter window.'],
    ])
    assert.deepEqual(await ledgerOf(parts, id, NOON), ['1-59 MISSED', '60-1499 MISSED', '1500 RUN'])
    assert.equal((await backfilled(parts, id, 501, 1_500)).created.length, 999)
    assert.equal(await auditOf(parts, id), '1500 planned, 0 missing, 0 duplicated')
  })

  it('for a window with more instants than it looks through', async (t) => {
    const { parts, id } = await afterAnOutage(t)
    await parts.commands.updateJob({ id, schedule: { interval: { every: 1_000 } } }, caller)
    const errors = await refusalOf(parts, id, NOON - 10_000_001_000, NOON)
    assert.equal((await refusalOf(parts, id, -62_167_219_200_000, NOON))[0]![0], 'TOO_MANY')
    assert.deepEqual(
      errors.map(([code, path]) => [code, path]),
      [['TOO_MANY', 'to']],
    )
  })
})
