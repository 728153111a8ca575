import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import type { PoliciesInput } from '../../src/commands/inputs.ts'
import { sleptThrough } from '../../src/domain/ahead.ts'
import type { ScheduleInput } from '../../src/domain/scheduleInput.ts'
import type { SweepPlace } from '../../src/engine/store/store.ts'
import { caller, NOON } from '../support/parts.ts'
import { type Api, openApi } from './api.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const iso = (instant: number) => new Date(instant).toISOString()

// Everything that may happen to a job, drawn at random, with the real engine under a clock moved by hand. Whatever happened, and whenever
// one asks: an audit finds nothing missing and nothing twice, and the rows of the ledger add up to what it counted.

/** Instants of a draw are shares of the time that has passed since the job was made, in thousandths. */
type Happening =
  | { readonly kind: 'fire'; readonly times: number; readonly step: number }
  | { readonly kind: 'stop'; readonly length: number }
  | { readonly kind: 'back'; readonly length: number }
  | { readonly kind: 'edit'; readonly schedule: ScheduleInput }
  | { readonly kind: 'policies'; readonly policies: PoliciesInput }
  | { readonly kind: 'pause'; readonly length: number | null }
  | { readonly kind: 'resume' }
  | { readonly kind: 'maintenance'; readonly length: number | null }
  | { readonly kind: 'resumeScheduling' }
  | { readonly kind: 'trigger' }
  | {
      readonly kind: 'backfill'
      readonly from: number
      readonly width: number
      readonly overlap: 'BUFFER_ALL' | 'SKIP' | 'ALLOW_ALL' | 'CANCEL_OTHER'
    }
  | { readonly kind: 'work'; readonly fails: boolean }
  | { readonly kind: 'remove'; readonly most: number }
  | { readonly kind: 'look'; readonly from: number; readonly width: number; readonly page: number }

const share = fc.integer({ min: 0, max: 1_000 })
const length = fc.integer({ min: SECOND, max: 4 * MINUTE })

const schedule: fc.Arbitrary<ScheduleInput> = fc.oneof(
  fc.record({
    interval: fc.record({
      every: fc.integer({ min: 5, max: 90 }).map((seconds) => seconds * SECOND),
      anchor: fc.constantFrom(undefined, NOON, NOON + 500),
      maxRuns: fc.constantFrom(null, null, 2, 7),
      jitter: fc.constantFrom(null, null, 4 * SECOND),
      endAt: fc.constantFrom(null, null, null, NOON + 40 * MINUTE),
    }),
  }),
  fc.record({
    cron: fc.record({
      expression: fc.constantFrom('*/10 * * * * *', '* * * * *', '7,8,30 * * * * *'),
      timezone: fc.constantFrom('UTC', 'Asia/Kathmandu'),
      dayMatch: fc.constant('ANY' as const),
      gap: fc.constant('FIRE_AFTER' as const),
      fold: fc.constant('FIRST' as const),
      maxRuns: fc.constantFrom(null, null, 5),
    }),
  }),
)

const policies: fc.Arbitrary<PoliciesInput> = fc
  .record({
    overlap: fc.constantFrom('SKIP', 'BUFFER_ONE', 'BUFFER_ALL', 'CANCEL_OTHER', 'ALLOW_ALL'),
    misfire: fc.constantFrom('LATEST', 'ALL', 'NONE'),
    misfireGrace: fc.constantFrom(0, 2 * SECOND, MINUTE),
    catchupWindow: fc.constantFrom(MINUTE, 24 * 60 * MINUTE),
    pauseAfterFailures: fc.constantFrom(null, null, 2),
  })
  .map(
    (drawn): PoliciesInput =>
      (drawn.misfire === 'ALL' && !drawn.overlap.endsWith('ALL') ? { ...drawn, misfire: 'NONE' } : drawn) as PoliciesInput,
  )

const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('fire'),
      times: fc.integer({ min: 1, max: 8 }),
      step: fc.integer({ min: 1, max: 40 * SECOND }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('stop'), length }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('back'), length }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('edit'), schedule }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('policies'), policies }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pause'), length: fc.option(length) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('resume') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('maintenance'), length: fc.option(length) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('resumeScheduling') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('trigger') }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('backfill'),
      from: fc.integer({ min: -200, max: 1_000 }),
      width: share,
      overlap: fc.constantFrom('BUFFER_ALL', 'SKIP', 'ALLOW_ALL', 'CANCEL_OTHER'),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('work'), fails: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove'), most: fc.integer({ min: 0, max: 9 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('look'), from: share, width: share, page: fc.integer({ min: 1, max: 9 }) }) },
) as fc.Arbitrary<Happening>

const LOOK = `query ($id: ID!, $from: DateTime!, $to: DateTime!, $first: Int, $after: String) { job(by: { id: $id }) {
  audit(from: $from, to: $to) { planned accounted pending missing duplicated }
  occurrences(from: $from, to: $to, first: $first, after: $after) {
    nodes { at until count verdict reason run { trigger } } pageInfo { hasNextPage endCursor }
  }
} }`

interface Row {
  readonly at: string
  readonly until: string
  readonly count: number
  readonly verdict: string
  readonly reason: string | null
}

/** One job's life, and what is looked at on the way. */
class Life {
  readonly #api: Api
  readonly #id: string
  readonly #born: number

  private constructor(api: Api, id: string) {
    this.#api = api
    this.#id = id
    this.#born = api.clock.now()
  }

  static async begin(api: Api, name: string, drawn: { readonly schedule: ScheduleInput; readonly policies: PoliciesInput }): Promise<Life> {
    await api.commands.resumeScheduling(caller)
    return new Life(api, await api.create({ name, ...drawn }))
  }

  async happen(what: Happening): Promise<void> {
    const { clock, commands, scheduler } = this.#api
    const id = this.#id
    switch (what.kind) {
      case 'fire':
        for (let i = 0; i < what.times; i++) {
          clock.forward(what.step)
          await scheduler.tick()
        }
        return
      case 'stop':
        clock.forward(what.length)
        return
      case 'back':
        clock.instant = Math.max(this.#born, clock.now() - what.length)
        return
      case 'edit':
        await commands.updateJob({ id, schedule: what.schedule }, caller)
        return
      case 'policies':
        await commands.updateJob({ id, policies: what.policies }, caller)
        return
      case 'pause':
        await commands.pauseJob({ id, note: 'n', until: what.length === null ? null : clock.now() + what.length }, caller)
        return
      case 'resume':
        await commands.resumeJob({ id }, caller)
        return
      case 'maintenance':
        await commands.pauseScheduling({ note: 'n', until: what.length === null ? null : clock.now() + what.length }, caller)
        return
      case 'resumeScheduling':
        await commands.resumeScheduling(caller)
        return
      case 'trigger':
        await commands.triggerJob({ id, overlap: 'ALLOW_ALL' }, caller)
        return
      case 'backfill': {
        const from = this.#moment(what.from)
        await commands.backfillJob({ id, from, to: Math.min(clock.now(), from + this.#share(what.width)), overlap: what.overlap }, caller)
        return
      }
      case 'work':
        for (const attempt of await this.#api.begin()) await (what.fails ? this.#api.fail(attempt, false) : this.#api.succeed(attempt))
        return
      case 'remove':
        return this.#remove(what.most)
      case 'look':
        return this.look(this.#moment(what.from), this.#moment(what.from) + this.#share(what.width), what.page)
    }
  }

  /** Everything from before the job was there, up to now and some time on. */
  async lookAtAll(): Promise<void> {
    for (const ahead of [1, 10 * MINUTE]) await this.look(this.#born - 60 * MINUTE, this.#api.clock.now() + ahead, 100)
  }

  async look(from: number, to: number, page: number): Promise<void> {
    const { clock, engine } = this.#api
    const rows: Row[] = []
    const variables = { id: this.#id, from: iso(from), to: iso(to), first: page }
    let { audit, occurrences } = (await this.#api.get(LOOK, variables)).job
    rows.push(...occurrences.nodes)
    while (occurrences.pageInfo.hasNextPage) {
      ;({ audit, occurrences } = (await this.#api.get(LOOK, { ...variables, after: occurrences.pageInfo.endCursor })).job)
      rows.push(...occurrences.nodes)
    }
    assert.deepEqual([audit.missing, audit.duplicated], [0, 0])
    assert.equal(audit.planned, audit.accounted + audit.pending)

    for (const [i, row] of rows.entries()) {
      assert.ok(row.at <= row.until && (i === 0 || rows[i - 1]!.until < row.at), 'rows are in order and apart')
      assert.ok(
        row.verdict === 'RUN' || row.verdict === 'PLANNED' || row.verdict === 'COALESCED' || row.reason !== null,
        'each non-run has a reason',
      )
    }
    // Under a clock that went back, the ledger knows instants to come: an audit leaves them out.
    if (to > clock.now() + 1) return
    const beside = await engine.prisma.run.count({
      where: { jobId: this.#id, counted: false, occurrence: { gte: new Date(from), lt: new Date(to) } },
    })
    const decided = rows.filter(({ verdict }) => verdict !== 'PLANNED').reduce((sum, { count }) => sum + count, 0)
    // What a paused job slept through is shown as it will be stored; for the audit it is still pending.
    const { job, position } = (await engine.store.job({ id: this.#id }))!
    const slept = sleptThrough({ job, position }, clock.now()).count(from - 1, to - 1)
    assert.ok(slept <= audit.pending)
    assert.equal(decided, audit.accounted + beside + slept, 'the rows add up to what the audit counted')
  }

  /** Removes finished runs beyond the newest so many of each job, as age would. */
  async #remove(most: number): Promise<void> {
    const rules = { succeededFor: 0, failedFor: 2 * MINUTE, mostOfJob: 1_000, alwaysOfJob: most }
    let from: SweepPlace | null = null
    do from = (await this.#api.engine.store.sweepJobs({ rules, from, now: this.#api.clock.now() })).next
    while (from !== null)
  }

  #share(thousandths: number): number {
    return Math.floor(((this.#api.clock.now() - this.#born) * thousandths) / 1_000)
  }

  #moment(thousandths: number): number {
    return this.#born + this.#share(thousandths)
  }
}

it('whatever happens to a job, each of its instants has one verdict, and the ledger shows them all', async (t) => {
  const api = await openApi(t)
  let lives = 0
  await fc.assert(
    fc.asyncProperty(fc.record({ schedule, policies }), fc.array(happening, { minLength: 5, maxLength: 25 }), async (drawn, happenings) => {
      api.clock.instant = NOON
      const life = await Life.begin(api, `life ${++lives}`, drawn)
      for (const what of happenings) await life.happen(what)
      await life.lookAtAll()
      await api.commands.resumeScheduling(caller)
      while ((await api.scheduler.tick()) > 0);
      await life.lookAtAll()
    }),
    { numRuns: 30 },
  )
})
