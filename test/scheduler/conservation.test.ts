import assert from 'node:assert/strict'
import { it, type TestContext } from 'node:test'
import fc from 'fast-check'
import type { CreateJobInput } from '../../src/commands/inputs.ts'
import { occurrencesOfRevision } from '../../src/domain/occurrences.ts'
import type { Outcome } from '../../src/domain/run.ts'
import type { Schedule } from '../../src/domain/schedule.ts'
import type { ScheduleInput } from '../../src/domain/scheduleInput.ts'
import { caller, NOON, openParts, type Parts } from '../support/parts.ts'

const MINUTE = 60_000
const cron = (expression: string) => ({ cron: { expression, timezone: 'UTC', dayMatch: 'ANY', gap: 'FIRE_AFTER', fold: 'FIRST' } }) as const

/** What jobs are made of and changed to; instants are minutes from the moment they are used. */
const SCHEDULES: readonly ((now: number) => ScheduleInput)[] = [
  () => ({ interval: { every: MINUTE } }),
  () => ({ interval: { every: 20_000, jitter: 15_000 } }),
  () => ({ interval: { every: MINUTE, maxRuns: 3 } }),
  (now) => ({ interval: { every: 90_000, endAt: now + 10 * MINUTE, jitter: 80_000 } }),
  () => cron('*/2 * * * *'),
  (now) => ({ once: { at: now + 4 * MINUTE, jitter: MINUTE } }),
]
const POLICIES: readonly NonNullable<CreateJobInput['policies']>[] = [
  {},
  { overlap: 'ALLOW_ALL', misfire: 'ALL', pauseAfterFailures: 2, maxAttempts: 1 },
  { overlap: 'CANCEL_OTHER', misfire: 'NONE', misfireGrace: 1_000 },
  { overlap: 'BUFFER_ALL', misfire: 'ALL' },
]

type Step =
  | { readonly do: 'wait'; readonly for: number }
  | { readonly do: 'tick' | 'resume all' }
  | { readonly do: 'pause all'; readonly until: number | null }
  | { readonly do: 'pause'; readonly job: number; readonly until: number | null }
  | { readonly do: 'resume' | 'trigger'; readonly job: number }
  | { readonly do: 'edit'; readonly job: number; readonly schedule: number; readonly policies: number }
  | { readonly do: 'settle'; readonly fails: boolean }
  | { readonly do: 'backfill'; readonly job: number; readonly ago: number; readonly for: number }

const job = fc.nat({ max: SCHEDULES.length - 1 })
const length = fc.oneof(
  fc.integer({ min: 1, max: 4 }).map((minutes) => minutes * MINUTE),
  fc.integer({ min: 1, max: 200_000 }),
)
const until = fc.option(length)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('wait' as const), for: length }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('tick' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pause all' as const), until }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('resume all' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pause' as const), job, until }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('resume' as const, 'trigger' as const), job }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('settle' as const), fails: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('backfill' as const), job, ago: length, for: length }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('edit' as const), job, schedule: job, policies: fc.nat({ max: POLICIES.length - 1 }) }),
  },
)

async function perform({ commands, clock, scheduler, engine }: Parts, ids: readonly string[], step: Step): Promise<void> {
  const now = clock.now()
  const at = (until: number | null) => (until === null ? null : now + until)
  switch (step.do) {
    case 'wait':
      clock.forward(step.for)
      return
    case 'tick':
      await scheduler.tick()
      return
    case 'pause all':
      await commands.pauseScheduling({ note: 'all', until: at(step.until) }, caller)
      return
    case 'resume all':
      await commands.resumeScheduling(caller)
      return
    case 'pause':
      await commands.pauseJob({ id: ids[step.job]!, note: 'own', until: at(step.until) }, caller)
      return
    case 'resume':
      await commands.resumeJob({ id: ids[step.job]! }, caller)
      return
    case 'trigger':
      await commands.triggerJob({ id: ids[step.job]! }, caller)
      return
    case 'backfill':
      await commands.backfillJob({ id: ids[step.job]!, from: now - step.ago, to: Math.min(now, now - step.ago + step.for) }, caller)
      return
    case 'edit':
      await commands.updateJob({ id: ids[step.job]!, schedule: SCHEDULES[step.schedule]!(now), policies: POLICIES[step.policies] }, caller)
      return
    case 'settle': {
      const begun = await engine.store.beginReady({ instanceId: 'ins_test', now, leaseUntil: now + MINUTE, handlers: null }, 100)
      const broken: Outcome = {
        kind: 'FAILED',
        error: { code: 'X', message: 'x', stack: null, retryable: true },
        output: null,
        retryAfter: null,
      }
      const outcome: Outcome = step.fails ? broken : { kind: 'SUCCEEDED', output: null }
      await engine.store.settle(begun.map(({ runId, attempt }) => ({ runId, attempt, outcome, now, random: 0.5 })))
    }
  }
}

/** The instants of all revisions that the planner has come to. */
async function plannedOf({ engine }: Parts, jobId: string): Promise<number[]> {
  const { plannedUntil } = (await engine.store.jobRows([jobId]))[0]!.position
  const revisions = await engine.prisma.revision.findMany({ where: { jobId }, orderBy: { number: 'asc' } })
  return revisions.flatMap((row) => {
    const revision = {
      number: row.number,
      schedule: JSON.parse(row.schedule) as Schedule,
      from: row.from.getTime(),
      until: row.until?.getTime() ?? null,
    }
    return instantsOf(occurrencesOfRevision(revision), revision.from, plannedUntil)
  })
}

interface Decided {
  readonly instant: number
  readonly verdict: string
  readonly reason: string | null
}

/** Every instant that has a verdict, as often as it has one. */
async function decidedOf({ engine }: Parts, jobId: string): Promise<Decided[]> {
  const runs = await engine.prisma.run.findMany({ where: { jobId, occurrence: { not: null }, counted: true } })
  const verdicts = await engine.prisma.verdict.findMany({ where: { jobId } })
  const revisions = await engine.prisma.revision.findMany({ where: { jobId } })
  const spans = verdicts.flatMap(({ revision, first, last, count, verdict, reason }) => {
    const { schedule, from } = revisions.find((each) => each.number === revision)!
    const occurrences = occurrencesOfRevision({
      number: revision,
      schedule: JSON.parse(schedule) as Schedule,
      from: from.getTime(),
      until: null,
    })
    const instants = instantsOf(occurrences, first.getTime() - 1, last.getTime())
    assert.equal(instants.length, count, 'a row counts what it spans')
    return instants.map((instant) => ({ instant, verdict, reason }))
  })
  const decided = [...runs.map((run) => ({ instant: run.occurrence!.getTime(), verdict: run.trigger, reason: null })), ...spans]
  return decided.sort((a, b) => a.instant - b.instant)
}

function instantsOf(occurrences: ReturnType<typeof occurrencesOfRevision>, after: number, upTo: number): number[] {
  const instants: number[] = []
  for (let next = occurrences.next(after); next !== null && next <= upTo; next = occurrences.next(next)) instants.push(next)
  return instants
}

async function checkVerdicts(parts: Parts, jobId: string): Promise<readonly Decided[]> {
  const decided = await decidedOf(parts, jobId)
  assert.deepEqual(
    decided.map(({ instant }) => instant),
    await plannedOf(parts, jobId),
    'every instant that the planner has come to has one verdict',
  )
  return decided
}

async function checkMaintenance({ engine }: Parts, decided: readonly Decided[]): Promise<void> {
  const windows = await engine.store.maintenance()
  for (const { instant, verdict, reason } of decided) {
    const at = new Date(instant).toISOString()
    const within = windows.find(({ since, until }) => instant > since && (until === null || instant <= until))
    // One that was decided in the very millisecond in which somebody resumed is the only one at `until`.
    if (within !== undefined && instant !== within.until)
      assert.match(verdict, /^(SKIPPED_PAUSED|BACKFILL)$/, `${at} fell into maintenance`)
    if (reason === 'Scheduling paused: all') assert.ok(within, `${at} fell into no maintenance`)
  }
}

/** Does what it is told to jobs of every kind; answers what became of the instants of each. */
async function replay(t: TestContext, steps: readonly Step[]) {
  const parts = await openParts(t)
  const ids: string[] = []
  for (const [index, schedule] of SCHEDULES.entries())
    ids.push(await parts.create({ name: `${index}`, schedule: schedule(NOON), policies: POLICIES[index % POLICIES.length] }))
  for (const each of steps) await perform(parts, ids, each)
  await parts.scheduler.tick()
  assert.deepEqual(
    parts.entries.filter(({ level }) => level !== 'info'),
    [],
    'nothing went wrong',
  )
  const ledgers: (readonly Decided[])[] = []
  for (const id of ids) ledgers.push(await checkVerdicts(parts, id))
  return { parts, ledgers }
}

it('whatever is done to jobs and to the whole scheduling, every instant gets one verdict, and none fires in maintenance', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), async (steps) => {
      const { parts, ledgers } = await replay(t, steps)
      for (const decided of ledgers) await checkMaintenance(parts, decided)
    }),
    { numRuns: 20, seed: 5 },
  )
})

it('every instant gets one verdict also where the clock is turned back now and then', async (t) => {
  const back = fc.record({ do: fc.constant('wait' as const), for: length.map((forward) => -forward) })
  const steps = fc.array(fc.oneof({ weight: 9, arbitrary: step }, { weight: 1, arbitrary: back }), { minLength: 20, maxLength: 60 })
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const { ledgers } = await replay(t, all)
      assert.equal(ledgers.length, SCHEDULES.length)
    }),
    { numRuns: 15, seed: 6 },
  )
})
