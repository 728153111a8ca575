import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { auditLedger } from '../../src/api/audit.ts'
import { DAY, MINUTE } from '../../src/domain/instant.ts'
import type { RetentionRules } from '../../src/domain/retention.ts'
import type { SweepQuery } from '../../src/engine/store/store.ts'
import { Retention } from '../../src/scheduler/retain.ts'
import { NOON, openParts } from '../support/parts.ts'

const RULES: RetentionRules = { succeededFor: 30 * DAY, failedFor: 90 * DAY, mostOfJob: 10, alwaysOfJob: 3 }
const nothingElse = { rollUpFigures: async () => 0, removeJobEvents: async () => 0 }

describe('retention', () => {
  it('goes on while jobs fire, bounds their history, and keeps their ledgers whole', async (t) => {
    const { engine, clock, create, scheduler } = await openParts(t)
    const { store } = engine
    const jobs = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        create({ name: `${i}`, schedule: { interval: { every: 30_000 } }, policies: { maxAttempts: 1 } }),
      ),
    )
    const retention = new Retention({ store, rules: RULES, now: clock.now })
    const tick = async (n: number) => {
      clock.forward(30_000)
      while ((await scheduler.tick()) > 0);
      const begun = await store.beginReady(
        { instanceId: 'ins_test', now: clock.now(), leaseUntil: clock.now() + 30_000, handlers: null },
        1_000,
      )
      const error = { code: 'X', message: 'x', stack: null, retryable: false }
      const reports = begun.map((attempt, i) => ({
        ...attempt,
        outcome:
          (n + i) % 7 === 0
            ? ({ kind: 'FAILED', error, output: null, retryAfter: null } as const)
            : ({ kind: 'SUCCEEDED', output: null } as const),
        now: clock.now(),
        random: 0,
      }))
      await Promise.all([store.settle(reports), retention.runOnce()])
    }
    for (let n = 1; n <= 60; n++) await tick(n)
    const begin = clock.now()
    while ((await retention.runOnce()) > 0) clock.forward(MINUTE)
    for (const jobId of jobs) {
      assert.equal(await engine.prisma.run.count({ where: { jobId } }), 10)
      const [row] = await store.jobRows([jobId])
      const audit = await auditLedger(store, row!, { from: NOON, to: begin + 1 }, begin)
      assert.deepEqual([audit?.planned, audit?.accounted, audit?.missing, audit?.duplicated], [60, 60, 0, 0])
    }
  })

  it('goes on where it was, round by round, and begins anew some time after', async () => {
    const asked: SweepQuery['from'][] = []
    const store = {
      ...nothingElse,
      async sweepJobs({ from }: SweepQuery) {
        asked.push(from)
        const at = from === null ? 0 : Number(from.jobId)
        // Each piece comes to a thousand jobs.
        return { next: at === 4 ? null : { jobId: `${at + 1}`, runId: null }, jobs: 1_000, removed: 0 }
      },
    }
    let now = NOON
    const retention = new Retention({ store, rules: RULES, now: () => now })
    const round = async () => {
      await retention.runOnce()
      return asked.splice(0).map((from) => from?.jobId ?? null)
    }
    assert.deepEqual([await round(), await round(), await round(), await round()], [[null, '1'], ['2', '3'], ['4'], []])
    now += 10_000
    assert.deepEqual(await round(), [null, '1'])
  })

  it('rests after a sweep that was much work, but not for ever', async () => {
    let sweeps = 0
    let elapsed = 0
    let takes = 0
    const store = {
      ...nothingElse,
      async sweepJobs() {
        sweeps++
        elapsed += takes
        return { next: null, jobs: 1, removed: 0 }
      },
    }
    let now = NOON
    const retention = new Retention({ store, rules: RULES, now: () => now, elapsed: () => elapsed })
    const restOf = async (work: number) => {
      takes = work
      now += 300_000
      await retention.runOnce()
      const [before, began] = [sweeps, now]
      for (; sweeps === before; now += 1_000) await retention.runOnce()
      return now - 1_000 - began
    }
    assert.deepEqual([await restOf(1), await restOf(2_000), await restOf(1_000_000)], [10_000, 40_000, 300_000])
  })
})
