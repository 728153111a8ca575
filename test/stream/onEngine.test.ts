import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRunStream, type RunEvent } from '../../src/stream/runStream.ts'
import { caller, keepingLog, openParts } from '../support/parts.ts'
import { EVERYTHING } from './changeStore.ts'

// The stream over the real engine: what the port promises is what the stream needs.

async function take(events: AsyncIterator<RunEvent>, count: number): Promise<string[]> {
  const seen: string[] = []
  while (seen.length < count) {
    const { value } = await events.next()
    seen.push(value.run === null ? 'checkpoint' : value.run.status)
  }
  return seen
}

test('what happens while nobody listens is told after a resume, then what happens next; across a new hub too', async (t) => {
  const { engine, commands, create } = await openParts(t)
  const stream = createRunStream({ ...engine, log: keepingLog().log, pollInterval: 60_000 })
  const id = await create({ policies: { overlap: 'ALLOW_ALL' } })
  const start = await stream.position()
  const trigger = async (): Promise<string> => {
    const result = await commands.triggerJob({ id }, caller)
    assert.ok(result.ok)
    return result.value.runId
  }
  const first = await trigger()
  const second = await trigger()
  await commands.cancelRun({ id: first }, caller)

  const events = stream.jobRuns({ ...EVERYTHING, after: start, checkpoints: true })
  const backlog = [(await events.next()).value, (await events.next()).value]
  assert.deepEqual(
    backlog.map(({ run }) => [run?.id, run?.status]),
    [
      [second, 'QUEUED'],
      [first, 'CANCELLED'],
    ],
  )
  assert.deepEqual(await take(events, 1), ['checkpoint'])
  const live = take(events, 1)
  await commands.cancelRun({ id: second }, caller)
  assert.deepEqual(await live, ['CANCELLED'])
  await events.return?.()

  const elsewhere = createRunStream({ ...engine, log: keepingLog().log })
  const resumed = elsewhere.jobRuns({ ...EVERYTHING, after: backlog[0].cursor, finalOnly: true, checkpoints: true })
  assert.deepEqual(await take(resumed, 3), ['CANCELLED', 'CANCELLED', 'checkpoint'])
  await resumed.return?.()
  assert.deepEqual([stream.readers, elsewhere.readers], [0, 0])
})

test('a reader by tags sees the runs of a job end with the deletion of the job', async (t) => {
  const { engine, commands, create } = await openParts(t)
  const stream = createRunStream({ ...engine, log: keepingLog().log, pollInterval: 60_000 })
  const id = await create({ tags: ['x', 'y'] })
  await commands.triggerJob({ id }, caller)
  const events = stream.jobRuns({ ...EVERYTHING, tags: ['y'], checkpoints: true })
  const missed = stream.jobRuns({ ...EVERYTHING, tags: ['x'], after: await stream.position() })
  assert.deepEqual(await take(events, 1), ['checkpoint'])
  await commands.deleteJob({ id }, caller)
  assert.deepEqual(await take(events, 1), ['CANCELLED'])
  assert.deepEqual(await take(missed, 1), ['CANCELLED'])
  await Promise.all([events.return?.(), missed.return?.()])
})
