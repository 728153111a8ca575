import assert from 'node:assert/strict'
import { randomFillSync } from 'node:crypto'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { idFactory, looksLikeId } from '../../src/domain/ids.ts'

const factory = () => idFactory((bytes) => randomFillSync(bytes))

describe('ids', () => {
  it('sort by the time of their making', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 2 ** 45 }), { minLength: 2 }), (times) => {
        const newId = factory()
        const ids = times.toSorted((a, b) => a - b).map((time) => newId('run', time))
        assert.deepEqual(ids, ids.toSorted())
        assert.equal(new Set(ids).size, ids.length)
      }),
    )
  })

  it('keep the order of making within a millisecond and after a clock that went back', () => {
    const newId = factory()
    const ids = Array.from({ length: 10_000 }, (_, index) => newId('run', 1_000_000 - (index % 3)))
    assert.deepEqual(ids, ids.toSorted())
    assert.equal(new Set(ids).size, ids.length)
  })

  it('carry over within a millisecond', () => {
    const newId = idFactory((bytes) => bytes.fill(31))
    const [first, second] = [newId('job', 0), newId('job', 0)]
    assert.equal(first, 'job_0000000000fzzzzzzzzzzzzzzz')
    assert.equal(second, 'job_0000000000g000000000000000')
  })

  it('tell what they name', () => {
    assert.ok(looksLikeId('job', factory()('job', 1)))
    assert.ok(!looksLikeId('job', factory()('run', 1)))
    assert.ok(!looksLikeId('job', 'job_1'))
  })
})
