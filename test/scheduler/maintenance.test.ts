import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { aheadOf } from '../../src/domain/ahead.ts'
import { caller, NOON, openParts, type Parts } from '../support/parts.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const MINUTE = 60_000

/** The ledger of a job in short, by instant: `RUN 12:01`, `SKIPPED_PAUSED 12:02-12:04 ×3 Scheduling paused: disks`. */
async function ledgerOf({ engine }: Parts, jobId: string): Promise<string[]> {
  const clock = (instant: Date) => instant.toISOString().slice(11, 16)
  const runs = await engine.prisma.run.findMany({ where: { jobId, occurrence: { not: null } } })
  const verdicts = await engine.prisma.verdict.findMany({ where: { jobId } })
  const entries = [
    ...runs.map(({ occurrence }) => ({ at: occurrence!, text: `RUN ${clock(occurrence!)}` })),
    ...verdicts.map(({ first, last, count, verdict, reason }) => ({
      at: first,
      text: `${verdict} ${count === 1 ? clock(first) : `${clock(first)}-${clock(last)} ×${count}`} ${reason}`,
    })),
  ]
  return entries.sort((a, b) => a.at.getTime() - b.at.getTime()).map(({ text }) => text)
}

/** Moves the clock minute by minute, with a look of the scheduler at each. */
async function pass({ clock, scheduler }: Parts, minutes: number): Promise<void> {
  for (let minute = 0; minute < minutes; minute++) {
    clock.forward(MINUTE)
    await scheduler.tick()
  }
}

const everyMinute = { policies: { overlap: 'ALLOW_ALL' as const } }

describe('maintenance', () => {
  it('skips the instants of every kind of job until it is resumed', async (t) => {
    const parts = await openParts(t)
    const { commands, create, engine } = parts
    const interval = await create({ ...everyMinute, name: 'interval' })
    const cron = await create({
      ...everyMinute,
      name: 'cron',
      schedule: { cron: { expression: '*/2 * * * *', timezone: 'UTC', dayMatch: 'ANY', gap: 'FIRE_AFTER', fold: 'FIRST' } },
    })
    const once = await create({ name: 'once', schedule: { once: { at: NOON + 3 * MINUTE } } })
    await pass(parts, 1)
    assert.ok((await commands.pauseScheduling({ note: 'disks' }, caller)).ok)
    await pass(parts, 3)
    assert.equal((await engine.store.job({ id: once }))?.position.completed, true)
    assert.equal((await engine.store.job({ id: interval }))?.job.version, 1, 'no job is written')
    assert.ok((await commands.resumeScheduling(caller)).ok)
    await pass(parts, 2)
    assert.deepEqual(await ledgerOf(parts, interval), [
      'RUN 12:01',
      'SKIPPED_PAUSED 12:02-12:04 ×3 Scheduling paused: disks',
      'RUN 12:05',
      'RUN 12:06',
    ])
    assert.deepEqual(await ledgerOf(parts, cron), ['SKIPPED_PAUSED 12:02-12:04 ×2 Scheduling paused: disks', 'RUN 12:06'])
    assert.deepEqual(await ledgerOf(parts, once), ['SKIPPED_PAUSED 12:03 Scheduling paused: disks'])
  })

  it('ends by itself at its `until`, which fires', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create(everyMinute)
    await parts.commands.pauseScheduling({ note: 'disks', until: NOON + 3 * MINUTE }, caller)
    await pass(parts, 4)
    assert.deepEqual(await ledgerOf(parts, id), ['SKIPPED_PAUSED 12:01-12:02 ×2 Scheduling paused: disks', 'RUN 12:03', 'RUN 12:04'])
  })

  it('has skipped what passed while the scheduler was down, though it is over by then', async (t) => {
    const parts = await openParts(t)
    const { commands, clock } = parts
    const id = await parts.create({ policies: { overlap: 'ALLOW_ALL', misfire: 'NONE' } })
    clock.forward(2 * MINUTE + 1)
    await commands.pauseScheduling({ note: 'disks' }, caller)
    clock.forward(3 * MINUTE)
    await commands.resumeScheduling(caller)
    clock.forward(2 * MINUTE)
    await parts.scheduler.tick()
    assert.deepEqual(await ledgerOf(parts, id), [
      'MISSED 12:01-12:02 ×2 Not decided on time, and the misfire policy is NONE.',
      'SKIPPED_PAUSED 12:03-12:05 ×3 Scheduling paused: disks',
      'MISSED 12:06 Not decided on time, and the misfire policy is NONE.',
      'RUN 12:07',
    ])
  })

  it('stands over a restart, and ends without one', async (t) => {
    const directory = temporaryDirectory()
    const before = await openParts(t, { directory })
    const interval = await before.create({ ...everyMinute, name: 'interval' })
    const once = await before.create({ name: 'once', schedule: { once: { at: NOON + 4 * MINUTE } } })
    const limited = await before.create({ ...everyMinute, name: 'limited', schedule: { interval: { every: MINUTE, maxRuns: 1 } } })
    await before.commands.pauseScheduling({ note: 'disks', until: NOON + 6 * MINUTE }, caller)
    await pass(before, 2)
    await before.engine.close()

    const after = await openParts(t, { directory, clock: before.clock })
    before.clock.forward(2 * MINUTE)
    await pass(after, 4)
    assert.deepEqual(await ledgerOf(after, interval), [
      'SKIPPED_PAUSED 12:01-12:05 ×5 Scheduling paused: disks',
      'RUN 12:06',
      'RUN 12:07',
      'RUN 12:08',
    ])
    assert.deepEqual(await ledgerOf(after, once), ['SKIPPED_PAUSED 12:04 Scheduling paused: disks'])
    assert.deepEqual(await ledgerOf(after, limited), ['SKIPPED_PAUSED 12:01-12:05 ×5 Scheduling paused: disks', 'RUN 12:06'])
  })

  it('is obeyed by what a command decides before it changes a job', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create(everyMinute)
    await parts.commands.pauseScheduling({ note: 'disks' }, caller)
    parts.clock.forward(2 * MINUTE)
    await parts.commands.updateJob({ id, schedule: { interval: { every: 30_000 } } }, caller)
    assert.deepEqual(await ledgerOf(parts, id), ['SKIPPED_PAUSED 12:01-12:02 ×2 Scheduling paused: disks'])
  })

  it("speaks beside a job's own pause, which is what its instants tell of", async (t) => {
    const parts = await openParts(t)
    const { commands } = parts
    const id = await parts.create(everyMinute)
    await commands.pauseScheduling({ note: 'disks', until: NOON + 5 * MINUTE }, caller)
    await commands.pauseJob({ id, note: 'own', until: NOON + 3 * MINUTE }, caller)
    const { job, position } = (await parts.engine.store.job({ id }))!
    assert.equal(aheadOf({ job, position, maintenance: await parts.engine.store.maintenance() }).next(0), NOON + 5 * MINUTE)
    await pass(parts, 5)
    assert.deepEqual(await ledgerOf(parts, id), [
      'SKIPPED_PAUSED 12:01-12:02 ×2 Paused: own',
      'SKIPPED_PAUSED 12:03-12:04 ×2 Scheduling paused: disks',
      'RUN 12:05',
    ])
  })

  it('lets runs go on and runs be asked for', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({})
    await pass(parts, 1)
    await parts.commands.pauseScheduling({ note: 'disks' }, caller)
    assert.equal(
      (await parts.engine.store.beginReady({ instanceId: 'ins_test', now: parts.clock.now(), leaseUntil: 1e15, handlers: null }, 10))
        .length,
      1,
    )
    assert.ok((await parts.commands.triggerJob({ id, overlap: 'ALLOW_ALL' }, caller)).ok)
  })

  it('asked for again keeps its beginning and replaces note and end; a bad input changes nothing', async (t) => {
    const { commands, clock, engine } = await openParts(t)
    await commands.pauseScheduling({ note: 'disks' }, caller)
    clock.forward(10)
    await commands.pauseScheduling({ note: 'network', until: NOON + MINUTE }, { name: 'bob' })
    const refused = await commands.pauseScheduling({ note: ' ', until: NOON }, caller)
    assert.deepEqual(refused.ok ? [] : refused.errors.map(({ code, path }) => `${code} ${path.join('.')}`), [
      'INVALID note',
      'IN_THE_PAST until',
    ])
    assert.deepEqual(await engine.store.maintenance(), [{ since: NOON, until: NOON + MINUTE, note: 'network', by: 'bob' }])
    clock.forward(MINUTE)
    await commands.resumeScheduling(caller)
    assert.equal((await engine.store.maintenance())[0]?.until, NOON + MINUTE, 'a pause that is over has nothing to resume')
  })

  it('tells the stream of a job that it completes', async (t) => {
    const parts = await openParts(t)
    const once = await parts.create({ name: 'once', schedule: { once: { at: NOON + MINUTE } } })
    const minutely = await parts.create({ ...everyMinute, name: 'other' })
    await parts.commands.pauseScheduling({ note: 'disks' }, caller)
    await pass(parts, 3)
    const events = await parts.engine.prisma.jobEvent.findMany({ orderBy: { cursor: 'asc' } })
    assert.deepEqual(
      events.map(({ jobId, change, at }) => [jobId, change, at.getTime()]),
      [
        [once, 'CREATED', NOON],
        [minutely, 'CREATED', NOON],
        [once, 'UPDATED', NOON + MINUTE],
      ],
    )
  })
})
