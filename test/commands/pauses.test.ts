import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { CommandResult } from '../../src/commands/inputs.ts'
import type { Outcome } from '../../src/domain/run.ts'
import { caller, NOON, openParts, type Parts } from '../support/parts.ts'

const MINUTE = 60_000
const broken = { code: 'X', message: 'x', stack: null, retryable: false }
const failed: Outcome = { kind: 'FAILED', error: broken, output: null, retryAfter: null }

function problems(result: CommandResult<unknown>): string[] {
  return result.ok ? [] : result.errors.map((error) => `${error.code} ${error.path.join('.')}`)
}

/** Triggers a run and ends it as told. */
async function run(parts: Parts, id: string, outcome: Outcome): Promise<string> {
  const { store } = parts.engine
  const now = parts.clock.now()
  const started = await parts.commands.triggerJob({ id, overlap: 'ALLOW_ALL' }, caller)
  assert.ok(started.ok)
  const { runId } = started.value
  const begun = await store.beginReady({ instanceId: 'ins_test', now, leaseUntil: now + MINUTE, handlers: null }, 100)
  const attempt = begun.find((each) => each.runId === runId)!
  await store.settle([{ runId, attempt: attempt.attempt, outcome, now, random: 0 }])
  return runId
}

const read = async ({ engine }: Parts, id: string) => (await engine.store.job({ id }))!

describe('a pause that has just ended by itself, before the planner came to it', () => {
  const paused = async (parts: Parts) => {
    const id = await parts.create({ policies: { overlap: 'ALLOW_ALL' } })
    await parts.commands.pauseJob({ id, note: 'first', until: NOON + 3 * MINUTE }, caller)
    parts.clock.forward(5 * MINUTE)
    return id
  }
  const entries = async ({ engine }: Parts, jobId: string) => {
    const verdicts = await engine.prisma.verdict.findMany({ where: { jobId }, orderBy: { first: 'asc' } })
    const runs = await engine.prisma.run.count({ where: { jobId, trigger: 'SCHEDULE' } })
    return [...verdicts.map(({ verdict, count }) => `${verdict} ${count}`), `RUN ${runs}`]
  }

  it('is no part of a new one: the instants between are decided as they came', async (t) => {
    const parts = await openParts(t)
    const id = await paused(parts)
    assert.ok((await parts.commands.pauseJob({ id, note: 'second' }, caller)).ok)
    assert.deepEqual((await read(parts, id)).job.pause, { since: NOON + 5 * MINUTE, until: null, note: 'second', by: 'tester' })
    assert.deepEqual(await entries(parts, id), ['SKIPPED_PAUSED 2', 'COALESCED 2', 'RUN 1'])
  })

  it('is ended by a resumption, which is told and counted once', async (t) => {
    const parts = await openParts(t)
    const id = await paused(parts)
    assert.ok((await parts.commands.resumeJob({ id }, caller)).ok)
    await parts.scheduler.tick()
    const { job, position } = await read(parts, id)
    assert.deepEqual([job.pause, job.version, position.nextRunAt], [null, 3, NOON + 6 * MINUTE])
    assert.deepEqual(await entries(parts, id), ['SKIPPED_PAUSED 2', 'COALESCED 2', 'RUN 1'])
    assert.equal(await parts.engine.prisma.jobEvent.count({ where: { jobId: id } }), 3)
  })

  it('is gone with an edit of anything else', async (t) => {
    const parts = await openParts(t)
    const id = await paused(parts)
    assert.ok((await parts.commands.updateJob({ id, description: 'd' }, caller)).ok)
    const { job } = await read(parts, id)
    assert.deepEqual([job.pause, job.version], [null, 3])
  })

  it('has skipped its instants also where the job is deleted', async (t) => {
    const parts = await openParts(t)
    const id = await paused(parts)
    assert.ok((await parts.commands.deleteJob({ id }, caller)).ok)
    assert.deepEqual(await entries(parts, id), ['SKIPPED_PAUSED 2', 'COALESCED 2', 'RUN 1'])
    assert.equal(await parts.engine.prisma.run.count({ where: { jobId: id, status: 'CANCELLED' } }), 1)
  })
})

describe('failures in a row', () => {
  it('pause the job whatever the trigger; a cancelled run neither counts nor starts anew', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({ policies: { pauseAfterFailures: 3, overlap: 'ALLOW_ALL', maxAttempts: 1 } })
    parts.clock.forward(MINUTE)
    await parts.scheduler.tick()
    const [scheduled] = await parts.engine.store.beginReady(
      { instanceId: 'i', now: parts.clock.now(), leaseUntil: 1e15, handlers: null },
      1,
    )
    await parts.engine.store.settle([{ ...scheduled!, outcome: failed, now: parts.clock.now(), random: 0 }])
    await run(parts, id, { kind: 'CANCELLED' })
    await run(parts, id, { kind: 'TIMED_OUT', error: broken })
    assert.equal((await read(parts, id)).job.pause, null)
    await run(parts, id, failed)
    const { job, position } = await read(parts, id)
    assert.deepEqual(job.pause, { since: NOON + MINUTE, until: null, note: 'Paused after 3 failed runs in a row', by: null })
    assert.deepEqual([job.version, position.nextRunAt, position.failuresInRow], [1, null, 3])
  })

  it('start anew with a resumption, also one after the pause has ended by itself', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({ policies: { pauseAfterFailures: 2 } })
    for (let i = 0; i < 2; i++) await run(parts, id, failed)
    await parts.commands.pauseJob({ id, note: 'until lunch', until: NOON + MINUTE }, caller)
    parts.clock.forward(MINUTE)
    await parts.scheduler.tick()
    const ended = await read(parts, id)
    assert.deepEqual([ended.job.pause, ended.position.failuresInRow], [null, 2])
    const head = await parts.engine.store.streamHead()
    assert.ok((await parts.commands.resumeJob({ id }, caller)).ok)
    const resumed = await read(parts, id)
    assert.deepEqual([resumed.position.failuresInRow, resumed.job.version], [0, ended.job.version])
    assert.equal(await parts.engine.store.streamHead(), head, 'of a job that is not paused nothing else changes')
    await run(parts, id, failed)
    assert.equal((await read(parts, id)).job.pause, null)
  })

  it('leave a pause that stands as it is', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({ policies: { pauseAfterFailures: 1 } })
    await parts.commands.pauseJob({ id, note: 'mine', until: NOON + MINUTE }, caller)
    await run(parts, id, failed)
    assert.equal((await read(parts, id)).job.pause?.note, 'mine')
  })
})

describe('the version that users see', () => {
  it('never rises with planning: fires, completion, the end of a pause, maintenance', async (t) => {
    const parts = await openParts(t)
    const id = await parts.create({ schedule: { interval: { every: MINUTE, maxRuns: 2 } }, policies: { overlap: 'ALLOW_ALL' } })
    await parts.commands.pauseJob({ id, note: 'n', until: NOON + 2 * MINUTE }, caller)
    await parts.commands.pauseScheduling({ note: 'm', until: NOON + 4 * MINUTE }, caller)
    for (let minute = 0; minute < 6; minute++) {
      parts.clock.forward(MINUTE)
      await parts.scheduler.tick()
    }
    const { job, position } = await read(parts, id)
    assert.deepEqual([job.version, position.completed, position.scheduledRuns], [2, true, 2])
    assert.deepEqual(problems(await parts.commands.pauseJob({ id, note: 'n' }, caller)), ['INVALID id'])
  })
})
