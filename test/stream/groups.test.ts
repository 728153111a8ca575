import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeCursor } from '../../src/stream/cursor.ts'
import { ChangeStore, EVERYTHING, streamOf } from './changeStore.ts'
import { checkTold, FakeSink, Office, turns } from './members.ts'

const at = (position: number): string => encodeCursor('db_test', position)

function open(options: Parameters<typeof streamOf>[1] = {}) {
  const store = new ChangeStore()
  const stream = streamOf(store, options)
  return { store, stream, office: new Office(stream) }
}

test('an event is executed once for all equal subscriptions, and each gets it', async () => {
  const { store, stream, office } = open()
  const members = Array.from({ length: 1_200 }, () => office.join(EVERYTHING))
  for (const { life } of members) void life.next()
  await turns(5)
  for (let change = 0; change < 20; change++) {
    store.commit([{ id: `run_${change}` }])
    await Promise.all(members.map(({ sink }) => sink.has(change + 1)))
  }
  assert.equal(office.renders, 20)
  assert.equal(stream.readers, 1)
  for (const { sink } of members)
    assert.deepEqual(
      sink.told.map(({ run }) => run),
      Array.from({ length: 20 }, (_, change) => `run_${change}`),
    )
  for (const { life } of members) await life.return?.()
})

test('whoever resumes reads what it missed by itself, then is told with the others', async () => {
  const { store, office } = open()
  store.commit([{ id: 'a' }, { id: 'b' }, { id: 'c' }])
  const fresh = office.join(EVERYTHING)
  const resumed = [0, 1, 2, 3].map((position) => office.join({ ...EVERYTHING, after: at(position) }))
  for (const { life } of [fresh, ...resumed]) void life.next()
  await Promise.all(resumed.map(({ sink }, position) => sink.has(3 - position)))
  await turns(10)
  const before = office.renders
  assert.equal(before, 3 + 2 + 1)
  store.commit([{ id: 'd' }])
  await Promise.all([fresh, ...resumed].map(({ sink }) => sink.has(1)))
  await Promise.all(resumed.map(({ sink }, position) => sink.has(4 - position)))
  assert.equal(office.renders, before + 1)
  assert.deepEqual(
    resumed.map(({ sink }) => sink.told.map(({ run }) => run)),
    [['a', 'b', 'c', 'd'], ['b', 'c', 'd'], ['c', 'd'], ['d']],
  )
  for (const { life } of [fresh, ...resumed]) await life.return?.()
})

test('whoever has much to catch up with keeps no equal one waiting', async () => {
  const { store, office } = open({ limits: { page: 10 } })
  store.commit(Array.from({ length: 1_000 }, (_, index) => ({ id: `run_${index}` })))
  const far = office.join({ ...EVERYTHING, after: at(0) })
  void far.life.next()
  await far.sink.has(1)
  const fresh = office.join(EVERYTHING)
  void fresh.life.next()
  await far.sink.has(5)
  store.commit([{ id: 'now' }])
  await fresh.sink.has(1)
  assert.ok(far.sink.told.length < 500)
  await far.sink.has(1_001)
  for (const { life } of [far, fresh]) await life.return?.()
})

test('a member whose line stalls disturbs nobody, holds a position and nothing else, and catches up without a gap', async () => {
  const { store, stream, office } = open()
  const members = Array.from({ length: 3 }, () => office.join(EVERYTHING))
  const [slow, ...others] = members
  for (const { life } of members) void life.next()
  await turns(5)
  slow!.sink.stalled = true
  slow!.sink.room = 2
  for (let change = 0; change < 3_000; change++) {
    store.commit([{ id: `run_${change < 10 ? change : change % 1_500}`, status: change < 1_500 ? 'RUNNING' : 'SUCCEEDED' }])
    await Promise.all(others.map(({ sink }) => sink.has(change + 1)))
  }
  assert.equal(office.renders, 3_000)
  assert.equal(slow!.sink.told.length, 2)
  assert.equal(slow!.sink.isWaitedFor, true)
  assert.equal(stream.readers, 1)
  slow!.sink.release()
  // Of what it missed, the latest state of each run.
  await slow!.sink.has(2 + 1_500)
  assert.equal(new Set(checkTold(slow!.sink.told, 0)).size, 1_500)
  await turns(10)
  const before = office.renders
  store.commit([{ id: 'more' }])
  await Promise.all([slow!.sink.has(1_503), ...others.map(({ sink }) => sink.has(3_001))])
  assert.equal(office.renders, before + 1)
  for (const { life } of members) await life.return?.()
})

test('where all are too slow, the group collapses and reads from the store, and every end is told', async () => {
  const { store, office } = open({ limits: { pending: 20, page: 10 } })
  office.delay = () => turns(1)
  const members = [office.join(EVERYTHING), office.join(EVERYTHING)]
  for (const { life } of members) void life.next()
  await turns(5)
  for (let change = 0; change < 900; change++) {
    store.commit([{ id: `run_${change % 300}`, status: change < 600 ? 'RUNNING' : 'SUCCEEDED' }])
    if (change % 50 === 0) await turns(1)
  }
  while (members.some(({ sink }) => new Set(checkTold(sink.told, 0)).size < 300)) await turns(1)
  assert.ok(office.renders < 900)
  assert.deepEqual(members[0]!.sink.told, members[1]!.sink.told)
  for (const { life } of members) await life.return?.()
})

test('checkpoints: each is told one when it has caught up, and all together at every interval', async () => {
  const { store, office } = open({ pollInterval: 5, limits: { checkpointInterval: 40 } })
  store.commit([{ id: 'a' }])
  const query = { ...EVERYTHING, checkpoints: true }
  const members = [office.join(query), office.join({ ...query, after: at(0) }), office.join({ ...query, after: at(1) })]
  for (const { life } of members) void life.next()
  await Promise.all(members.map(({ sink }, index) => sink.has(index === 1 ? 2 : 1)))
  const shown = members.map(({ sink }) => sink.told.slice(0, 2).map(({ run, position }) => `${run ?? '-'}@${position}`))
  assert.deepEqual([shown[0]![0], shown[1], shown[2]![0]], ['-@1', ['a@1', '-@1'], '-@1'])
  const later = office.join(query)
  void later.life.next()
  await later.sink.has(1)
  const before = office.renders
  const counts = [...members, later].map(({ sink }) => sink.told.length)
  await Promise.all([...members, later].map(({ sink }, index) => sink.has(counts[index]! + 3)))
  assert.ok(office.renders - before <= 6, `${office.renders - before} executions of three checkpoints for four`)
  for (const { life } of [...members, later]) await life.return?.()
})

test('a store that fails while one catches up ends that subscription alone', async () => {
  const { store, office } = open()
  store.commit([{ id: 'a' }, { id: 'b' }])
  const good = office.join(EVERYTHING)
  void good.life.next()
  await turns(5)
  store.failure = new Error('away')
  const bad = office.join({ ...EVERYTHING, after: at(0) })
  await assert.rejects(bad.life.next(), /away/)
  store.failure = null
  store.commit([{ id: 'c' }])
  await good.sink.has(1)
  assert.equal(bad.sink.told.length, 0)
  await good.life.return?.()
  assert.equal(office.groups.size, 0)
})

test('a member that stalls until what it missed is no longer kept is told so; others go on', async () => {
  const { store, office } = open()
  const [slow, good] = [office.join(EVERYTHING), office.join(EVERYTHING)]
  const end = slow.life.next()
  void good.life.next()
  await turns(5)
  slow.sink.stalled = true
  store.commit([{ id: 'a' }])
  store.commit([{ id: 'b' }])
  await good.sink.has(2)
  store.floor = 1
  slow.sink.release()
  await assert.rejects(end, { code: 'CURSOR_EXPIRED', oldest: at(1) })
  store.commit([{ id: 'c' }])
  await good.sink.has(3)
  await good.life.return?.()
})

test('a cursor that is not good ends that subscription alone, with its reason', async () => {
  const { store, stream, office } = open()
  store.commit([{ id: 'a' }])
  const good = office.join(EVERYTHING)
  void good.life.next()
  await assert.rejects(office.join({ ...EVERYTHING, after: at(5) }).life.next(), { code: 'CURSOR_INVALID' })
  store.commit([{ id: 'b' }])
  await good.sink.has(1)
  await good.life.return?.()
  assert.deepEqual([office.groups.size, stream.readers, store.listeners.size], [0, 0, 0])
})

test('an event that cannot be rendered ends those who are told together, and they may come again', async () => {
  const { store, office } = open()
  const members = [office.join(EVERYTHING), office.join(EVERYTHING)]
  const ends = members.map(({ life }) => life.next())
  await turns(5)
  office.delay = () => Promise.reject(new Error('broken'))
  store.commit([{ id: 'a' }])
  for (const end of ends) await assert.rejects(end, /broken/)
  assert.equal(office.groups.size, 0)
  office.delay = () => Promise.resolve()
  const again = office.join({ ...EVERYTHING, after: at(0) })
  void again.life.next()
  await again.sink.has(1)
  await again.life.return?.()
})

test("a viewer's subscriptions can be ended, also those that stall; others go on", async () => {
  const { store, stream, office } = open()
  const ada = [office.join(EVERYTHING), office.join({ ...EVERYTHING, finalOnly: true }), office.join(EVERYTHING)]
  const bob = office.join(EVERYTHING, { owner: 'bob' })
  const ends = ada.map(({ life }) => life.next())
  void bob.life.next()
  await turns(5)
  ada[2]!.sink.stalled = true
  store.commit([{ id: 'a' }])
  await bob.sink.has(1)
  office.groups.endOf('ada', new Error('revoked'))
  for (const end of ends) await assert.rejects(end, /revoked/)
  ada[2]!.sink.release()
  store.commit([{ id: 'b' }])
  await bob.sink.has(2)
  assert.deepEqual(
    ada.map(({ sink }) => sink.told.length),
    [1, 0, 0],
  )
  assert.deepEqual([office.groups.size, stream.readers], [1, 1])
  await bob.life.return?.()
})

test('a thousand members that come and go in every order leave no group and no listener', async () => {
  const { store, stream, office } = open({ pollInterval: 5 })
  const staying: AsyncIterableIterator<never>[] = []
  for (let round = 0; round < 1_000; round++) {
    const sink = new FakeSink()
    const { life } = office.join({ ...EVERYTHING, after: round % 3 === 0 ? at(0) : null, checkpoints: round % 2 === 0 }, { sink })
    const end = round % 5 > 0 ? life.next() : null
    if (round % 7 === 0) sink.stalled = true
    if (round % 5 > 2) store.commit([{ id: `run_${round}` }])
    if (round % 5 === 4) await turns(round % 4)
    if (round % 11 === 0) staying.push(life)
    else await life.return?.()
    if (staying.length > 20) await staying.shift()?.return?.()
    if (end !== null && round % 11 > 0) assert.deepEqual(await end, { done: true, value: undefined })
    assert.equal(sink.isWaitedFor && round % 11 > 0, false)
  }
  for (const life of staying) await life.return?.()
  await turns(3)
  assert.deepEqual([office.groups.size, stream.readers, store.listeners.size], [0, 0, 0])
})

test('no more is written once a subscription has left, whatever was under way', async () => {
  for (const patience of [0, 1, 2, 3, 4, 5]) {
    const { store, office } = open()
    office.delay = () => turns(2)
    const leaving = office.join({ ...EVERYTHING, after: at(0) })
    const staying = office.join(EVERYTHING)
    void leaving.life.next()
    void staying.life.next()
    store.commit([{ id: 'a' }])
    await turns(patience)
    await leaving.life.return?.()
    const had = leaving.sink.told.length
    store.commit([{ id: 'b' }])
    await staying.sink.has(2)
    assert.equal(leaving.sink.told.length, had)
    await staying.life.return?.()
  }
})
