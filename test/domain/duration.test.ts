import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { formatDuration, parseDuration } from '../../src/domain/duration.ts'

describe('a duration', () => {
  for (const [text, milliseconds] of [
    ['PT90S', 90_000],
    ['P1D', 86_400_000],
    ['P1W', 604_800_000],
    ['P1W2DT3H4M5.006S', 788_645_006],
    ['PT1H30M', 5_400_000],
    ['PT0.25S', 250],
    ['PT0,25S', 250],
    ['PT1.500000S', 1_500],
    ['PT0S', 0],
    ['P0D', 0],
    ['PT36H', 129_600_000],
    ['PT007S', 7_000],
    ['90s', 90_000],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['250ms', 250],
    ['2d', 172_800_000],
    ['1w', 604_800_000],
    ['1w2d3h4m5s6ms', 788_645_006],
    ['0.5s', 500],
    ['1m0.001s', 60_001],
    ['0s', 0],
    ['9007199254740991ms', Number.MAX_SAFE_INTEGER],
  ] as const) {
    it(`${text} is ${milliseconds} ms`, () => assert.equal(parseDuration(text), milliseconds))
  }

  for (const text of [
    ...['', ' ', 'P', 'PT', 'P1DT', '90', '1.5', 'P1Y', 'P1M', 'P1Y2M', 'P1MT1M', '1y', '1mo', '5M', '1H'],
    ...['-5m', '+5m', '-PT5M', 'PT-5M', 'P-1D', 'PT1.5H', 'PT0.5M', '1.5h', '0.5ms', 'PT0.0005S', '0.0001s', 'PT.5S', 'PT5.S', '.5s'],
    ...['1m1h', '1h1h', '1ms1s', 'PT1M1H', 'P1D1W', 'P1H', 'PT1D', 'PT1W', 'pt90s', 'p1d', ' 5m', '5m ', '5 m', '5m\n', 'PT5S\n', '1h 30m'],
    ...['5minutes', '5 min', 'infinity', 'NaN', '1e3s', '0x5s', '٥m', '9007199254740992ms', 'P99999999999D', `${'9'.repeat(400)}s`],
  ]) {
    it(`${JSON.stringify(text.slice(0, 30))} is refused`, () => assert.equal(parseDuration(text), null))
  }

  for (const [milliseconds, text] of [
    [0, 'PT0S'],
    [250, 'PT0.25S'],
    [1, 'PT0.001S'],
    [1_000, 'PT1S'],
    [90_000, 'PT1M30S'],
    [3_600_000, 'PT1H'],
    [86_400_000, 'PT24H'],
    [788_645_006, 'PT219H4M5.006S'],
    [3_600_250, 'PT1H0.25S'],
    [59_999, 'PT59.999S'],
    [0.4, 'PT0S'],
    [12.5, 'PT0.013S'],
    [-5_000, 'PT0S'],
    [Number.MAX_SAFE_INTEGER, 'PT2501999792H59M0.991S'],
  ] as const) {
    it(`of ${milliseconds} ms prints as ${text}`, () => assert.equal(formatDuration(milliseconds), text))
  }

  it('reads back as it was printed', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (milliseconds) => {
        assert.equal(parseDuration(formatDuration(milliseconds)), milliseconds)
      }),
      { seed: 2 },
    )
  })

  it('of any text is a whole number of milliseconds or null', () => {
    const texts = fc.oneof(
      fc.string(),
      fc.array(fc.constantFrom(...'PT0123456789.,YMWDHSwdhms-+ '.split('')), { maxLength: 12 }).map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(texts, (text) => {
        const duration = parseDuration(text)
        assert.ok(duration === null || (Number.isSafeInteger(duration) && duration >= 0))
      }),
      { numRuns: 2_000, seed: 3 },
    )
  })
})
