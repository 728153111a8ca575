import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { auditOf, ledgerOf } from '../support/ledger.ts'
import { caller, NOON, openParts } from '../support/parts.ts'

const MINUTE = 60_000
const at = (minute: number) => NOON + minute * MINUTE
const every = (minutes: number, more: object = {}) => ({ interval: { every: minutes * MINUTE, ...more } })

describe('every planned instant has one verdict', () => {
  it('after edits in one millisecond, of which each but the last governed nothing', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({ policies: { overlap: 'ALLOW_ALL' } })
    for (const minutes of [2, 3, 4]) await parts.commands.updateJob({ id, schedule: every(minutes) }, caller)
    parts.clock.instant = at(3)
    for (const minutes of [5, 1]) await parts.commands.updateJob({ id, schedule: every(minutes, { anchor: NOON }) }, caller)
    parts.clock.instant = at(5)
    await parts.scheduler.tick()
    assert.deepEqual(await ledgerOf(parts, id, NOON), ['4 COALESCED', '5 RUN'])
    assert.equal(await auditOf(parts, id), '2 planned, 0 missing, 0 duplicated')
    assert.equal((await parts.engine.store.revisions(id)).length, 6)
  })

  it('after an edit at an instant itself: the old schedule decides it, and the new one not again', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({ policies: { overlap: 'ALLOW_ALL' } })
    parts.clock.instant = at(2)
    await parts.commands.updateJob({ id, schedule: every(2, { anchor: NOON }) }, caller)
    parts.clock.instant = at(4)
    await parts.scheduler.tick()
    assert.deepEqual(await ledgerOf(parts, id, NOON), ['1 COALESCED', '2 RUN', '4 RUN'])
    assert.equal(await auditOf(parts, id), '3 planned, 0 missing, 0 duplicated')
  })

  it('after commands under a clock that went back', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({ policies: { overlap: 'ALLOW_ALL' } })
    parts.clock.instant = at(5)
    await parts.scheduler.tick()
    parts.clock.instant = at(2)
    await parts.commands.updateJob({ id, schedule: every(1, { anchor: NOON + MINUTE / 2 }) }, caller)
    await parts.commands.pauseJob({ id, note: 'n' }, caller)
    parts.clock.instant = at(3)
    await parts.commands.resumeJob({ id }, caller)
    await parts.commands.backfillJob({ id, from: at(1), to: at(3) }, caller)
    parts.clock.instant = at(7)
    await parts.scheduler.tick()
    assert.deepEqual((await ledgerOf(parts, id, NOON)).slice(-3), ['5 RUN', '5.5 COALESCED', '6.5 RUN'])
    assert.equal(await auditOf(parts, id), '7 planned, 0 missing, 0 duplicated')
  })

  it('after the last run of maxRuns, and an edit long after it', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({ schedule: every(1, { maxRuns: 2 }), policies: { overlap: 'ALLOW_ALL' } })
    for (const minute of [1, 2]) {
      parts.clock.instant = at(minute)
      await parts.scheduler.tick()
    }
    parts.clock.instant = at(10)
    await parts.commands.updateJob({ id, schedule: every(1, { maxRuns: 4 }) }, caller)
    parts.clock.instant = at(12)
    await parts.scheduler.tick()
    assert.deepEqual(await ledgerOf(parts, id, NOON), ['1 RUN', '2 RUN', '11 COALESCED', '12 RUN'])
    assert.equal(await auditOf(parts, id), '4 planned, 0 missing, 0 duplicated')
  })

  it('after an edit that comes before the planner has seen the last run of maxRuns', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({ schedule: every(1, { maxRuns: 2 }), policies: { overlap: 'ALLOW_ALL', misfire: 'ALL' } })
    parts.clock.instant = at(10)
    await parts.commands.updateJob({ id, schedule: every(1, { maxRuns: 4 }) }, caller)
    assert.deepEqual(await ledgerOf(parts, id, NOON), ['1 RUN', '2 RUN'])
    parts.clock.instant = at(12)
    await parts.scheduler.tick()
    assert.deepEqual(await ledgerOf(parts, id, NOON), ['1 RUN', '2 RUN', '11 RUN', '12 RUN'])
    assert.equal(await auditOf(parts, id), '4 planned, 0 missing, 0 duplicated')
  })

  it('where late instants would go into a run that overlap then skips', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({})
    for (const minute of [1, 5]) {
      parts.clock.instant = at(minute)
      await parts.scheduler.tick()
    }
    assert.deepEqual(await ledgerOf(parts, id, NOON), ['1 RUN', '2-5 SKIPPED_OVERLAP'])
    assert.equal(await auditOf(parts, id), '5 planned, 0 missing, 0 duplicated')
  })

  it('of a name that was deleted and taken again, for each of the two jobs alone', async (t) => {
    const parts = await openParts(t)
    const first = await parts.create({})
    parts.clock.instant = at(3)
    await parts.commands.deleteJob({ id: first }, caller)
    const second = await parts.create({})
    parts.clock.instant = at(5)
    await parts.scheduler.tick()
    assert.equal(await auditOf(parts, second), '2 planned, 0 missing, 0 duplicated')
  })
})

describe('a job every second whose server was down for a week', () => {
  for (const [misfire, overlap, rows] of [
    ['LATEST', 'SKIP', 3],
    ['NONE', 'SKIP', 3],
    ['ALL', 'BUFFER_ALL', 3 + 1_000],
  ] as const) {
    it(`costs ${rows} rows, runs included, under ${misfire}, and is back within a second`, async (t) => {
      const parts = await openParts(t)
      const id = await parts.create({ schedule: { interval: { every: 1_000 } }, policies: { misfire, overlap } })
      parts.clock.instant = NOON + 7 * 24 * 60 * MINUTE
      const began = performance.now()
      await parts.scheduler.tick()
      const took = performance.now() - began
      assert.equal((await ledgerOf(parts, id, NOON)).length, rows)
      assert.equal(await auditOf(parts, id), '604800 planned, 0 missing, 0 duplicated')
      assert.ok(took < 1_000, `${took} ms`)
    })
  }
})
