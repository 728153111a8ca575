import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { OverlapPolicy } from '../../src/domain/job.ts'
import { occurrencesOf } from '../../src/domain/occurrences.ts'
import { looksAtActiveRuns } from '../../src/domain/overlap.ts'
import type { ActiveRun } from '../../src/domain/run.ts'
import { activeRun, everyMinute, jobOf, ledgerOf, NOON, planOf, positionOf } from './fixtures.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

describe('planning a job that is on time', () => {
  it('gives the due instant a run and looks again at the next', () => {
    const plan = planOf({ now: NOON + MINUTE + 5 })
    assert.deepEqual(ledgerOf(plan), ['RUN 12:01'])
    assert.deepEqual(plan.position, {
      plannedUntil: NOON + MINUTE,
      wakeAt: NOON + 2 * MINUTE,
      nextRunAt: NOON + 2 * MINUTE,
      scheduledRuns: 1,
      completed: false,
      revisionEnds: null,
      pauseEnds: false,
    })
  })

  it('decides nothing before the first instant, and nothing twice after a clock that went back', () => {
    assert.deepEqual(ledgerOf(planOf({ now: NOON + MINUTE - 1 })), [])
    const plan = planOf({ position: positionOf({ plannedUntil: NOON + 5 * MINUTE }), now: NOON + 2 * MINUTE })
    assert.deepEqual(ledgerOf(plan), [])
    assert.equal(plan.position.plannedUntil, NOON + 5 * MINUTE)
    assert.equal(plan.position.wakeAt, NOON + 6 * MINUTE)
  })

  it('completes a once job with its only run', () => {
    const job = jobOf({ schedule: { kind: 'once', at: NOON + MINUTE, jitter: null } })
    const plan = planOf({ job, now: NOON + MINUTE })
    assert.deepEqual(ledgerOf(plan), ['RUN 12:01'])
    assert.equal(plan.position.completed, true)
    assert.equal(plan.position.wakeAt, null)
  })

  it('waits for the jitter of the newest instant, but not where a command closes the job', () => {
    const job = jobOf({ schedule: everyMinute({ jitter: 30_000 }) })
    const due = planOf({ job, now: NOON + 2 * MINUTE - 1 }).position.plannedUntil
    assert.equal(due, NOON + MINUTE, 'its jitter is over before the next instant')
    const wakeAt = planOf({ job, now: NOON }).position.wakeAt!
    assert.ok(wakeAt > NOON + MINUTE && wakeAt <= NOON + MINUTE + 30_000)
    assert.deepEqual(ledgerOf(planOf({ job, now: wakeAt - 1 })), [])
    const closing = planOf({ job, now: wakeAt - 1, closing: true })
    assert.deepEqual(ledgerOf(closing), ['RUN 12:01'])
    const [entry] = closing.entries
    assert.equal(entry?.kind === 'run' && entry.run.dueAt, wakeAt)
    assert.equal(closing.position.plannedUntil, wakeAt - 1)
  })

  it('ends the schedule with the last run of maxRuns', () => {
    const job = jobOf({ schedule: everyMinute({ maxRuns: 3 }) })
    const plan = planOf({ job, position: positionOf({ scheduledRuns: 2 }), now: NOON + MINUTE })
    assert.deepEqual([plan.position.revisionEnds, plan.position.completed, plan.position.wakeAt], [NOON + MINUTE, true, null])
  })

  it('leaves the instants after the last run of maxRuns without a verdict', () => {
    const job = jobOf({ schedule: everyMinute({ maxRuns: 2 }), policies: { misfire: 'ALL', overlap: 'ALLOW_ALL' } })
    const plan = planOf({ job, now: NOON + 5 * MINUTE })
    assert.deepEqual(ledgerOf(plan), ['RUN 12:01', 'RUN 12:02'])
    assert.equal(plan.position.plannedUntil, NOON + 2 * MINUTE)
  })
})

describe('misfires', () => {
  const late = NOON + 10 * MINUTE + 20_000

  it('NONE: ten minutes down, the newest 20 s late: one run, nine missed', () => {
    assert.deepEqual(ledgerOf(planOf({ job: jobOf({ policies: { misfire: 'NONE' } }), now: late })), ['MISSED 12:01-12:09 ×9', 'RUN 12:10'])
  })

  it('NONE: a newest instant beyond the grace is missed too', () => {
    const job = jobOf({ policies: { misfire: 'NONE', misfireGrace: 10_000 } })
    assert.deepEqual(ledgerOf(planOf({ job, now: late })), ['MISSED 12:01-12:09 ×9', 'MISSED 12:10'])
  })

  it('LATEST: coalesces them into the newest, which runs even if late', () => {
    const job = jobOf({ policies: { misfireGrace: 1_000 } })
    const plan = planOf({ job, now: late })
    assert.deepEqual(ledgerOf(plan), ['COALESCED 12:01-12:09 ×9', 'RUN 12:10 +9'])
    const [span, run] = plan.entries
    assert.equal(span?.kind === 'span' && span.span.runId, run?.kind === 'run' && run.run.id)
  })

  it('LATEST: what was coalesced into an instant that overlap skips shares its verdict', () => {
    assert.deepEqual(ledgerOf(planOf({ active: [activeRun()], now: late })), ['SKIPPED_OVERLAP 12:01-12:09 ×9', 'SKIPPED_OVERLAP 12:10'])
  })

  it('ALL: runs every one of them, oldest first', () => {
    const job = jobOf({ policies: { misfire: 'ALL', overlap: 'BUFFER_ALL' } })
    assert.deepEqual(ledgerOf(planOf({ job, now: NOON + 3 * MINUTE })), ['RUN 12:01', 'RUN 12:02 held', 'RUN 12:03 held'])
  })

  it('ALL: runs the newest 1,000 of the late ones and the one on time; the rest is missed', () => {
    const job = jobOf({ policies: { misfire: 'ALL', overlap: 'ALLOW_ALL' } })
    const plan = planOf({ job, now: NOON + 1_200 * MINUTE })
    const runs = plan.entries.filter((entry) => entry.kind === 'run')
    assert.equal(runs.length, 1_001)
    const [first] = plan.entries
    assert.equal(first?.kind === 'span' && first.span.verdict === 'MISSED' && first.span.count, 199)
  })

  it('instants older than the catch-up window are missed under every policy', () => {
    for (const misfire of ['LATEST', 'ALL', 'NONE'] as const) {
      const job = jobOf({ policies: { misfire, overlap: 'ALLOW_ALL', catchupWindow: 2 * MINUTE } })
      const [oldest] = planOf({ job, now: late }).entries
      assert.ok(oldest?.kind === 'span')
      assert.deepEqual([oldest.span.verdict, oldest.span.first, oldest.span.count], ['MISSED', NOON + MINUTE, 8], misfire)
    }
  })

  it('a week of seconds is planned at once, in a handful of rows', () => {
    const job = jobOf({ schedule: everyMinute({ every: 1_000 }) })
    const began = performance.now()
    const plan = planOf({ job, now: NOON + 7 * 24 * HOUR })
    assert.ok(performance.now() - began < 1_000)
    assert.equal(plan.entries.length, 3)
    const counts = plan.entries.map((entry) => (entry.kind === 'run' ? 1 : entry.span.count))
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      7 * 24 * 3_600,
    )
  })
})

describe('overlap', () => {
  const table: [OverlapPolicy, ReturnType<typeof activeRun>[], string][] = [
    ['SKIP', [], 'RUN 12:01'],
    ['SKIP', [activeRun({ status: 'RETRYING' })], 'SKIPPED_OVERLAP 12:01'],
    ['SKIP', [activeRun({ trigger: 'MANUAL' })], 'SKIPPED_OVERLAP 12:01'],
    ['BUFFER_ONE', [activeRun()], 'RUN 12:01 held'],
    ['BUFFER_ONE', [activeRun(), activeRun({ status: 'QUEUED', heldBy: 'OVERLAP' })], 'SKIPPED_OVERLAP 12:01'],
    ['BUFFER_ONE', [activeRun(), activeRun({ status: 'QUEUED', heldBy: 'OVERLAP', trigger: 'MANUAL' })], 'RUN 12:01 held'],
    [
      'BUFFER_ALL',
      [activeRun(), ...Array.from({ length: 999 }, () => activeRun({ status: 'QUEUED', heldBy: 'OVERLAP' }))],
      'RUN 12:01 held',
    ],
    [
      'BUFFER_ALL',
      [activeRun(), ...Array.from({ length: 1_000 }, () => activeRun({ status: 'QUEUED', heldBy: 'OVERLAP' }))],
      'SKIPPED_LIMIT 12:01',
    ],
    ['CANCEL_OTHER', [activeRun()], 'RUN 12:01 held'],
    ['ALLOW_ALL', [activeRun()], 'RUN 12:01'],
  ]
  for (const [overlap, active, expected] of table) {
    it(`${overlap} with ${active.length} active: ${expected}`, () => {
      assert.deepEqual(ledgerOf(planOf({ job: jobOf({ policies: { overlap } }), active, now: NOON + MINUTE })), [expected])
    })
  }

  it('CANCEL_OTHER asks every active run to cancel', () => {
    const active = [activeRun(), activeRun({ status: 'QUEUED', heldBy: 'OVERLAP' })]
    const plan = planOf({ job: jobOf({ policies: { overlap: 'CANCEL_OTHER' } }), active, now: NOON + MINUTE })
    assert.deepEqual(
      plan.cancels,
      active.map((run) => run.id),
    )
  })
})

describe('pauses', () => {
  const pause = (until: number | null) => ({ since: NOON, until, note: 'payroll', by: null })

  it('instants of a paused job are skipped, in one row, with the note as reason', () => {
    const plan = planOf({ job: jobOf({ pause: pause(null) }), now: NOON + 30 * MINUTE, closing: true })
    assert.deepEqual(ledgerOf(plan), ['SKIPPED_PAUSED 12:01-12:30 ×30'])
    const [entry] = plan.entries
    assert.equal(entry?.kind === 'span' && entry.span.reason, 'Paused: payroll')
    assert.deepEqual([plan.position.wakeAt, plan.position.nextRunAt, plan.position.completed], [null, null, false])
  })

  it('a pause ends by itself at its `until`, which fires', () => {
    const job = jobOf({ pause: pause(NOON + 5 * MINUTE) })
    const sleeping = planOf({ job, now: NOON + MINUTE })
    assert.deepEqual([sleeping.position.wakeAt, sleeping.position.nextRunAt], [NOON + 5 * MINUTE, NOON + 5 * MINUTE])
    const plan = planOf({ job, now: NOON + 5 * MINUTE })
    assert.deepEqual(ledgerOf(plan), ['SKIPPED_PAUSED 12:01-12:04 ×4', 'RUN 12:05'])
    assert.equal(plan.position.pauseEnds, true)
    assert.equal(plan.position.wakeAt, NOON + 6 * MINUTE)
  })

  it('a pause that ends while its last instant still waits for its jitter has skipped it', () => {
    const job = jobOf({ schedule: everyMinute({ jitter: 59_000 }), pause: pause(NOON + MINUTE + 1) })
    const plan = planOf({ job, now: NOON + MINUTE + 1 })
    assert.deepEqual(ledgerOf(plan), ['SKIPPED_PAUSED 12:01'])
    assert.deepEqual([plan.position.pauseEnds, plan.position.plannedUntil], [true, NOON + MINUTE])
  })

  it('a once job whose instant passes while paused is skipped and completed', () => {
    const job = jobOf({ schedule: { kind: 'once', at: NOON + MINUTE, jitter: null }, pause: pause(null) })
    assert.equal(planOf({ job, now: NOON }).position.wakeAt, NOON + MINUTE)
    const plan = planOf({ job, now: NOON + MINUTE })
    assert.deepEqual(ledgerOf(plan), ['SKIPPED_PAUSED 12:01'])
    assert.equal(plan.position.completed, true)
  })

  it('maintenance of the whole scheduling speaks with its own reason', () => {
    const maintenance = [{ since: NOON + 2 * MINUTE, until: NOON + 4 * MINUTE, note: 'disks', by: 'ada' }]
    const job = jobOf({ policies: { misfire: 'NONE' } })
    const plan = planOf({ job, maintenance, now: NOON + 5 * MINUTE })
    assert.deepEqual(ledgerOf(plan), ['MISSED 12:01-12:02 ×2', 'SKIPPED_PAUSED 12:03', 'MISSED 12:04', 'RUN 12:05'])
    const [, skipped] = plan.entries
    assert.equal(skipped?.kind === 'span' && skipped.span.reason, 'Scheduling paused: disks')
  })
})

describe('a job that allows all', () => {
  it('is planned alike, whether its active runs are given or not', () => {
    const job = jobOf({ policies: { misfire: 'ALL', overlap: 'ALLOW_ALL' } })
    const planned = (active: readonly ActiveRun[]) =>
      ledgerOf(planOf({ job, active, position: positionOf({ activeRuns: 2 }), now: NOON + 3 * MINUTE }))
    assert.deepEqual(planned([activeRun(), activeRun({ status: 'QUEUED', heldBy: 'OVERLAP' })]), planned([]))
    assert.equal(looksAtActiveRuns('ALLOW_ALL'), false)
  })
})

describe('conservation', () => {
  it('every due instant gets exactly one verdict, in order, whatever the policies', () => {
    const policies = fc.record({
      overlap: fc.constantFrom<OverlapPolicy>('SKIP', 'BUFFER_ONE', 'BUFFER_ALL', 'CANCEL_OTHER', 'ALLOW_ALL'),
      misfire: fc.constantFrom('LATEST' as const, 'ALL' as const, 'NONE' as const),
      misfireGrace: fc.integer({ min: 0, max: 5 * MINUTE }),
      catchupWindow: fc.integer({ min: 5 * MINUTE, max: 3 * HOUR }),
    })
    const pauses = fc.option(
      fc.record({ since: fc.integer({ min: 0, max: 2 * HOUR }), length: fc.option(fc.integer({ min: 1, max: 2 * HOUR })) }),
    )
    fc.assert(
      fc.property(
        policies,
        pauses,
        fc.integer({ min: 0, max: 4 * HOUR }),
        fc.integer({ min: 0, max: 3 }),
        fc.option(fc.integer({ min: 0, max: 59_000 })),
        fc.boolean(),
        (given, pause, elapsed, busy, jitter, closing) => {
          const now = NOON + elapsed
          const window =
            pause === null
              ? null
              : { since: NOON + pause.since, until: pause.length === null ? null : NOON + pause.since + pause.length, note: 'x', by: null }
          const job = jobOf({
            schedule: everyMinute({ jitter }),
            policies: given,
            pause: window !== null && window.since <= now ? window : null,
          })
          const plan = planOf({
            job,
            now,
            closing,
            active: Array.from({ length: busy }, () => activeRun()),
            position: positionOf({ activeRuns: busy }),
          })
          const occurrences = occurrencesOf(job.schedule)
          let expected: number | null = occurrences.next(NOON)
          for (const entry of plan.entries) {
            const [first, last, count] =
              entry.kind === 'run'
                ? [entry.run.scheduledFor, entry.run.scheduledFor, 1]
                : [entry.span.first, entry.span.last, entry.span.count]
            assert.equal(first, expected, 'an entry begins where the one before ended')
            assert.equal(occurrences.count(first - 1, last), count)
            expected = occurrences.next(last)
          }
          assert.ok(expected! > plan.position.plannedUntil, 'all up to plannedUntil is decided')
          assert.ok(expected! > now - (jitter ?? 0) - 1, 'nothing that is due is left')
        },
      ),
      { numRuns: 500, seed: 7 },
    )
  })
})
