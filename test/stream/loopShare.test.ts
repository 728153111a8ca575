import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeCursor } from '../../src/stream/cursor.ts'
import { LoopShare } from '../../src/stream/loopShare.ts'
import { ChangeStore, EVERYTHING, streamOf } from './changeStore.ts'
import { Office, turns } from './members.ts'

test('work goes on at once while there is room in this turn; the rest comes in later turns, in the order of asking', async () => {
  const share = new LoopShare(10)
  assert.equal(share.ask(4), null)
  assert.equal(share.ask(6), null)
  const begun: string[] = []
  const late = [
    ['b', 5],
    ['c', 5],
    ['d', 1],
    ['e', 99],
    ['f', 1],
  ] as const
  for (const [name, weight] of late) void share.ask(weight)?.then(() => begun.push(name))
  const seen: string[] = []
  while (begun.length < late.length) {
    await turns(1)
    seen.push(begun.join(''))
  }
  assert.deepEqual(new Set(seen), new Set(['bc', 'bcd', 'bcde', 'bcdef']))
  await turns(2)
  assert.equal(share.ask(10), null)
})

test('what waits in long rows never goes on in the same turn', async () => {
  const share = new LoopShare(10)
  let begun = false
  void share.wait(1).then(() => {
    begun = true
  })
  await Promise.resolve()
  assert.equal(begun, false)
  await turns(2)
  assert.equal(begun, true)
})

test('hundreds that catch up at once leave the loop its turns', async () => {
  const store = new ChangeStore()
  store.commit(Array.from({ length: 200 }, (_, index) => ({ id: `run_${index}` })))
  const office = new Office(streamOf(store))
  const members = Array.from({ length: 300 }, () => office.join({ ...EVERYTHING, after: encodeCursor('db_test', 0) }))
  let most = 0
  for (const { life } of members) void life.next()
  while (members.some(({ sink }) => sink.told.length < 200)) {
    const before = office.renders
    await turns(1)
    most = Math.max(most, office.renders - before)
  }
  assert.ok(office.renders >= 200 && most <= 100, `${most} executions in one turn`)
  for (const { life } of members) await life.return?.()
})
