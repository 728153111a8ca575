import assert from 'node:assert/strict'
import { test } from 'node:test'
import { batched, createLoaders } from '../../src/api/loaders.ts'

/** A loader that answers each key in upper case and remembers how it was called. */
function spy() {
  const calls: string[][] = []
  const load = batched(async (keys) => {
    calls.push([...keys])
    return keys.map((key) => key.toUpperCase())
  })
  return { calls, load }
}

test('keys asked for in one turn are loaded together, each once', async () => {
  const { calls, load } = spy()
  const later = Promise.resolve().then(() => load('c'))
  assert.deepEqual(await Promise.all([load('a'), load('b'), load('a'), later]), ['A', 'B', 'A', 'C'])
  assert.deepEqual(calls, [['a', 'b', 'c']])
})

test('what was loaded is remembered, and what comes later is loaded then', async () => {
  const { calls, load } = spy()
  await load('a')
  assert.deepEqual(await Promise.all([load('a'), load('b')]), ['A', 'B'])
  assert.deepEqual(calls, [['a'], ['b']])
})

test('no call gets more than 500 keys', async () => {
  const { calls, load } = spy()
  const keys = Array.from({ length: 1_201 }, (_, index) => `k${index}`)
  assert.deepEqual(
    await Promise.all(keys.map(load)),
    keys.map((key) => key.toUpperCase()),
  )
  assert.deepEqual(
    calls.map((call) => call.length),
    [500, 500, 201],
  )
})

test('a failure is told to everybody who asked', async () => {
  const load = batched<string>(() => Promise.reject(new Error('away')))
  const answers = await Promise.allSettled([load('a'), load('b')])
  assert.deepEqual(
    answers.map((answer) => answer.status),
    ['rejected', 'rejected'],
  )
})

test('the pauses of the whole scheduling are read once, and from then on at hand without a promise', async () => {
  let reads = 0
  const store = { maintenance: async () => [`read ${++reads}`] }
  const { maintenance } = createLoaders({ store, prisma: {} } as never)
  assert.deepEqual(await Promise.all([maintenance(), maintenance()]), [['read 1'], ['read 1']])
  assert.deepEqual(maintenance(), ['read 1'])
})
