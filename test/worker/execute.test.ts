import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DEFAULT_POLICIES } from '../../src/domain/job.ts'
import type { Outcome } from '../../src/domain/run.ts'
import type { BegunAttempt } from '../../src/engine/store/store.ts'
import { execute, type Performers } from '../../src/worker/execute.ts'
import type { RunContext } from '../../src/worker/runContext.ts'

const attempt = (timeout = 60_000): BegunAttempt => ({
  runId: 'run_1',
  attempt: 1,
  jobId: 'job_1',
  jobName: 'a job',
  jobVersion: 1,
  target: { kind: 'handler', handler: 'x' },
  policies: { ...DEFAULT_POLICIES, timeout },
  trigger: 'MANUAL',
  scheduledFor: 0,
  dueAt: 0,
  startedAt: 0,
  coalesced: 0,
  payload: null,
})
const silent = { log: () => {}, progress: () => {} }
const succeeded: Outcome = { kind: 'SUCCEEDED', output: null }

function performing(perform: (context: RunContext) => Promise<Outcome>): Performers {
  const unexpected = { perform: () => assert.fail('another kind of target was performed') }
  return { http: unexpected, command: unexpected, handler: { perform: (_target, context) => perform(context) } }
}

/** Ends as soon as its signal aborts, with this outcome. */
const endsWith = (outcome: Outcome) =>
  performing(
    ({ signal }) =>
      new Promise((resolve) => {
        if (signal.aborted) resolve(outcome)
        signal.addEventListener('abort', () => resolve(outcome))
      }),
  )

describe('executing an attempt', () => {
  it('answers what the target ended with', async () => {
    assert.deepEqual(
      await execute(
        attempt(),
        performing(async () => succeeded),
        silent,
      ).outcome,
      succeeded,
    )
  })

  it('a timeout is TIMED_OUT, and names its length', async () => {
    const outcome = await execute(attempt(5), endsWith({ kind: 'CANCELLED' }), silent).outcome
    assert.equal(outcome.kind, 'TIMED_OUT')
    assert.match(outcome.kind === 'TIMED_OUT' ? outcome.error.message : '', /PT0\.005S/)
  })

  it('a success after the timeout came too late', async () => {
    assert.equal((await execute(attempt(5), endsWith(succeeded), silent).outcome).kind, 'TIMED_OUT')
  })

  const table: [string, 'cancel' | 'shutdown' | 'lease-lost', Outcome, Outcome['kind']][] = [
    ['a cancelled attempt that ends is CANCELLED', 'cancel', { kind: 'CANCELLED' }, 'CANCELLED'],
    ['a cancelled attempt that succeeds all the same is SUCCEEDED', 'cancel', succeeded, 'SUCCEEDED'],
    [
      'a cancelled attempt that fails is CANCELLED',
      'cancel',
      { kind: 'FAILED', error: { code: 'X', message: '', stack: null, retryable: true }, output: null, retryAfter: null },
      'CANCELLED',
    ],
    ['a stopped attempt is INTERRUPTED', 'shutdown', { kind: 'CANCELLED' }, 'INTERRUPTED'],
    ['a stopped attempt that succeeds all the same is SUCCEEDED', 'shutdown', succeeded, 'SUCCEEDED'],
    ['an attempt that lost its lease is INTERRUPTED', 'lease-lost', { kind: 'CANCELLED' }, 'INTERRUPTED'],
  ]
  for (const [name, cause, ends, expected] of table) {
    it(name, async () => {
      const execution = execute(attempt(), endsWith(ends), silent)
      execution.abort(cause)
      assert.equal((await execution.outcome).kind, expected)
    })
  }

  it('the first cause of an abort counts', async () => {
    const execution = execute(attempt(), endsWith({ kind: 'CANCELLED' }), silent)
    execution.abort('cancel')
    execution.abort('shutdown')
    assert.equal((await execution.outcome).kind, 'CANCELLED')
  })

  it('a performer that breaks its word and throws is a failure that may be retried', async () => {
    const outcome = await execute(
      attempt(),
      performing(() => Promise.reject(new Error('defect'))),
      silent,
    ).outcome
    assert.deepEqual(outcome, {
      kind: 'FAILED',
      error: { code: 'INTERNAL', message: 'defect', stack: null, retryable: true },
      output: null,
      retryAfter: null,
    })
  })

  it('a performer that never ends is left behind, so that a cancel holds', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const execution = execute(
      attempt(),
      performing(() => new Promise(() => {})),
      silent,
    )
    execution.abort('cancel')
    t.mock.timers.tick(8_000)
    assert.equal((await execution.outcome).kind, 'CANCELLED')
  })
})
