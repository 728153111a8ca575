import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { type TestContext, test } from 'node:test'
import type { JobFilter } from '../../src/domain/jobFilter.ts'
import type { Store } from '../../src/engine/store/store.ts'
import { encodeCursor, encodeLogCursor } from '../../src/stream/cursor.ts'
import { createJobStream, type JobEvent, type JobStreamDeps, type JobStreamQuery } from '../../src/stream/jobStream.ts'
import { createRunStream } from '../../src/stream/runStream.ts'
import { caller, keepingLog, openParts } from '../support/parts.ts'
import { EVERYTHING } from './changeStore.ts'
import { watchedBus } from './watchedBus.ts'

const ALL: JobStreamQuery = { filter: null, after: null, checkpoints: false }
const NO_FILTER: JobFilter = { state: null, search: null, tags: null, handler: null, lastRunStatus: null }

/** The stream over the real engine. Counts what is asked of the store and who listens. */
async function open(t: TestContext, { deaf = false, ...options }: Partial<JobStreamDeps> & { readonly deaf?: boolean } = {}) {
  const parts = await openParts(t)
  const { engine, clock, commands } = parts
  const { bus, listeners } = watchedBus(engine.bus, deaf)
  const asked = { pages: 0, jobs: 0, floor: 0 }
  const store: Store = {
    ...engine.store,
    jobChanges: (query) => {
      asked.pages++
      return engine.store.jobChanges(query)
    },
    job: (by) => {
      asked.jobs++
      return engine.store.job(by)
    },
    jobStreamFloor: async () => asked.floor,
  }
  const stream = createJobStream({ store, bus, log: keepingLog().log, now: clock.now, pollInterval: 60_000, ...options })
  const done = async (result: Promise<{ readonly ok: boolean }>) => assert.ok((await result).ok)
  return {
    ...parts,
    store,
    stream,
    listeners,
    asked,
    update: (id: string, change: object) => done(commands.updateJob({ id, ...change }, caller)),
    pause: (id: string) => done(commands.pauseJob({ id, note: 'n' }, caller)),
    remove: (id: string) => done(commands.deleteJob({ id }, caller)),
    head: async () => encodeCursor(engine.store.databaseId, await engine.store.streamHead()),
  }
}

async function take(events: AsyncIterator<JobEvent>, count: number): Promise<JobEvent[]> {
  const taken: JobEvent[] = []
  while (taken.length < count) {
    const { done, value } = await events.next()
    assert.equal(done, false)
    taken.push(value)
  }
  return taken
}

/** `UPDATED name`; in brackets where the filter does not let the job through any more; `-` for a checkpoint. */
function shown(events: readonly JobEvent[]): string[] {
  return events.map(({ change, job, matches }) => {
    if (change === null) return '-'
    const text = `${change} ${job?.job.name ?? '(gone)'}`
    return matches ? text : `[${text}]`
  })
}

test('a job is seen as it is created, changed, paused and deleted', async (t) => {
  const { stream, create, update, pause, remove } = await open(t)
  const events = stream.jobChanges(ALL)
  const created = take(events, 1)
  const id = await create({ name: 'a' })
  const [first] = await created
  assert.deepEqual([shown([first!]), first!.jobId], [['CREATED a'], id])
  await update(id, { name: 'b' })
  assert.deepEqual(shown(await take(events, 1)), ['UPDATED b'])
  await pause(id)
  const [paused] = await take(events, 1)
  assert.equal(paused!.job?.job.pause?.note, 'n')
  await remove(id)
  const [deleted] = await take(events, 1)
  assert.deepEqual([shown([deleted!]), deleted!.jobId], [['[DELETED (gone)]'], id])
  await events.return?.()
})

test('with `after` everything since is told in order, each job as it stands now, then what happens', async (t) => {
  const { stream, create, update, remove, head } = await open(t)
  await create({ name: 'before' })
  const after = await head()
  const [a, b] = [await create({ name: 'a' }), await create({ name: 'b' })]
  await update(a, { name: 'a2' })
  await remove(b)
  const events = stream.jobChanges({ ...ALL, after, checkpoints: true })
  assert.deepEqual(shown(await take(events, 5)), ['CREATED a2', '[CREATED (gone)]', 'UPDATED a2', '[DELETED (gone)]', '-'])
  const live = take(events, 1)
  await update(a, { name: 'a3' })
  assert.deepEqual(shown(await live), ['UPDATED a3'])
  await events.return?.()
})

test('a reader goes on from any cursor, also after hundreds of changes: none is lost, none comes twice', async (t) => {
  const { stream, create, update, head } = await open(t)
  const after = await head()
  const id = await create({ name: 'x0' })
  for (let i = 1; i < 350; i++) await update(id, { name: `x${i}` })
  let cursor = after
  const seen: string[] = []
  for (let part = 0; part < 7; part++) {
    const events = stream.jobChanges({ ...ALL, after: cursor })
    for (const event of await take(events, 50)) {
      cursor = event.cursor
      seen.push(cursor)
    }
    await events.return?.()
  }
  assert.equal(new Set(seen).size, 350)
  assert.equal(cursor, await head())
})

test('a cursor of this stream is good for the stream of runs, and the other way round', async (t) => {
  const { stream, engine, create, commands } = await open(t)
  const runs = createRunStream({ ...engine, log: keepingLog().log })
  const jobs = stream.jobChanges({ ...ALL, after: await runs.position() })
  const id = await create({ name: 'a' })
  const [created] = await take(jobs, 1)
  await commands.triggerJob({ id }, caller)
  const events = runs.jobRuns({ ...EVERYTHING, after: created!.cursor })
  const { value: queued } = await events.next()
  assert.equal(queued.run.status, 'QUEUED')
  await create({ name: 'b' })
  const later = stream.jobChanges({ ...ALL, after: queued.cursor })
  assert.deepEqual(shown(await take(later, 1)), ['CREATED b'])
  await Promise.all([jobs.return?.(), events.return?.(), later.return?.()])
})

test('a filter lets through what passes it now, what passed it before, and nothing else', async (t) => {
  const { stream, create, update, pause, remove, head } = await open(t)
  const after = await head()
  const red = await create({ name: 'red', tags: ['red'] })
  const blue = await create({ name: 'blue', tags: ['blue'] })
  const filters: readonly Partial<JobFilter>[] = [{ tags: ['red'] }, { state: ['ACTIVE'] }, { search: 'RED' }, { handler: 'log' }]
  const streams = filters.map((filter) => stream.jobChanges({ filter: { ...NO_FILTER, ...filter }, after, checkpoints: true }))
  const caughtUp = await Promise.all([take(streams[0]!, 2), take(streams[1]!, 3), take(streams[2]!, 2), take(streams[3]!, 3)])
  assert.deepEqual(caughtUp.map(shown), [
    ['CREATED red', '-'],
    ['CREATED red', 'CREATED blue', '-'],
    ['CREATED red', '-'],
    ['CREATED red', 'CREATED blue', '-'],
  ])
  const seen = streams.map((): string[] => [])
  const reading = streams.map(async (events, i) => {
    for await (const event of events) seen[i]!.push(...shown([event]))
  })
  const step = async (change: Promise<unknown>) => {
    const before = seen.map((each) => each.length)
    await change
    // Each change is seen by those with a handler or more, and read by all before the next.
    while (seen[3]!.length === before[3]) await turn()
    await turn()
  }
  await step(update(blue, { name: 'blue too' }))
  await step(update(red, { tags: [] }))
  await step(pause(red))
  await step(update(red, { name: 'rot' }))
  await step(update(blue, { tags: ['red'] }))
  await step(remove(blue))
  await step(remove(red))
  await Promise.all(streams.map((events) => events.return?.()))
  await Promise.all(reading)
  assert.deepEqual(seen[0], ['[UPDATED red]', 'UPDATED blue too', '[DELETED (gone)]'])
  assert.deepEqual(seen[1], ['UPDATED blue too', 'UPDATED red', '[UPDATED red]', 'UPDATED blue too', '[DELETED (gone)]'])
  assert.deepEqual(seen[2], ['UPDATED red', 'UPDATED red', '[UPDATED rot]'])
  assert.equal(seen[3]!.length, 7)
})

test('a deletion is told to a filter by what the job was, also when its rows are gone; what is not known keeps nothing back', async (t) => {
  const { stream, engine, create, remove, head } = await open(t)
  const after = await head()
  await remove(await create({ name: 'red', tags: ['red'] }))
  await remove(await create({ name: 'blue', tags: ['blue'] }))
  const read = async (filter: Partial<JobFilter>) => {
    const events = stream.jobChanges({ filter: { ...NO_FILTER, ...filter }, after, checkpoints: true })
    const seen: string[] = []
    for await (const event of events) {
      if (event.change === null) break
      seen.push(...shown([event]))
    }
    return seen
  }
  const [created, deleted] = ['[CREATED (gone)]', '[DELETED (gone)]']
  assert.deepEqual(await read({ tags: ['red'] }), [created, deleted])
  assert.deepEqual(await read({ lastRunStatus: ['FAILED'] }), [])
  while ((await engine.store.removeDeleted(1_000)) > 0) await turn()
  assert.deepEqual(await read({ tags: ['red'] }), [created, deleted, created])
  assert.deepEqual(await read({ lastRunStatus: ['FAILED'] }), [created, deleted, created, deleted])
})

test('checkpoints come when caught up and at every interval, and can be resumed from', async (t) => {
  const { stream, engine, create, commands } = await open(t, { pollInterval: 5, checkpointInterval: 20 })
  const id = await create({ name: 'a' })
  const events = stream.jobChanges({ ...ALL, after: encodeCursor(engine.store.databaseId, 0), checkpoints: true })
  assert.deepEqual(shown(await take(events, 3)), ['CREATED a', '-', '-'])
  await commands.triggerJob({ id }, caller)
  const head = await engine.store.streamHead()
  const isThere = ({ cursor }: JobEvent) => cursor === encodeCursor(engine.store.databaseId, head)
  let [event] = await take(events, 1)
  while (!isThere(event!)) [event] = await take(events, 1)
  await events.return?.()
  const resumed = stream.jobChanges({ ...ALL, after: event!.cursor })
  await create({ name: 'b' })
  assert.deepEqual(shown(await take(resumed, 1)), ['CREATED b'])
  await resumed.return?.()
})

test('a change that no hint told of is found by the poll', async (t) => {
  const { stream, create } = await open(t, { deaf: true, pollInterval: 5 })
  const events = stream.jobChanges(ALL)
  const next = take(events, 1)
  await turn()
  await create({ name: 'a' })
  assert.deepEqual(shown(await next), ['CREATED a'])
  await events.return?.()
})

test('a cursor that cannot be resumed from rejects the first pull, and leaves nothing behind', async (t) => {
  const { stream, engine, asked, create } = await open(t)
  await create({ name: 'a' })
  const { databaseId } = engine.store
  const head = await engine.store.streamHead()
  const refuses = async (after: string, expected: object) => {
    const events = stream.jobChanges({ ...ALL, after })
    await assert.rejects(events.next(), expected)
    assert.equal((await events.next()).done, true)
  }
  await refuses('nonsense', { code: 'CURSOR_INVALID' })
  await refuses(encodeCursor('elsewhere', 1), { code: 'CURSOR_INVALID' })
  await refuses(encodeCursor(databaseId, head + 1), { code: 'CURSOR_INVALID' })
  await refuses(encodeLogCursor(databaseId, 'run_1', 1), { code: 'CURSOR_INVALID' })
  asked.floor = head
  await refuses(encodeCursor(databaseId, head - 1), { code: 'CURSOR_EXPIRED', oldest: encodeCursor(databaseId, head) })
  assert.equal(stream.readers, 0)
})

test('a reader that is behind what is kept is told so, not led past what it missed', async (t) => {
  const { stream, asked, create, update, engine } = await open(t)
  const events = stream.jobChanges({ ...ALL, checkpoints: true })
  await take(events, 1)
  const id = await create({ name: 'a' })
  await take(events, 1)
  await update(id, { description: 'one' })
  await update(id, { description: 'two' })
  const head = await engine.store.streamHead()
  asked.floor = head
  await assert.rejects(events.next(), { code: 'CURSOR_EXPIRED', oldest: encodeCursor(engine.store.databaseId, head) })
  assert.equal(stream.readers, 0)
})

test('a thousand readers that come and go leave no listener, whenever they go', async (t) => {
  const { stream, engine, listeners, create } = await open(t)
  await create({ name: 'a' })
  const after = encodeCursor(engine.store.databaseId, 0)
  const firsts: Promise<unknown>[] = []
  for (let round = 0; round < 1_000; round++) {
    const events = stream.jobChanges({ ...ALL, after: round % 3 === 0 ? after : null, checkpoints: round % 2 === 0 })
    const first = round % 5 > 0 ? events.next() : null
    if (first !== null) firsts.push(first)
    if (round % 5 === 4 && (round % 3 === 0 || round % 2 === 0)) await first
    await events.return?.()
    assert.deepEqual(await events.next(), { done: true, value: undefined })
  }
  // Those who left are answered all the same, when what was asked for them has come.
  await Promise.all(firsts)
  await turn()
  assert.deepEqual([stream.readers, listeners.size], [0, 0])
})

test('readers share their looks, and runs cost them none', async (t) => {
  const { stream, asked, create, commands, clock, engine } = await open(t)
  const id = await create({ name: 'a' })
  const all = Array.from({ length: 300 }, () => stream.jobChanges({ ...ALL, checkpoints: true }))
  await Promise.all(all.map((events) => take(events, 1)))
  const firsts = all.map((events) => take(events, 1))
  await turn()
  await create({ name: 'b' })
  await Promise.all(firsts)
  const next = all.map((events) => take(events, 1))
  await turn()
  const { pages, jobs } = asked
  await commands.triggerJob({ id }, caller)
  await engine.store.beginReady({ instanceId: 'ins_test', now: clock.now(), leaseUntil: clock.now() + 30_000, handlers: null }, 10)
  await turn()
  assert.ok(asked.pages - pages <= 2 && asked.jobs - jobs <= 1, `${asked.pages - pages} pages, ${asked.jobs - jobs} jobs`)
  await create({ name: 'c' })
  await Promise.all(next)
  assert.ok(asked.pages - pages <= 6 && asked.jobs - jobs <= 4, `${asked.pages - pages} pages, ${asked.jobs - jobs} jobs`)
  await Promise.all(all.map((events) => events.return?.()))
})
