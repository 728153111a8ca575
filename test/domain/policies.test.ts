import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DEFAULT_POLICIES, type Policies } from '../../src/domain/job.ts'
import { mergePolicies, type PoliciesInput } from '../../src/domain/policies.ts'

function merged(input: PoliciesInput | null | undefined, current: Policies = DEFAULT_POLICIES): Policies {
  const result = mergePolicies(current, input)
  assert.ok(result.ok, JSON.stringify(result))
  return result.value
}

describe('merging policies', () => {
  const current = merged({ overlap: 'ALLOW_ALL', timeout: 1_000, backoff: { initial: 5_000, factor: 3 } })

  it('leaves what is left out as it is, field by field, also in the backoff', () => {
    assert.deepEqual(merged({ priority: 9, backoff: { jitter: false } }, current), {
      ...current,
      priority: 9,
      backoff: { ...current.backoff, jitter: false },
    })
  })

  it('takes null back to the default, singly, for the backoff, and for all', () => {
    assert.equal(merged({ timeout: null }, current).timeout, DEFAULT_POLICIES.timeout)
    assert.deepEqual(merged({ backoff: null }, current).backoff, DEFAULT_POLICIES.backoff)
    assert.deepEqual(merged(null, current), DEFAULT_POLICIES)
    assert.deepEqual(merged(undefined, current), current)
  })

  const refusals: [PoliciesInput, string, string][] = [
    [{ misfire: 'ALL' }, 'CONFLICTING_POLICIES', 'policies.misfire'],
    [{ misfire: 'ALL', overlap: 'BUFFER_ONE' }, 'CONFLICTING_POLICIES', 'policies.misfire'],
    [{ misfire: 'ALL', overlap: 'CANCEL_OTHER' }, 'CONFLICTING_POLICIES', 'policies.misfire'],
    [{ catchupWindow: 1_000 }, 'CONFLICTING_POLICIES', 'policies.catchupWindow'],
    [{ concurrencyKey: 'db' }, 'CONFLICTING_POLICIES', 'policies.maxConcurrency'],
    [{ maxConcurrency: 2 }, 'CONFLICTING_POLICIES', 'policies.concurrencyKey'],
    [{ maxAttempts: 0 }, 'INVALID', 'policies.maxAttempts'],
    [{ priority: 10 }, 'INVALID', 'policies.priority'],
    [{ timeout: 0 }, 'INVALID', 'policies.timeout'],
    [{ timeout: 8 * 86_400_000 }, 'INVALID', 'policies.timeout'],
    [{ backoff: { factor: 0.5 } }, 'INVALID', 'policies.backoff.factor'],
    [{ backoff: { initial: 10_000, max: 5_000 } }, 'INVALID', 'policies.backoff.max'],
    [{ concurrencyKey: ' ', maxConcurrency: 1 }, 'INVALID', 'policies.concurrencyKey'],
    [{ pauseAfterFailures: 0 }, 'INVALID', 'policies.pauseAfterFailures'],
  ]
  for (const [input, code, path] of refusals) {
    it(`refuses ${JSON.stringify(input)} at ${path}`, () => {
      const result = mergePolicies(DEFAULT_POLICIES, input)
      assert.ok(!result.ok)
      assert.deepEqual(
        result.errors.map((error) => [error.code, error.path.join('.')]),
        [[code, path]],
      )
    })
  }

  it('tells all that is wrong at once', () => {
    const result = mergePolicies(DEFAULT_POLICIES, { priority: -1, maxAttempts: 1_000, misfire: 'ALL' })
    assert.equal(result.ok ? 0 : result.errors.length, 3)
  })

  for (const overlap of ['BUFFER_ALL', 'ALLOW_ALL'] as const)
    it(`accepts misfire ALL with ${overlap}`, () => assert.equal(merged({ misfire: 'ALL', overlap }).overlap, overlap))
})
