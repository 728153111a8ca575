import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MOST_CHARACTERS } from '../../src/api/answerSize.ts'
import { openApi } from './api.ts'

/** The largest payload that is accepted, less a few bytes. */
const PAYLOAD = { text: 'x'.repeat(65_000) }
const FITTING = Math.floor(MOST_CHARACTERS / JSON.stringify(PAYLOAD).length)

describe('what users wrote, in one answer', () => {
  it('is answered up to a bound, and beyond it the field is null and says why', async (t) => {
    const { ask, create } = await openApi(t)
    for (let i = 0; i < 100; i++) await create({ name: `job ${i}`, payload: PAYLOAD })
    const three =
      '{ a: jobs(first: 100) { nodes { payload } } b: jobs(first: 100) { nodes { payload } } c: jobs(first: 100) { nodes { name payload } } }'
    const { data, errors } = await ask(three)
    const answered = [data.a, data.b, data.c].flatMap(({ nodes }) => nodes).filter(({ payload }: { payload: unknown }) => payload !== null)
    assert.equal(answered.length, FITTING)
    assert.equal(data.c.nodes.at(-1).name, 'job 99', 'all else is answered')
    assert.equal(errors.length, 300 - FITTING)
    assert.deepEqual(new Set(errors.map(({ extensions }) => extensions.code)), new Set(['TOO_LARGE']))
  })

  it('is bounded in each answer, not in all together', async (t) => {
    const { get, create } = await openApi(t)
    for (let i = 0; i < 100; i++) await create({ name: `job ${i}`, payload: PAYLOAD })
    const two = '{ a: jobs(first: 100) { nodes { payload } } b: jobs(first: 100) { nodes { payload } } }'
    for (let i = 0; i < 2; i++) assert.deepEqual((await get(two)).b.nodes.at(-1).payload, PAYLOAD)
  })
})
