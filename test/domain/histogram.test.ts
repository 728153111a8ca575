import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  addToHistogram,
  type Histogram,
  mergeHistogram,
  mergeWritten,
  percentile,
  readHistogram,
  writeHistogram,
} from '../../src/domain/histogram.ts'

const lengths = fc.array(
  fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 90 * 86_400_000 }), fc.double({ min: 1, max: 1e6, noNaN: true })),
  { minLength: 1, maxLength: 200 },
)
const shares = fc.double({ min: 0, max: 1, noNaN: true })

function histogramOf(values: readonly number[]): Histogram {
  const histogram: Histogram = new Map()
  for (const value of values) addToHistogram(histogram, value)
  return histogram
}

describe('a histogram', () => {
  it('answers every percentile within 5 %', () => {
    fc.assert(
      fc.property(lengths, shares, (values, share) => {
        const sorted = [...values].sort((a, b) => a - b)
        const exact = sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1]!
        const found = percentile(histogramOf(values), share)!
        assert.ok(Math.abs(found - exact) <= 0.05 * exact, `${found} for ${exact}`)
      }),
    )
  })

  it('is the same whether lengths were added together or merged', () => {
    fc.assert(
      fc.property(lengths, lengths, (a, b) => {
        const merged = histogramOf(a)
        mergeHistogram(merged, histogramOf(b))
        assert.deepEqual(new Map([...merged].sort()), new Map([...histogramOf([...a, ...b])].sort()))
      }),
    )
  })

  it('survives being written and read', () => {
    fc.assert(fc.property(lengths, (values) => assert.deepEqual(readHistogram(writeHistogram(histogramOf(values))), histogramOf(values))))
    assert.equal(writeHistogram(new Map()), '[]')
  })

  it('adds up where texts were put together', () => {
    assert.deepEqual(
      readHistogram('[[3,1],[5,2],[3,4]]'),
      new Map([
        [3, 5],
        [5, 2],
      ]),
    )
  })

  it('takes what is shorter than a millisecond, or negative, for a millisecond; an empty one answers null', () => {
    assert.equal(percentile(histogramOf([-5, 0, 0.2, 1]), 1), 1)
    assert.equal(percentile(new Map(), 0.5), null)
  })

  it('stays small', () => {
    const histogram = histogramOf(Array.from({ length: 100_000 }, (_, i) => 1.0003 ** i))
    assert.ok(histogram.size < 320)
  })

  it('is added as it is written', () => {
    fc.assert(
      fc.property(lengths, lengths, (one, other) => {
        const merged = histogramOf(one)
        mergeWritten(merged, writeHistogram(histogramOf(other)))
        const expected = histogramOf(one)
        mergeHistogram(expected, histogramOf(other))
        assert.deepEqual(merged, expected)
      }),
    )
    const none: Histogram = new Map()
    mergeWritten(none, writeHistogram(new Map()))
    assert.equal(none.size, 0)
  })
})
