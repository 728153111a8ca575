import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { CommandResult, CreateJobInput, UpdateJobInput } from '../../src/commands/inputs.ts'
import { DEFAULT_POLICIES, type Job, type Policies } from '../../src/domain/job.ts'
import { DEFAULT_TARGET } from '../../src/domain/target.ts'
import { caller, NOON, openParts, type Parts } from '../support/parts.ts'

const MINUTE = 60_000

function problems(result: CommandResult<unknown>): string[] {
  return result.ok ? [] : result.errors.map((error) => `${error.code} ${error.path.join('.')}`)
}

async function jobOf({ engine }: Parts, id: string): Promise<Job> {
  return (await engine.store.job({ id }))!.job
}

describe('an update', () => {
  const full: Partial<CreateJobInput> = {
    name: 'full',
    description: 'd',
    tags: ['a'],
    schedule: { interval: { every: MINUTE, maxRuns: 9, jitter: 10 } },
    target: { handler: { handler: 'noop' } },
    payload: { p: 1 },
    policies: {
      overlap: 'BUFFER_ALL',
      misfire: 'ALL',
      misfireGrace: 1_000,
      catchupWindow: 2_000,
      maxAttempts: 7,
      backoff: { initial: 1, factor: 3, max: 99, jitter: false },
      timeout: 1_234,
      priority: 5,
      concurrencyKey: 'k',
      maxConcurrency: 2,
      pauseAfterFailures: 4,
    },
  }

  it('of nothing, and of empty policies, leaves every field as it is', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create(full)
    const before = await jobOf(parts, id)
    for (const input of [{}, { policies: {} }, { policies: { backoff: {} } }])
      assert.ok((await parts.commands.updateJob({ id, ...input }, caller)).ok)
    assert.deepEqual(await jobOf(parts, id), before)
  })

  // Some defaults stand only together: a catch-up window is never shorter than the grace, a longest wait than the first.
  const policyNulls: [string, UpdateJobInput['policies'], Partial<Policies>][] = [
    ['both contradicting policies', { overlap: null, misfire: null }, { overlap: 'SKIP', misfire: 'LATEST' }],
    ['the grace and the window', { misfireGrace: null, catchupWindow: null }, { misfireGrace: MINUTE, catchupWindow: 1_440 * MINUTE }],
    ['maxAttempts', { maxAttempts: null }, { maxAttempts: 3 }],
    ['the timeout', { timeout: null }, { timeout: 5 * MINUTE }],
    ['the priority', { priority: null }, { priority: 0 }],
    ['the concurrency', { concurrencyKey: null, maxConcurrency: null }, { concurrencyKey: null, maxConcurrency: null }],
    ['pauseAfterFailures', { pauseAfterFailures: null }, { pauseAfterFailures: null }],
    ['the backoff', { backoff: null }, { backoff: { initial: 10_000, factor: 2, max: 60 * MINUTE, jitter: true } }],
    ['its waits', { backoff: { initial: null, max: null } }, { backoff: { initial: 10_000, factor: 3, max: 60 * MINUTE, jitter: false } }],
    ['its factor', { backoff: { factor: null } }, { backoff: { initial: 1, factor: 2, max: 99, jitter: false } }],
    ['its jitter', { backoff: { jitter: null } }, { backoff: { initial: 1, factor: 3, max: 99, jitter: true } }],
  ]
  const nulls: [string, Omit<UpdateJobInput, 'id'>, (job: Job) => Partial<Job>][] = [
    ['the description', { description: null }, () => ({ description: null })],
    ['the tags', { tags: null }, () => ({ tags: [] })],
    ['the target', { target: null }, () => ({ target: DEFAULT_TARGET })],
    ['the payload', { payload: null }, () => ({ payload: null })],
    ['all policies', { policies: null }, () => ({ policies: DEFAULT_POLICIES })],
    ...policyNulls.map(([what, policies, expected]): (typeof nulls)[number] => [
      what,
      { policies },
      (job) => ({ policies: { ...job.policies, ...expected } }),
    ]),
  ]
  for (const [what, input, expected] of nulls) {
    it(`with null sets ${what} back to the default, and nothing else`, async (t) => {
      const parts = await openParts(t)
      const id = await parts.create(full)
      const before = await jobOf(parts, id)
      assert.deepEqual(problems(await parts.commands.updateJob({ id, ...input }, caller)), [])
      assert.deepEqual(await jobOf(parts, id), { ...before, ...expected(before), version: 2 })
    })
  }

  it('replaces a schedule whole: what it leaves out of it is gone', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create(full)
    await parts.commands.updateJob({ id, schedule: { interval: { every: MINUTE } } }, caller)
    assert.deepEqual((await jobOf(parts, id)).schedule, {
      kind: 'interval',
      every: MINUTE,
      anchor: NOON,
      startAt: null,
      endAt: null,
      maxRuns: null,
      jitter: null,
    })
  })

  it('keeps the anchor of an interval while `every` is the same, and begins anew where it is another', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({})
    parts.clock.forward(90_000)
    await parts.commands.updateJob({ id, schedule: { interval: { every: MINUTE, maxRuns: 5 } } }, caller)
    assert.equal((await parts.engine.store.job({ id }))?.position.nextRunAt, NOON + 2 * MINUTE)
    await parts.commands.updateJob({ id, schedule: { interval: { every: 2 * MINUTE } } }, caller)
    assert.equal((await parts.engine.store.job({ id }))?.position.nextRunAt, NOON + 90_000 + 2 * MINUTE)
  })

  it('with an old version is refused as a deletion is, and null expects none', async (t) => {
    const { commands, create } = await openParts(t)
    const id = await create({})
    assert.ok((await commands.updateJob({ id, expectedVersion: null, description: 'x' }, caller)).ok)
    assert.deepEqual(problems(await commands.deleteJob({ id, expectedVersion: 1 }, caller)), ['VERSION_CONFLICT expectedVersion'])
    assert.ok((await commands.deleteJob({ id, expectedVersion: 2 }, caller)).ok)
  })
})

describe('createJob with a pause', () => {
  const input = { name: 'minutely', schedule: { interval: { every: MINUTE } } }

  it('makes the job paused', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({ pause: { note: 'later', until: NOON + MINUTE } })
    assert.deepEqual((await jobOf(parts, id)).pause, { since: NOON, until: NOON + MINUTE, note: 'later', by: 'tester' })
  })

  it('and onConflict KEEP leaves the job as it is', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({})
    assert.ok((await parts.commands.createJob({ ...input, pause: { note: 'n' }, onConflict: 'KEEP' }, caller)).ok)
    const { pause, version } = await jobOf(parts, id)
    assert.deepEqual([pause, version], [null, 1])
  })

  it('and onConflict UPDATE pauses the job, goes on from a pause that stands, and does nothing twice', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({})
    const update = (note: string) => parts.commands.createJob({ ...input, pause: { note }, onConflict: 'UPDATE' }, caller)
    await update('one')
    parts.clock.forward(10)
    await update('two')
    assert.deepEqual((await jobOf(parts, id)).pause, { since: NOON, until: null, note: 'two', by: 'tester' })
    await update('two')
    assert.equal((await jobOf(parts, id)).version, 3)
  })

  it('and onConflict UPDATE without one leaves the pause that stands', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({ pause: { note: 'n' } })
    await parts.commands.createJob({ ...input, description: 'new', onConflict: 'UPDATE' }, caller)
    const { pause, description } = await jobOf(parts, id)
    assert.deepEqual([pause?.note, description], ['n', 'new'])
  })

  it('refuses an end that is past, whichever way it comes to the job', async (t) => {
    const parts = await openParts(t)
    const pause = { note: 'n', until: NOON }
    assert.deepEqual(problems(await parts.commands.createJob({ ...input, pause, onConflict: 'FAIL' }, caller)), ['IN_THE_PAST pause.until'])
    await parts.create({})
    assert.deepEqual(problems(await parts.commands.createJob({ ...input, pause, onConflict: 'UPDATE' }, caller)), [
      'IN_THE_PAST pause.until',
    ])
  })

  it('cannot pause a COMPLETED job, unless the update gives it a future', async (t) => {
    const parts = await openParts(t)
    const once = { name: 'once', schedule: { once: { at: NOON + MINUTE } } }
    await parts.create(once)
    parts.clock.forward(MINUTE)
    await parts.scheduler.tick()
    const pause = { note: 'n' }
    assert.deepEqual(problems(await parts.commands.createJob({ ...once, pause, onConflict: 'UPDATE' }, caller)), ['INVALID pause'])
    const later = { ...once, schedule: { once: { at: NOON + 5 * MINUTE } }, pause, onConflict: 'UPDATE' as const }
    assert.deepEqual(problems(await parts.commands.createJob(later, caller)), [])
  })
})
