import assert from 'node:assert/strict'
import { test } from 'node:test'
import { at, ChangeStore, EVERYTHING, settled, streamOf, take } from './changeStore.ts'

test('where so many catch up at once that each waits for seconds, pages are kept: to read them anew would take all the time there is', async () => {
  const store = new ChangeStore()
  const [readers, changes] = [500, 10]
  // As where a turn of the loop takes 20 ms.
  let elapsed = 0
  let going = true
  const turn = () => {
    elapsed += 20
    if (going) setImmediate(turn)
  }
  turn()
  const stream = streamOf(store, { elapsed: () => elapsed })
  for (let run = 0; run < changes; run++) store.commit([{ id: `run_${run}` }])
  await Promise.all(
    Array.from({ length: readers }, async () => {
      const events = stream.jobRuns({ ...EVERYTHING, after: at(0) })
      assert.equal((await take(events, changes)).length, changes)
      await events.return?.()
    }),
  )
  going = false
  assert.ok(elapsed > 2_000)
  assert.equal(store.reads, readers)
})

test('a page that lay unread for long is read anew, and what came meanwhile leads nobody past it', async () => {
  const store = new ChangeStore()
  let elapsed = 0
  const events = streamOf(store, { elapsed: () => elapsed }).jobRuns({ ...EVERYTHING, after: at(0) })
  store.commit([
    { id: 'a', status: 'SUCCEEDED' },
    { id: 'b', status: 'SUCCEEDED' },
  ])
  assert.deepEqual(await take(events, 1), ['a:SUCCEEDED@1'])
  store.commit([{ id: 'c' }])
  await settled()
  elapsed += 5_000
  assert.deepEqual(await take(events, 2), ['b:SUCCEEDED@2', 'c:QUEUED@3'])
  await events.return?.()
})

test('who has left is told that the stream is done, also where what it waited for fails', async () => {
  const store = new ChangeStore()
  const late = Promise.withResolvers<void>()
  store.commit([{ id: 'a' }])
  const events = streamOf(store).jobRuns({ ...EVERYTHING, after: at(0) })
  const under = events.next()
  while (store.reads === 0) {
    store.delay = () => (store.reads > 0 ? late.promise : Promise.resolve())
    await settled()
  }
  await events.return?.()
  late.reject(new Error('the database is away'))
  assert.equal((await under).done, true)
})
