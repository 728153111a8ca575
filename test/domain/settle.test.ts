import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { DEFAULT_POLICIES } from '../../src/domain/job.ts'
import { backoffDelay } from '../../src/domain/retry.ts'
import type { Outcome, RunError } from '../../src/domain/run.ts'
import { settleAttempt } from '../../src/domain/settle.ts'
import { NOON } from './fixtures.ts'

const error = (retryable: boolean): RunError => ({ code: 'HTTP_STATUS', message: '500', stack: null, retryable })
const failed = (retryable = true, retryAfter: number | null = null): Outcome => ({
  kind: 'FAILED',
  error: error(retryable),
  output: '{"status":500}',
  retryAfter,
})
const timedOut: Outcome = { kind: 'TIMED_OUT', error: error(true) }
const settle = (outcome: Outcome, run: { attemptsUsed?: number; cancelRequestedAt?: number | null } = {}) =>
  settleAttempt({ run: { attemptsUsed: 0, cancelRequestedAt: null, ...run }, policies: DEFAULT_POLICIES, outcome, now: NOON, random: 0.5 })

describe('settling an attempt', () => {
  const table: [
    string,
    Outcome,
    { attemptsUsed?: number; cancelRequestedAt?: number },
    { attemptStatus: string; runStatus: string; attemptsUsed: number; nextAttemptAt: number | null },
  ][] = [
    [
      'success ends the run',
      { kind: 'SUCCEEDED', output: '1' },
      {},
      { attemptStatus: 'SUCCEEDED', runStatus: 'SUCCEEDED', attemptsUsed: 1, nextAttemptAt: null },
    ],
    [
      'success wins over a cancel that came late',
      { kind: 'SUCCEEDED', output: null },
      { cancelRequestedAt: NOON },
      { attemptStatus: 'SUCCEEDED', runStatus: 'SUCCEEDED', attemptsUsed: 1, nextAttemptAt: null },
    ],
    [
      'a failure is retried after half of 10 s',
      failed(),
      {},
      { attemptStatus: 'FAILED', runStatus: 'RETRYING', attemptsUsed: 1, nextAttemptAt: NOON + 5_000 },
    ],
    [
      'the second wait is twice as long',
      failed(),
      { attemptsUsed: 1 },
      { attemptStatus: 'FAILED', runStatus: 'RETRYING', attemptsUsed: 2, nextAttemptAt: NOON + 10_000 },
    ],
    [
      'the third failure is the last',
      failed(),
      { attemptsUsed: 2 },
      { attemptStatus: 'FAILED', runStatus: 'FAILED', attemptsUsed: 3, nextAttemptAt: null },
    ],
    [
      '"do not retry" ends it at once',
      failed(false),
      {},
      { attemptStatus: 'FAILED', runStatus: 'FAILED', attemptsUsed: 1, nextAttemptAt: null },
    ],
    [
      '"retry after t" is obeyed',
      failed(true, 90_000),
      {},
      { attemptStatus: 'FAILED', runStatus: 'RETRYING', attemptsUsed: 1, nextAttemptAt: NOON + 90_000 },
    ],
    [
      '"retry after t" is at most an hour',
      failed(true, 9e9),
      {},
      { attemptStatus: 'FAILED', runStatus: 'RETRYING', attemptsUsed: 1, nextAttemptAt: NOON + 3_600_000 },
    ],
    [
      'a failure after a cancel was asked is a cancel',
      failed(),
      { cancelRequestedAt: NOON },
      { attemptStatus: 'CANCELLED', runStatus: 'CANCELLED', attemptsUsed: 1, nextAttemptAt: null },
    ],
    [
      'a timeout is retried',
      timedOut,
      {},
      { attemptStatus: 'TIMED_OUT', runStatus: 'RETRYING', attemptsUsed: 1, nextAttemptAt: NOON + 5_000 },
    ],
    [
      'the last timeout ends the run as TIMED_OUT',
      timedOut,
      { attemptsUsed: 2 },
      { attemptStatus: 'TIMED_OUT', runStatus: 'TIMED_OUT', attemptsUsed: 3, nextAttemptAt: null },
    ],
    [
      'a lost attempt goes on at once and counts',
      { kind: 'LOST' },
      {},
      { attemptStatus: 'LOST', runStatus: 'RETRYING', attemptsUsed: 1, nextAttemptAt: NOON },
    ],
    [
      'the last lost attempt is a failure',
      { kind: 'LOST' },
      { attemptsUsed: 2 },
      { attemptStatus: 'LOST', runStatus: 'FAILED', attemptsUsed: 3, nextAttemptAt: null },
    ],
    [
      'a lost attempt of a cancelled run is a cancel',
      { kind: 'LOST' },
      { cancelRequestedAt: NOON },
      { attemptStatus: 'CANCELLED', runStatus: 'CANCELLED', attemptsUsed: 1, nextAttemptAt: null },
    ],
    [
      'an interrupted attempt goes on at once and does not count',
      { kind: 'INTERRUPTED' },
      { attemptsUsed: 2 },
      { attemptStatus: 'INTERRUPTED', runStatus: 'RETRYING', attemptsUsed: 2, nextAttemptAt: NOON },
    ],
  ]
  for (const [name, outcome, run, expected] of table) {
    it(name, () => {
      const { attemptStatus, runStatus, attemptsUsed, nextAttemptAt } = settle(outcome, run)
      assert.deepEqual({ attemptStatus, runStatus, attemptsUsed, nextAttemptAt }, expected)
    })
  }

  it('names the lost worker where the run fails for it', () => {
    assert.equal(settle({ kind: 'LOST' }, { attemptsUsed: 2 }).error?.code, 'WORKER_LOST')
  })
})

describe('backoff', () => {
  it('never leaves [0, cap], and grows with the attempts', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        fc.double({ min: 1, max: 100, noNaN: true }),
        (used, random, factor) => {
          const backoff = { initial: 10_000, factor, max: 3_600_000, jitter: true }
          const wait = backoffDelay(backoff, used, random)
          assert.ok(Number.isSafeInteger(wait) && wait >= 0 && wait <= backoff.max)
          const plain = { ...backoff, jitter: false }
          assert.ok(backoffDelay(plain, used, random) <= backoffDelay(plain, used + 1, random))
        },
      ),
    )
  })
})
