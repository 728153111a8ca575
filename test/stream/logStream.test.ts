import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { type TestContext, test } from 'node:test'
import type { Outcome } from '../../src/domain/run.ts'
import type { Store } from '../../src/engine/store/store.ts'
import { encodeCursor, encodeLogCursor } from '../../src/stream/cursor.ts'
import { StreamError } from '../../src/stream/errors.ts'
import { Hub } from '../../src/stream/hub.ts'
import { createLogStream, type LogEvent } from '../../src/stream/logStream.ts'
import { createRunStream } from '../../src/stream/runStream.ts'
import { caller, keepingLog, NOON, openParts } from '../support/parts.ts'
import { EVERYTHING } from './changeStore.ts'
import { watchedBus } from './watchedBus.ts'

const SUCCEEDED: Outcome = { kind: 'SUCCEEDED', output: null }
const FAILED: Outcome = {
  kind: 'FAILED',
  error: { code: 'BROKEN', message: 'It broke.', stack: null, retryable: true },
  output: null,
  retryAfter: null,
}

interface Options {
  /** Between two polls; seldom unless given, so that a test depends on hints. */
  readonly pollInterval?: number
  /** A bus that loses every hint. */
  readonly deaf?: boolean
}

/** A run under way, its log, and streams over the real engine. Counts what is asked of the store and who listens. */
async function open(t: TestContext, { pollInterval = 60_000, deaf = false }: Options = {}) {
  const parts = await openParts(t)
  const { engine, clock, commands, create } = parts
  const { bus, listeners } = watchedBus(engine.bus, deaf)
  let looks = 0
  const store: Store = {
    ...engine.store,
    logLines: (query) => {
      looks++
      return engine.store.logLines(query)
    },
  }
  const hub = new Hub(store, bus, keepingLog().log, pollInterval)
  const stream = createLogStream({ store, bus, hub })
  const begin = async () => {
    const [attempt] = await engine.store.beginReady(
      { instanceId: 'ins_test', now: clock.now(), leaseUntil: clock.now() + 30_000, handlers: null },
      1,
    )
    return attempt!
  }
  const start = async () => {
    await commands.triggerJob({ id: await create({ name: `job ${Math.random()}` }) }, caller)
    return (await begin()).runId
  }
  const write = (runId: string, messages: readonly string[], attempt = 1) =>
    engine.store.appendLogs(messages.map((message) => ({ runId, attempt, at: NOON, level: 'INFO', message, fields: null })))
  const settle = (runId: string, outcome: Outcome, attempt = 1) =>
    engine.store.settle([{ runId, attempt, outcome, now: clock.now(), random: 0 }])
  return { ...parts, store, hub, stream, listeners, begin, start, write, settle, looks: () => looks }
}

async function take(events: AsyncIterator<LogEvent>, count: number): Promise<LogEvent[]> {
  const taken: LogEvent[] = []
  while (taken.length < count) {
    const { done, value } = await events.next()
    assert.equal(done, false)
    taken.push(value)
  }
  return taken
}

const messages = (events: readonly LogEvent[]) => events.map(({ line }) => line.message)
const numbered = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => `${from + i}`)

test('the lines so far are told, then those that come, and it is done when the run has ended', async (t) => {
  const { stream, start, write, settle } = await open(t)
  const run = await start()
  await write(run, numbered(1, 3))
  const events = stream.runLogs({ runId: run, after: null })
  assert.deepEqual(messages(await take(events, 3)), ['1', '2', '3'])
  const live = take(events, 2)
  await turn()
  await write(run, ['4'])
  await write(run, ['5'])
  assert.deepEqual(messages(await live), ['4', '5'])
  const end = events.next()
  await turn()
  await settle(run, SUCCEEDED)
  assert.deepEqual(await end, { done: true, value: undefined })
  assert.equal(stream.readers, 0)
})

test('the log of a run that has ended is told from its beginning to its end, however long', async (t) => {
  const { stream, start, write, settle } = await open(t)
  const run = await start()
  await write(run, numbered(1, 2_000))
  await settle(run, SUCCEEDED)
  const seen: string[] = []
  for await (const { line } of stream.runLogs({ runId: run, after: null })) seen.push(line.message)
  assert.deepEqual(seen, numbered(1, 2_000))
})

test('a reader goes on from any cursor: no line is lost, none comes twice', async (t) => {
  const { stream, start, write, settle } = await open(t)
  const run = await start()
  await write(run, numbered(1, 4))
  const first = stream.runLogs({ runId: run, after: null })
  const seen = await take(first, 2)
  await first.return?.()
  await write(run, numbered(5, 6))
  const second = stream.runLogs({ runId: run, after: seen[1]!.cursor })
  assert.deepEqual(messages(await take(second, 4)), ['3', '4', '5', '6'])
  await settle(run, SUCCEEDED)
  assert.equal((await second.next()).done, true)
})

test('a run that is retried goes on in the same log, with the number of the attempt', async (t) => {
  const { stream, clock, start, begin, write, settle } = await open(t)
  const run = await start()
  await write(run, ['one'])
  const events = stream.runLogs({ runId: run, after: null })
  await take(events, 1)
  const next = take(events, 1)
  await settle(run, FAILED)
  clock.forward(60_000)
  const { attempt } = await begin()
  assert.equal(attempt, 2)
  await write(run, ['two'], 2)
  const [event] = await next
  assert.deepEqual([event!.line.seq, event!.line.attempt, event!.line.message], [2, 2, 'two'])
  await events.return?.()
})

test('new lines and the end of a run are found without any hint', async (t) => {
  const { stream, start, write, settle } = await open(t, { deaf: true, pollInterval: 5 })
  const run = await start()
  const events = stream.runLogs({ runId: run, after: null })
  const first = take(events, 1)
  await turn()
  await write(run, ['1'])
  assert.deepEqual(messages(await first), ['1'])
  const end = events.next()
  await settle(run, SUCCEEDED)
  assert.equal((await end).done, true)
})

test('a log that is cut while it is read: numbers rise strictly, and the newest line is told', async (t) => {
  const { stream, start, write, settle } = await open(t)
  const run = await start()
  const filler = 'x'.repeat(10_000)
  const seen: LogEvent[] = []
  const reading = (async () => {
    for await (const event of stream.runLogs({ runId: run, after: null })) {
      seen.push(event)
      // Slower than it is written, so that lines before the reader are cut, and lines behind it.
      await turn()
    }
  })()
  for (let from = 1; from <= 2_000; from += 50)
    await write(
      run,
      numbered(from, from + 49).map((number) => `${number} ${filler}`),
    )
  await settle(run, SUCCEEDED)
  await reading
  const seqs = seen.map(({ line }) => line.seq)
  assert.ok(seqs.every((seq, i) => i === 0 || seq > seqs[i - 1]!))
  assert.equal(seqs.at(-1), 2_000)
  const own = seen.filter(({ line }) => line.level === 'INFO')
  assert.deepEqual(
    own.map(({ line }) => Number.parseInt(line.message, 10)),
    own.map(({ line }) => line.seq),
  )
})

test('a run that is removed ends its stream', async (t) => {
  const { stream, engine, commands, start, write, settle } = await open(t, { pollInterval: 5 })
  const run = await start()
  await write(run, ['1'])
  const events = stream.runLogs({ runId: run, after: null })
  await take(events, 1)
  const end = events.next()
  const { jobId } = (await engine.store.run(run))!
  await settle(run, FAILED)
  await commands.deleteJob({ id: jobId }, caller)
  await engine.store.removeDeleted(1_000)
  assert.equal((await end).done, true)
})

test('an unknown run, and cursors of other places, are refused with the first pull', async (t) => {
  const { stream, hub, engine, start, write } = await open(t)
  const [run, other] = [await start(), await start()]
  await write(run, ['1'])
  await write(other, ['1', '2'])
  const { databaseId } = engine.store
  const refusal = async (runId: string, after: string | null) => {
    const events = stream.runLogs({ runId, after })
    const error: unknown = await events.next().catch((cause: unknown) => cause)
    assert.ok(error instanceof StreamError, 'it was taken')
    assert.equal((await events.next()).done, true)
    return error.code
  }
  assert.equal(await refusal('run_none', null), 'NOT_FOUND')
  assert.equal(await refusal(run, encodeLogCursor(databaseId, other, 1)), 'CURSOR_INVALID')
  assert.equal(await refusal(run, encodeLogCursor('elsewhere', run, 1)), 'CURSOR_INVALID')
  assert.equal(await refusal(run, encodeLogCursor(databaseId, run, 2)), 'CURSOR_INVALID', 'ahead of the log')
  assert.equal(await refusal(run, encodeCursor(databaseId, 1)), 'CURSOR_INVALID', 'of the stream of changes')
  assert.equal(await refusal(run, 'nonsense'), 'CURSOR_INVALID')
  const changes = createRunStream({ ...engine, log: keepingLog().log, hub })
  await assert.rejects(changes.jobRuns({ ...EVERYTHING, after: encodeLogCursor(databaseId, run, 1) }).next(), { code: 'CURSOR_INVALID' })
  assert.equal(stream.readers, 0)
})

test('a thousand readers that come and go leave no listener, whenever they go', async (t) => {
  const { stream, hub, listeners, start, write } = await open(t)
  const run = await start()
  await write(run, ['1'])
  const firsts: Promise<unknown>[] = []
  for (let round = 0; round < 1_000; round++) {
    const events = stream.runLogs({ runId: run, after: null })
    const first = round % 4 > 0 ? events.next() : null
    if (first !== null) firsts.push(first)
    if (round % 4 > 1) await first
    const waiting = round % 4 === 3 ? events.next() : null
    await events.return?.()
    assert.deepEqual(await events.next(), { done: true, value: undefined })
    if (waiting !== null) assert.equal((await waiting).done, true)
  }
  // Those who left are answered all the same, when what was asked for them has come.
  await Promise.all(firsts)
  await turn()
  assert.deepEqual([stream.readers, hub.size, listeners.size], [0, 0, 0])
})

test('readers of one run share one look at the store', async (t) => {
  const { stream, start, write, looks } = await open(t)
  const run = await start()
  const all = Array.from({ length: 500 }, () => stream.runLogs({ runId: run, after: null }))
  const firsts = all.map((events) => take(events, 1))
  while (stream.readers < 500) await turn()
  await turn()
  const before = looks()
  await write(run, ['1'])
  await Promise.all(firsts)
  assert.ok(looks() - before <= 2, `${looks() - before} looks`)
  await Promise.all(all.map((events) => events.return?.()))
})

test('a reader that is not read from asks for no second page', async (t) => {
  const { stream, start, write, looks } = await open(t)
  const run = await start()
  await write(run, numbered(1, 5_000))
  const events = stream.runLogs({ runId: run, after: null })
  await take(events, 1)
  const before = looks()
  for (let i = 0; i < 20; i++) await write(run, ['more'])
  await turn()
  assert.equal(looks(), before)
  await events.return?.()
})
