import type { Milliseconds } from './instant.ts'

/**
 * How many lengths of time fell into each bucket. Bucket n > 0 holds the lengths in (GROWTH^(n-1), GROWTH^n] milliseconds, bucket 0
 * those of 1 ms and less (negative ones too: a clock was turned back). The middle of a bucket is within 5 % of all that it holds, so
 * percentiles are as well (https://arxiv.org/abs/1908.10693).
 */
export type Histogram = Map<number, number>

/** (1 + e) / (1 - e) for an error e of 4.9 %. */
const GROWTH = 1.049 / 0.951
const LOG_GROWTH = Math.log(GROWTH)

export function addToHistogram(histogram: Histogram, length: Milliseconds): void {
  const bucket = length <= 1 ? 0 : Math.ceil(Math.log(length) / LOG_GROWTH)
  histogram.set(bucket, (histogram.get(bucket) ?? 0) + 1)
}

export function mergeHistogram(into: Histogram, from: Histogram): void {
  for (const [bucket, count] of from) into.set(bucket, (into.get(bucket) ?? 0) + count)
}

/**
 * The length below which a share `q` in [0, 1] of all lie (nearest rank), or null where there are none. Within 5 %; lengths of 1 ms
 * and less count as 1 ms.
 */
export function percentile(histogram: Histogram, q: number): Milliseconds | null {
  let total = 0
  for (const count of histogram.values()) total += count
  if (total === 0) return null
  const rank = Math.max(1, Math.ceil(q * total))
  let seen = 0
  for (const bucket of [...histogram.keys()].sort((a, b) => a - b)) {
    seen += histogram.get(bucket)!
    if (seen >= rank) return middleOf(bucket)
  }
  return null
}

/** The length that is relatively as far from the one end of the bucket as from the other. */
function middleOf(bucket: number): Milliseconds {
  return bucket === 0 ? 1 : (2 * GROWTH ** bucket) / (GROWTH + 1)
}

/** As JSON, `[[bucket, count], …]`. Where a bucket stands more than once, its counts add up: two texts are merged by putting them together. */
export function writeHistogram(histogram: Histogram): string {
  if (histogram.size === 0) return '[]'
  let text = ''
  for (const [bucket, count] of histogram) text += `${text === '' ? '[[' : ',['}${bucket},${count}]`
  return `${text}]`
}

/** Adds a histogram as it is written, without making one of it: an answer about a day adds a hundred of them. */
export function mergeWritten(into: Histogram, text: string): void {
  let bucket = -1
  let number = -1
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - ZERO
    if (digit >= 0 && digit <= 9) {
      number = (number === -1 ? 0 : number * 10) + digit
    } else if (number !== -1) {
      if (bucket === -1) bucket = number
      else {
        into.set(bucket, (into.get(bucket) ?? 0) + number)
        bucket = -1
      }
      number = -1
    }
  }
}

const ZERO = '0'.charCodeAt(0)

export function readHistogram(text: string): Histogram {
  const histogram: Histogram = new Map()
  mergeWritten(histogram, text)
  return histogram
}
