import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { writtenInSlices } from '../../src/server/writtenOut.ts'

const result = (data: unknown) => ({ data, extensions: { cost: 100 } }) as never

test('a result is written as JSON.stringify writes it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.jsonValue({ maxDepth: 6 }), async (data) => {
      assert.equal(await writtenInSlices(result(data)), JSON.stringify(result(data)))
    }),
  )
})

test('keys and texts of any kind, and what is left out, are written as JSON.stringify does', async () => {
  const odd = {
    a: [{ 'ключ "1"': '\ud83d\ude00\u2028\n', none: undefined, deep: { ['__proto__']: [1, null, true] } }, [], {}, [[]], null],
    b: undefined,
  }
  assert.equal(await writtenInSlices(result(odd)), JSON.stringify(result(odd)))
})

test('the loop turns while a large result is written', async () => {
  const rows = Array.from({ length: 20_000 }, (_, i) => ({ id: `run_${i}`, job: { name: 'x'.repeat(200) }, payload: { list: [i, i, i] } }))
  let turns = 0
  let writing = true
  const turn = () => {
    turns++
    if (writing) setImmediate(turn)
  }
  setImmediate(turn)
  await writtenInSlices(result({ runs: { nodes: rows } }))
  writing = false
  assert.ok(turns >= 2, `${turns} turns`)
})
