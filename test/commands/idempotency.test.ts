import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { CommandResult } from '../../src/commands/inputs.ts'
import { caller, openParts } from '../support/parts.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const DAY = 24 * 3_600_000

function problems(result: CommandResult<unknown>): string[] {
  return result.ok ? [] : result.errors.map((error) => `${error.code} ${error.path.join('.')}`)
}

describe('an idempotency key', () => {
  it('is known after a restart', async (t) => {
    const directory = temporaryDirectory()
    const before = await openParts(t, { directory })
    const id = await before.create({})
    const first = await before.commands.triggerJob({ id, idempotencyKey: 'k' }, caller)
    await before.engine.close()
    const { commands } = await openParts(t, { directory, clock: before.clock })
    assert.ok(first.ok)
    assert.deepEqual(await commands.triggerJob({ id, idempotencyKey: 'k' }, caller), {
      ok: true,
      value: { runId: first.value.runId, replayed: true },
    })
    assert.deepEqual(problems(await commands.triggerJob({ id, payload: 1, idempotencyKey: 'k' }, caller)), [
      'IDEMPOTENCY_MISMATCH idempotencyKey',
    ])
  })

  it('of a refused call is free, and answers while another run keeps the job from more', async (t) => {
    const { commands, create } = await openParts(t)
    const id = await create({})
    const call = (key: string, payload?: unknown) => commands.triggerJob({ id, payload, idempotencyKey: key }, caller)
    const first = await call('a')
    assert.ok(first.ok)
    assert.deepEqual(problems(await call('b', 1)), ['OVERLAP overlap'])
    const replayed = await call('a')
    assert.deepEqual(replayed, { ok: true, value: { runId: first.value.runId, replayed: true } })
    await commands.cancelRun({ id: first.value.runId }, caller)
    assert.deepEqual(problems(await call('b', 2)), [], 'another input than the refused one')
  })

  it('is one to a job, whether it was used to trigger or to repeat', async (t) => {
    const { commands, create } = await openParts(t)
    const policies = { overlap: 'ALLOW_ALL' as const }
    const [one, other] = [await create({ policies }), await create({ name: 'other', policies })]
    const first = await commands.triggerJob({ id: one, idempotencyKey: 'k' }, caller)
    assert.ok(first.ok)
    assert.ok((await commands.triggerJob({ id: other, idempotencyKey: 'k' }, caller)).ok)
    assert.deepEqual(problems(await commands.rerun({ id: first.value.runId, idempotencyKey: 'k' }, caller)), [
      'IDEMPOTENCY_MISMATCH idempotencyKey',
    ])
    const rerun = await commands.rerun({ id: first.value.runId, idempotencyKey: 'r' }, caller)
    assert.deepEqual(await commands.rerun({ id: first.value.runId, idempotencyKey: 'r' }, caller), rerun)
  })

  it('tells a payload left out from null, and holds up to a day less a moment', async (t) => {
    const { commands, create, clock } = await openParts(t)
    const id = await create({ payload: 1, policies: { overlap: 'ALLOW_ALL' } })
    const first = await commands.triggerJob({ id, idempotencyKey: 'k' }, caller)
    assert.deepEqual(problems(await commands.triggerJob({ id, payload: null, idempotencyKey: 'k' }, caller)), [
      'IDEMPOTENCY_MISMATCH idempotencyKey',
    ])
    clock.forward(DAY - 1)
    const again = await commands.triggerJob({ id, idempotencyKey: 'k' }, caller)
    assert.ok(first.ok && again.ok)
    assert.equal(again.value.runId, first.value.runId)
    clock.forward(1)
    const later = await commands.triggerJob({ id, idempotencyKey: 'k' }, caller)
    assert.ok(later.ok && later.value.runId !== first.value.runId)
  })
})

describe('a run whose job was deleted', () => {
  it('can neither be repeated nor cancelled nor tried again', async (t) => {
    const { commands, create } = await openParts(t)
    const id = await create({})
    const run = await commands.triggerJob({ id }, caller)
    assert.ok(run.ok)
    await commands.deleteJob({ id }, caller)
    for (const command of [commands.rerun, commands.cancelRun, commands.retryRunNow])
      assert.deepEqual(problems(await command({ id: run.value.runId }, caller)), ['NOT_FOUND id'])
  })
})
