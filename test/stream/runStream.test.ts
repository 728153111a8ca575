import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Store } from '../../src/engine/store/store.ts'
import { encodeCursor } from '../../src/stream/cursor.ts'
import { StreamError } from '../../src/stream/errors.ts'
import { Hub, type Listener } from '../../src/stream/hub.ts'
import { at, ChangeStore, EVERYTHING, settled, streamOf, take } from './changeStore.ts'

test('without `after` it starts with what happens after the call, also before the first pull', async () => {
  const store = new ChangeStore()
  store.commit([{ id: 'old' }])
  const events = streamOf(store).jobRuns(EVERYTHING)
  store.commit([{ id: 'new' }])
  assert.deepEqual(await take(events, 1), ['new:QUEUED@2'])
  await events.return?.()
})

test('with `after` it yields the latest state of each run changed since, then goes on live', async () => {
  const store = new ChangeStore()
  store.commit([{ id: 'a' }, { id: 'b' }, { id: 'c' }, { id: 'a', status: 'RUNNING' }])
  const events = streamOf(store).jobRuns({ ...EVERYTHING, after: at(1) })
  assert.deepEqual(await take(events, 3), ['b:QUEUED@2', 'c:QUEUED@3', 'a:RUNNING@4'])
  const live = take(events, 1)
  store.commit([{ id: 'b', status: 'SUCCEEDED' }])
  assert.deepEqual(await live, ['b:SUCCEEDED@5'])
  await events.return?.()
})

test('a change that no hint told of is found by the poll', async () => {
  const store = new ChangeStore()
  const events = streamOf(store, { pollInterval: 5 }).jobRuns(EVERYTHING)
  const next = take(events, 1)
  store.commit([{ id: 'a' }], { hint: false })
  assert.deepEqual(await next, ['a:QUEUED@1'])
  await events.return?.()
})

test('unread states of a run collapse to its latest, and a run keeps its place by its newest change', async () => {
  const store = new ChangeStore()
  const events = streamOf(store, { limits: { checkpointInterval: 1e9 } }).jobRuns({ ...EVERYTHING, checkpoints: true })
  assert.deepEqual(await take(events, 1), ['-@0'])
  await settled()
  store.commit([{ id: 'a' }, { id: 'b' }])
  await settled()
  store.commit([{ id: 'a', status: 'RUNNING' }])
  await settled()
  store.commit([{ id: 'a', status: 'SUCCEEDED' }])
  await settled()
  assert.deepEqual(await take(events, 2), ['b:QUEUED@2', 'a:SUCCEEDED@4'])
  await events.return?.()
})

test('filters: jobs, triggers, tags (all of them) and final states only, in the backlog and live alike', async () => {
  const store = new ChangeStore()
  store.jobTags.set('job_1', ['x', 'y']).set('job_2', ['x'])
  const make = (suffix: string): void =>
    store.commit([
      { id: `one${suffix}`, jobId: 'job_1' },
      { id: `two${suffix}`, jobId: 'job_2' },
      { id: `manual${suffix}`, jobId: 'job_2', trigger: 'MANUAL' },
      { id: `ended${suffix}`, jobId: 'job_3', status: 'FAILED' },
    ])
  make('Old')
  const stream = streamOf(store)
  const filters = [
    { filter: { jobIds: ['job_1', 'job_3'] }, wanted: ['one', 'ended'] },
    { filter: { jobIds: [] }, wanted: [] },
    { filter: { trigger: ['MANUAL' as const] }, wanted: ['manual'] },
    { filter: { tags: ['x'] }, wanted: ['one', 'two', 'manual'] },
    { filter: { tags: ['y', 'x'] }, wanted: ['one'] },
    { filter: { tags: [] }, wanted: ['one', 'two', 'manual', 'ended'] },
    { filter: { finalOnly: true }, wanted: ['ended'] },
    { filter: { tags: ['x'], jobIds: ['job_2'], trigger: ['SCHEDULE' as const] }, wanted: ['two'] },
  ]
  const all = filters.map(({ filter }) => stream.jobRuns({ ...EVERYTHING, ...filter, after: at(0), checkpoints: true }))
  const backlogs = await Promise.all(all.map((events, index) => take(events, (filters[index]?.wanted.length ?? 0) + 1)))
  make('New')
  const live = await Promise.all(all.map((events, index) => take(events, filters[index]?.wanted.length ?? 0)))
  for (const [index, { filter, wanted }] of filters.entries()) {
    const names = (seen: string[] | undefined): string[] => (seen ?? []).map((event) => event.split(':')[0] ?? '')
    assert.deepEqual(names(backlogs[index]), [...wanted.map((name) => `${name}Old`), '-@4'], JSON.stringify(filter))
    assert.deepEqual(
      names(live[index]),
      wanted.map((name) => `${name}New`),
      JSON.stringify(filter),
    )
  }
  await Promise.all(all.map((events) => events.return?.()))
})

test("a change of a job's tags counts at once", async () => {
  const store = new ChangeStore()
  store.jobTags.set('job_1', ['old'])
  const events = streamOf(store).jobRuns({ ...EVERYTHING, tags: ['new'], checkpoints: true })
  await take(events, 1)
  store.commit([{ id: 'before' }])
  // Seen by nobody; waits until the hub has read it.
  while (store.reads === 0) await new Promise(setImmediate)
  store.jobTags.set('job_1', ['new'])
  store.commit([{ id: 'after' }])
  assert.deepEqual(await take(events, 1), ['after:QUEUED@2'])
  await events.return?.()
})

test('checkpoints come when caught up and at every interval, and can be resumed from', async () => {
  const store = new ChangeStore()
  store.commit([{ id: 'a' }, { id: 'b', jobId: 'job_2' }])
  const stream = streamOf(store, { pollInterval: 5, limits: { checkpointInterval: 20 } })
  const events = stream.jobRuns({ ...EVERYTHING, jobIds: ['job_1'], after: at(0), checkpoints: true })
  assert.deepEqual(await take(events, 3), ['a:QUEUED@1', '-@2', '-@2'])
  store.commit([{ id: 'c', jobId: 'job_2' }])
  const later = await events.next()
  assert.equal(later.value?.run, null)
  await events.return?.()
  const resumed = stream.jobRuns({ ...EVERYTHING, jobIds: ['job_1'], after: later.value?.cursor ?? '' })
  const next = take(resumed, 1)
  store.commit([{ id: 'd' }])
  assert.deepEqual(await next, ['d:QUEUED@4'])
  await resumed.return?.()
})

test('a cursor that cannot be resumed from rejects the first pull, and leaves nothing behind', async () => {
  const store = new ChangeStore()
  store.commit([{ id: 'a' }, { id: 'b' }, { id: 'c' }])
  store.floor = 2
  const stream = streamOf(store)
  const refusal = async (after: string): Promise<StreamError> => {
    const events = stream.jobRuns({ ...EVERYTHING, after })
    const error = await events.next().then(
      () => assert.fail('the cursor was taken'),
      (cause: unknown) => cause,
    )
    assert.ok(error instanceof StreamError)
    assert.deepEqual(await events.next(), { done: true, value: undefined })
    return error
  }
  assert.equal((await refusal('nonsense')).code, 'CURSOR_INVALID')
  assert.equal((await refusal(encodeCursor('db_other', 1))).code, 'CURSOR_INVALID')
  assert.equal((await refusal(at(4))).code, 'CURSOR_INVALID')
  const expired = await refusal(at(1))
  assert.equal(expired.code, 'CURSOR_EXPIRED')
  assert.equal(expired.oldest, at(2))
  assert.deepEqual(await take(stream.jobRuns({ ...EVERYTHING, after: expired.oldest }), 1), ['c:QUEUED@3'])
})

test('a reader that is behind what is kept is told so, not led past what it missed; one that missed nothing goes on', async () => {
  const store = new ChangeStore()
  const stream = streamOf(store, { limits: { pending: 5 } })
  const [slow, idle] = [
    stream.jobRuns({ ...EVERYTHING, checkpoints: true }),
    stream.jobRuns({ ...EVERYTHING, jobIds: ['job_2'], checkpoints: true }),
  ]
  await Promise.all([take(slow, 1), take(idle, 1)])
  for (let index = 0; index < 10; index++) store.commit([{ id: `run_${index}` }])
  await settled()
  store.floor = 8
  // It has been told nothing for long, but nothing was for it; then more comes at once than it may hold.
  store.commit(Array.from({ length: 7 }, (_, index) => ({ id: `other_${index}`, jobId: 'job_2' })))
  await settled()
  await assert.rejects(async () => slow.next(), { code: 'CURSOR_EXPIRED', oldest: at(8) })
  assert.deepEqual(await take(idle, 1), ['other_0:QUEUED@b'])
  await idle.return?.()
  assert.equal(stream.readers, 0)
})

test('a start of the hub that is answered late does not lead past what a later start has to tell', async () => {
  const store = new ChangeStore()
  store.lateHeads = true
  const hub = new Hub(store as unknown as Store, store.bus, { error: () => {} }, 60_000)
  const seen: string[] = []
  const listener = (): Listener => ({ jobIds: null, wantsTags: false, offer: ({ id }) => seen.push(id), tick() {} })
  const late = Promise.withResolvers<void>()
  store.delay = () => late.promise
  const left = listener()
  const started = hub.add(left)
  hub.remove(left)
  store.delay = () => Promise.resolve()
  const stays = listener()
  await hub.add(stays)
  await settled()
  store.commit([{ id: 'a' }], { hint: false })
  late.resolve()
  await started
  store.commit([{ id: 'b' }])
  await settled()
  assert.deepEqual(seen, ['a', 'b'])
  hub.remove(stays)
})

test('a cursor newer than what the hub has read so far gets nothing twice', async () => {
  const store = new ChangeStore()
  const stream = streamOf(store)
  const first = stream.jobRuns({ ...EVERYTHING, checkpoints: true })
  await take(first, 1)
  // The hub does not know of these yet: no hint came.
  store.commit(
    [
      { id: 'a', status: 'SUCCEEDED' },
      { id: 'b', status: 'SUCCEEDED' },
    ],
    { hint: false },
  )
  const second = stream.jobRuns({ ...EVERYTHING, after: await stream.position() })
  const next = take(second, 1)
  await settled()
  store.commit([{ id: 'c' }])
  assert.deepEqual(await next, ['c:QUEUED@3'])
  await Promise.all([first.return?.(), second.return?.()])
})

test('a thousand readers that come and go leave no listener, whenever they go', async () => {
  const store = new ChangeStore()
  const stream = streamOf(store, { pollInterval: 5 })
  for (let round = 0; round < 1_000; round++) {
    const events = stream.jobRuns({ ...EVERYTHING, after: round % 3 === 0 ? at(0) : null, checkpoints: round % 2 === 0 })
    const first = round % 5 > 0 ? events.next() : null
    if (round % 5 > 2) store.commit([{ id: `run_${round}` }])
    if (round % 5 === 4) await first
    await events.return?.()
    assert.deepEqual(await events.next(), { done: true, value: undefined })
  }
  await new Promise(setImmediate)
  assert.equal(stream.readers, 0)
  assert.equal(store.listeners.size, 0)
})

test('`return` ends a pull that waits', async () => {
  const store = new ChangeStore()
  const stream = streamOf(store)
  const events = stream.jobRuns(EVERYTHING)
  const waiting = events.next()
  await new Promise(setImmediate)
  await events.return?.()
  assert.deepEqual(await waiting, { done: true, value: undefined })
  assert.equal(stream.readers, 0)
})

test('a database that is away fails the readers that need it, and the stream heals by itself', async () => {
  const store = new ChangeStore()
  const logged: string[] = []
  const stream = streamOf(store, { pollInterval: 5, log: { error: (_, message) => logged.push(message) } })
  const events = stream.jobRuns({ ...EVERYTHING, checkpoints: true })
  await take(events, 1)
  store.failure = new Error('away')
  store.commit([{ id: 'a' }])
  await assert.rejects(stream.jobRuns({ ...EVERYTHING, after: at(0) }).next(), /away/)
  while (logged.length === 0) await new Promise(setImmediate)
  store.failure = null
  assert.deepEqual(await take(events, 1), ['a:QUEUED@1'])
  await events.return?.()
  assert.equal(stream.readers, 0)
})

test('a reader that is not read from holds a bounded number of changes, however few bytes or many; the rest it reads from the store', async () => {
  for (const { runs, payload, fromStore } of [
    { runs: 900, payload: null, fromStore: false },
    { runs: 5_000, payload: null, fromStore: true },
    { runs: 100, payload: 'x'.repeat(60_000), fromStore: true },
  ]) {
    const store = new ChangeStore()
    const events = streamOf(store).jobRuns({ ...EVERYTHING, checkpoints: true })
    await take(events, 1)
    store.commit(Array.from({ length: runs }, (_, index) => ({ id: `run_${index}`, payload })))
    while (store.reads < Math.ceil(runs / 250)) await settled()
    await settled()
    const before = store.reads
    assert.deepEqual(await take(events, 2), ['run_0:QUEUED@1', 'run_1:QUEUED@2'])
    assert.equal(store.reads > before, fromStore)
    assert.equal((await take(events, runs - 2)).length, runs - 2)
    await events.return?.()
  }
})

test('one reading of the store serves all readers', async () => {
  const store = new ChangeStore()
  const stream = streamOf(store)
  const all = Array.from({ length: 500 }, () => stream.jobRuns(EVERYTHING))
  const firsts = all.map((events) => take(events, 20))
  await settled()
  const before = store.reads
  store.commit(Array.from({ length: 20 }, (_, index) => ({ id: `run_${index}` })))
  await Promise.all(firsts)
  assert.equal(store.reads - before, 1)
  await Promise.all(all.map((events) => events.return?.()))
})
