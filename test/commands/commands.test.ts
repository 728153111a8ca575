import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { CommandResult } from '../../src/commands/inputs.ts'
import { userError } from '../../src/domain/errors.ts'
import { caller, NOON, openParts } from '../support/parts.ts'

const MINUTE = 60_000
const minutely = { interval: { every: MINUTE } }
const base = { name: 'minutely', schedule: minutely, onConflict: 'FAIL' as const }

function problems(result: CommandResult<unknown>): string[] {
  return result.ok ? [] : result.errors.map((error) => `${error.code} ${error.path.join('.')}`)
}

describe('createJob', () => {
  it('stores the job, its first revision from now, and when it fires first', async (t) => {
    const { engine, commands } = await openParts(t)
    const result = await commands.createJob({ ...base, tags: ['a', 'a', 'b'], payload: { x: 1 } }, caller)
    assert.ok(result.ok && result.value.created)
    const row = await engine.store.job({ name: 'minutely' })
    assert.deepEqual([row?.job.id, row?.job.tags, row?.job.payload, row?.job.version], [result.value.jobId, ['a', 'b'], '{"x":1}', 1])
    assert.deepEqual([row?.position.nextRunAt, row?.position.plannedUntil], [NOON + MINUTE, NOON])
    assert.deepEqual(row?.job.target, { kind: 'handler', handler: 'log' })
  })

  it('tells all that is wrong at once, each at its path', async (t) => {
    const { commands, engine } = await openParts(t)
    const result = await commands.createJob(
      { ...base, name: ' ', tags: [''], payload: 'x'.repeat(70_000), policies: { misfire: 'ALL' }, schedule: { interval: { every: 10 } } },
      caller,
    )
    assert.deepEqual(problems(result).sort(), [
      'CONFLICTING_POLICIES policies.misfire',
      'INVALID name',
      'INVALID schedule.interval.every',
      'INVALID tags.0',
      'TOO_LARGE payload',
    ])
    assert.equal(await engine.store.countJobs({ state: null, search: null, tags: null, handler: null, lastRunStatus: null, now: NOON }), 0)
  })

  it('refuses what the workers say of the target', async (t) => {
    const { commands } = await openParts(t, {
      targetRules: { check: async () => [userError('NOT_ALLOWED', ['target', 'http', 'url'], 'not public')] },
    })
    assert.deepEqual(problems(await commands.createJob(base, caller)), ['NOT_ALLOWED target.http.url'])
  })

  it('onConflict FAIL names the name', async (t) => {
    const { commands, create } = await openParts(t)
    await create({})
    assert.deepEqual(problems(await commands.createJob(base, caller)), ['NAME_TAKEN name'])
  })

  it('onConflict KEEP answers the job as it is', async (t) => {
    const { commands, create, engine } = await openParts(t)
    const id = await create({ description: 'first' })
    const result = await commands.createJob({ ...base, description: 'second', onConflict: 'KEEP' }, caller)
    assert.deepEqual(result, { ok: true, value: { jobId: id, created: false } })
    assert.equal((await engine.store.job({ id }))?.job.description, 'first')
  })

  it('onConflict UPDATE makes the job what the input says, whole; the same input again changes nothing', async (t) => {
    const { commands, create, engine } = await openParts(t)
    const id = await create({ description: 'first', tags: ['old'], policies: { priority: 5 } })
    const input = { ...base, payload: [1], onConflict: 'UPDATE' as const }
    assert.deepEqual(await commands.createJob(input, caller), { ok: true, value: { jobId: id, created: false } })
    const once = (await engine.store.job({ id }))?.job
    assert.deepEqual([once?.description, once?.tags, once?.payload, once?.policies.priority, once?.version], [null, [], '[1]', 0, 2])
    await commands.createJob(input, caller)
    assert.equal((await engine.store.job({ id }))?.job.version, 2)
  })

  it('many callers of one name make one job', async (t) => {
    const { commands, engine } = await openParts(t)
    const results = await Promise.all(Array.from({ length: 20 }, () => commands.createJob({ ...base, onConflict: 'KEEP' }, caller)))
    assert.equal(results.filter((result) => result.ok && result.value.created).length, 1)
    assert.equal(await engine.store.countJobs({ state: null, search: null, tags: null, handler: null, lastRunStatus: null, now: NOON }), 1)
  })
})

describe('updateJob', () => {
  it('changes what is named, keeps the rest, and raises the version once', async (t) => {
    const { commands, create, engine } = await openParts(t)
    const id = await create({ description: 'd', policies: { priority: 3 } })
    assert.ok((await commands.updateJob({ id, policies: { timeout: 1_000 } }, caller)).ok)
    const job = (await engine.store.job({ id }))?.job
    assert.deepEqual([job?.description, job?.policies.priority, job?.policies.timeout, job?.version, job?.revision], ['d', 3, 1_000, 2, 1])
  })

  it('gives the instants up to now their verdict under the old schedule, then goes on under the new one', async (t) => {
    const { commands, create, engine, clock, scheduler } = await openParts(t)
    const id = await create({ policies: { overlap: 'ALLOW_ALL' } })
    clock.forward(90_000)
    assert.ok((await commands.updateJob({ id, schedule: { interval: { every: 10_000 } } }, caller)).ok)
    const row = await engine.store.job({ id })
    assert.deepEqual([row?.job.revision, row?.position.plannedUntil, row?.position.nextRunAt], [2, NOON + 90_000, NOON + 100_000])
    const runs = await engine.store.listRuns({
      filter: { jobIds: [id], status: null, trigger: null, scheduledFrom: null, scheduledTo: null, tags: null },
      orderBy: { field: 'QUEUED_AT', direction: 'ASC' },
      after: null,
      before: null,
      fromEnd: false,
      limit: 10,
    })
    assert.deepEqual(
      runs.map((run) => run.occurrence),
      [NOON + MINUTE],
    )
    clock.forward(10_000)
    await scheduler.tick()
    assert.equal((await engine.store.job({ id }))?.position.scheduledRuns, 2)
  })

  it('an edit that changes nothing writes nothing', async (t) => {
    const { commands, create, engine } = await openParts(t)
    const id = await create({ tags: ['a'] })
    const head = await engine.store.streamHead()
    assert.ok((await commands.updateJob({ id, tags: ['a'], schedule: minutely }, caller)).ok)
    assert.equal((await engine.store.job({ id }))?.job.version, 1)
    assert.equal(await engine.store.streamHead(), head)
  })

  it('refuses a lost update, a missing job, null where a value is needed, and a name taken', async (t) => {
    const { commands, create } = await openParts(t)
    const id = await create({})
    await create({ name: 'other' })
    assert.deepEqual(problems(await commands.updateJob({ id, expectedVersion: 7, name: 'x' }, caller)), [
      'VERSION_CONFLICT expectedVersion',
    ])
    assert.deepEqual(problems(await commands.updateJob({ id: 'job_none', name: 'x' }, caller)), ['NOT_FOUND id'])
    assert.deepEqual(problems(await commands.updateJob({ id, name: null, schedule: null }, caller)), ['INVALID name', 'INVALID schedule'])
    assert.deepEqual(problems(await commands.updateJob({ id, name: 'other' }, caller)), ['NAME_TAKEN name'])
  })

  it('two updates that expect the same version: one wins', async (t) => {
    const { commands, create } = await openParts(t)
    const id = await create({})
    const results = await Promise.all(
      ['a', 'b', 'c'].map((description) => commands.updateJob({ id, description, expectedVersion: 1 }, caller)),
    )
    assert.deepEqual(results.map(problems).filter((found) => found.length === 0).length, 1)
  })

  it('the count of maxRuns starts anew only when maxRuns is changed', async (t) => {
    const { commands, create, engine, clock, scheduler } = await openParts(t)
    const id = await create({ schedule: { interval: { every: MINUTE, maxRuns: 2 } }, policies: { overlap: 'ALLOW_ALL' } })
    clock.forward(MINUTE)
    await scheduler.tick()
    await commands.updateJob({ id, schedule: { interval: { every: 30_000, maxRuns: 2 } } }, caller)
    assert.equal((await engine.store.job({ id }))?.position.scheduledRuns, 1)
    clock.forward(30_000)
    await scheduler.tick()
    assert.equal((await engine.store.job({ id }))?.position.completed, true)
    await commands.updateJob({ id, schedule: { interval: { every: 30_000, maxRuns: 5 } } }, caller)
    const { position } = (await engine.store.job({ id }))!
    assert.deepEqual([position.completed, position.scheduledRuns, position.nextRunAt], [false, 0, clock.now() + 30_000])
  })
})

describe('pausing', () => {
  it('skips the instants of the pause, and fires again after it', async (t) => {
    const { commands, create, engine, clock, scheduler } = await openParts(t)
    const id = await create({})
    assert.ok((await commands.pauseJob({ id, note: 'inventory' }, caller)).ok)
    assert.deepEqual((await engine.store.job({ id }))?.job.pause, { since: NOON, until: null, note: 'inventory', by: 'tester' })
    clock.forward(10 * MINUTE)
    assert.equal(await scheduler.tick(), 0)
    assert.ok((await commands.resumeJob({ id }, caller)).ok)
    const { job, position } = (await engine.store.job({ id }))!
    assert.deepEqual([job.pause, job.version, position.activeRuns, position.nextRunAt], [null, 3, 0, NOON + 11 * MINUTE])
  })

  it('ends by itself at `until`, once', async (t) => {
    const { commands, create, engine, clock, scheduler } = await openParts(t)
    const id = await create({})
    await commands.pauseJob({ id, note: 'lunch', until: NOON + 5 * MINUTE }, caller)
    clock.forward(5 * MINUTE)
    await scheduler.tick()
    const { job, position } = (await engine.store.job({ id }))!
    assert.deepEqual([job.pause, position.scheduledRuns, position.nextRunAt], [null, 1, NOON + 6 * MINUTE])
    clock.forward(MINUTE)
    const head = await engine.store.streamHead()
    await scheduler.tick()
    assert.equal((await engine.store.job({ id }))?.job.updatedAt, job.updatedAt, 'the pause ends once')
    assert.ok((await engine.store.streamHead()) >= head)
  })

  it('needs a note and an end ahead; a COMPLETED job has nothing to pause; a second pause replaces note and end', async (t) => {
    const { commands, create, engine, clock, scheduler } = await openParts(t)
    const id = await create({ schedule: { once: { at: NOON + MINUTE } } })
    assert.deepEqual(problems(await commands.pauseJob({ id, note: '', until: NOON - 1 }, caller)), ['INVALID note', 'IN_THE_PAST until'])
    await commands.pauseJob({ id, note: 'a', until: NOON + 1_000 }, caller)
    clock.forward(10)
    await commands.pauseJob({ id, note: 'b' }, caller)
    assert.deepEqual((await engine.store.job({ id }))?.job.pause, { since: NOON, until: null, note: 'b', by: 'tester' })
    clock.forward(MINUTE)
    await scheduler.tick()
    assert.deepEqual(problems(await commands.pauseJob({ id, note: 'c' }, caller)), ['INVALID id'])
  })
})

describe('triggerJob and rerun', () => {
  it('make runs of their own, which move nothing of the schedule', async (t) => {
    const { commands, create, engine } = await openParts(t)
    const id = await create({ payload: { a: 1 }, policies: { overlap: 'ALLOW_ALL' } })
    const before = (await engine.store.job({ id }))!.position
    const manual = await commands.triggerJob({ id }, caller)
    assert.ok(manual.ok)
    const again = await commands.rerun({ id: manual.value.runId, payload: { b: 2 } }, caller)
    assert.ok(again.ok)
    const [first, second] = await engine.store.runRows([manual.value.runId, again.value.runId])
    assert.deepEqual([first?.trigger, first?.payload, first?.occurrence, first?.triggeredBy], ['MANUAL', '{"a":1}', null, 'tester'])
    assert.deepEqual(
      [second?.trigger, second?.payload, second?.rerunOfId, second?.scheduledFor],
      ['RERUN', '{"b":2}', first?.id, first?.scheduledFor],
    )
    const after = (await engine.store.job({ id }))!.position
    assert.deepEqual(
      [after.plannedUntil, after.scheduledRuns, after.nextRunAt, after.version],
      [before.plannedUntil, 0, before.nextRunAt, before.version],
    )
    assert.equal(after.activeRuns, 2)
  })

  it('obey the overlap policy unless the call says otherwise; what is skipped stores nothing', async (t) => {
    const { commands, create, engine } = await openParts(t)
    const id = await create({})
    assert.ok((await commands.triggerJob({ id }, caller)).ok)
    assert.deepEqual(problems(await commands.triggerJob({ id }, caller)), ['OVERLAP overlap'])
    assert.ok((await commands.triggerJob({ id, overlap: 'BUFFER_ONE' }, caller)).ok)
    assert.deepEqual(problems(await commands.triggerJob({ id, overlap: 'BUFFER_ONE' }, caller)), ['OVERLAP overlap'])
    assert.equal((await engine.store.job({ id }))?.position.activeRuns, 2)
  })

  it('CANCEL_OTHER ends what waits and starts the new run', async (t) => {
    const { commands, create, engine } = await openParts(t)
    const id = await create({})
    const first = await commands.triggerJob({ id }, caller)
    const second = await commands.triggerJob({ id, overlap: 'CANCEL_OTHER' }, caller)
    assert.ok(first.ok && second.ok)
    const rows = await engine.store.runRows([first.value.runId, second.value.runId])
    assert.deepEqual(
      rows.map((row) => [row?.status, row?.heldBy]),
      [
        ['CANCELLED', null],
        ['QUEUED', null],
      ],
    )
  })

  it('an idempotency key answers its first run; with another input it is refused; after a day it is free', async (t) => {
    const { commands, create, clock } = await openParts(t)
    const id = await create({ policies: { overlap: 'ALLOW_ALL' } })
    const call = (payload: unknown) => commands.triggerJob({ id, payload, idempotencyKey: 'k' }, caller)
    const first = await call({ a: 1, b: 2 })
    const again = await call({ b: 2, a: 1 })
    assert.ok(first.ok && again.ok)
    assert.deepEqual([again.value.runId, again.value.replayed], [first.value.runId, true])
    assert.deepEqual(problems(await call({ a: 2 })), ['IDEMPOTENCY_MISMATCH idempotencyKey'])
    clock.forward(24 * 60 * MINUTE)
    const later = await call({ a: 2 })
    assert.ok(later.ok && !later.value.replayed && later.value.runId !== first.value.runId)
  })

  it('many calls with one key make one run', async (t) => {
    const { commands, create, engine } = await openParts(t)
    const id = await create({ policies: { overlap: 'ALLOW_ALL' } })
    const results = await Promise.all(Array.from({ length: 20 }, () => commands.triggerJob({ id, idempotencyKey: 'k' }, caller)))
    assert.equal(new Set(results.map((result) => result.ok && result.value.runId)).size, 1)
    assert.equal((await engine.store.job({ id }))?.position.activeRuns, 1)
  })
})

describe('cancelRun and deleteJob', () => {
  it('a run that waits is cancelled at once, and only once', async (t) => {
    const { commands, create, engine } = await openParts(t)
    const id = await create({})
    const run = await commands.triggerJob({ id }, caller)
    assert.ok(run.ok)
    assert.ok((await commands.cancelRun({ id: run.value.runId }, caller)).ok)
    assert.equal((await engine.store.run(run.value.runId))?.status, 'CANCELLED')
    assert.equal((await engine.store.job({ id }))?.position.activeRuns, 0)
    assert.deepEqual(problems(await commands.cancelRun({ id: run.value.runId }, caller)), ['ALREADY_FINISHED id'])
    assert.deepEqual(problems(await commands.cancelRun({ id: 'run_none' }, caller)), ['NOT_FOUND id'])
  })

  it('a deleted job is gone, its runs are cancelled, and its name is free', async (t) => {
    const { commands, create, engine, clock, scheduler } = await openParts(t)
    const id = await create({})
    const run = await commands.triggerJob({ id }, caller)
    assert.ok(run.ok)
    assert.deepEqual(problems(await commands.deleteJob({ id, expectedVersion: 9 }, caller)), ['VERSION_CONFLICT expectedVersion'])
    clock.forward(5 * MINUTE)
    assert.deepEqual(await commands.deleteJob({ id }, caller), { ok: true, value: { deletedId: id } })
    assert.equal(await engine.store.job({ id }), null)
    assert.deepEqual(problems(await commands.deleteJob({ id }, caller)), ['NOT_FOUND id'])
    assert.equal(await scheduler.tick(), 0)
    const again = await create({})
    assert.notEqual(again, id)
    while ((await engine.store.removeDeleted(2)) > 0);
    assert.equal(await engine.store.run(run.value.runId), null)
  })
})
