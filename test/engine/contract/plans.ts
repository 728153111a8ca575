import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { DAY } from '../../../src/domain/instant.ts'
import type { Hint } from '../../../src/engine/bus/bus.ts'
import type { Engine } from '../../../src/engine/engine.ts'
import {
  allRuns,
  beginAll,
  changeJob,
  createJob,
  LATER,
  MINUTE,
  manualRunOf,
  NOON,
  planOf,
  planRun,
  positionOf,
  runEntry,
  runOf,
  runRow,
  settleOne,
  spanEntry,
  spanOf,
  statusOf,
  verdictsOf,
} from '../factories.ts'

type Open = (t: TestContext) => Promise<Engine>

export function planContract(open: Open): void {
  describe('due jobs', () => {
    it('are those whose wakeAt has come, earliest first, up to the limit', async (t) => {
      const { store } = await open(t)
      for (const [i, wakeAt] of [NOON + 30, NOON + 10, null, NOON + 20].entries()) await createJob(store, { name: `j${i}` }, { wakeAt })
      const names = async (now: number, limit: number) => {
        const jobs = await store.jobsById((await store.duePositions(now, limit)).map(({ jobId }) => jobId))
        return jobs.map(({ name }) => name)
      }
      assert.deepEqual(await names(NOON + 20, 10), ['j1', 'j3'])
      assert.deepEqual(await names(NOON + 99, 2), ['j1', 'j3'])
      assert.deepEqual(await names(NOON + 9, 10), [])
      assert.equal(await store.nextWakeAt(), NOON + 10)
    })

    it('nobody wakes an empty database', async (t) => {
      const { store } = await open(t)
      assert.deepEqual([await store.nextWakeAt(), await store.nextReadyAt(0), await store.duePositions(LATER, 5)], [null, null, []])
    })
  })

  describe('committing plans', () => {
    it('stores the run as planned, moves the position, and shows it as the last run', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store, { payload: '{"ü":[1]}', policies: { priority: 7 } })
      const position = await positionOf(store, job.id)
      const run = runOf(job, {
        occurrence: NOON + MINUTE,
        dueAt: NOON + MINUTE + 5,
        queuedAt: NOON + MINUTE + 9,
        coalesced: 3,
        triggeredBy: 'x',
      })
      const moved = {
        plannedUntil: NOON + MINUTE,
        wakeAt: NOON + 9 * MINUTE,
        nextRunAt: NOON + 8 * MINUTE,
        scheduledRuns: 4,
        completed: false,
      }
      assert.deepEqual(await store.commitPlans([planOf(position, [runEntry(run)], { position: moved })], NOON + MINUTE + 9), [true])
      const { cursor, ...row } = await runRow(store, run.id)
      const { idempotencyKey: _key, maxConcurrency: _bound, counted: _counted, ...asked } = run
      assert.deepEqual(row, {
        ...asked,
        status: 'QUEUED',
        startedAt: null,
        finishedAt: null,
        cancelRequestedAt: null,
        output: null,
        error: null,
        progress: null,
        attempt: 0,
        attemptStatus: null,
        attemptStartedAt: null,
        attemptsUsed: 0,
        nextAttemptAt: null,
        instanceId: null,
        jobVersion: null,
        leaseUntil: null,
        changedAt: NOON + MINUTE + 9,
      })
      assert.equal(cursor, await store.streamHead())
      const shown = await store.job({ id: job.id })
      assert.deepEqual(shown?.position, { ...position, ...moved, activeRuns: 1, lastRunId: run.id })
      assert.deepEqual([shown?.lastRunStatus, shown?.lastRunAt], ['QUEUED', NOON + MINUTE + 9])
      assert.deepEqual(
        [...(await store.activeRuns([job.id, 'job_none']))],
        [
          [
            job.id,
            [{ id: run.id, status: 'QUEUED', trigger: 'SCHEDULE', heldBy: null, dueAt: NOON + MINUTE + 5, cancelRequestedAt: null }],
          ],
          ['job_none', []],
        ],
      )
    })

    it('of two from one position one is written, whole, and the other not at all', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store)
      const position = await positionOf(store, job.id)
      const plans = [1, 2].map((minute) => planOf(position, [runEntry(runOf(job, { occurrence: NOON + minute * MINUTE }))]))
      const answers = await Promise.all(plans.map((plan) => store.commitPlans([plan], LATER)))
      assert.deepEqual(answers.flat().sort(), [false, true])
      assert.equal(await store.countRuns(allRuns), 1)
      const again = planOf(await positionOf(store, job.id), [])
      assert.deepEqual(await store.commitPlans([again, again], LATER), [true, false])
    })

    for (const [what, disturb] of [
      ['a command changed the job', ({ store }: Engine, id: string) => changeJob(store, id, (job) => ({ job: { ...job, version: 2 } }))],
      ['a run was added', async ({ store }: Engine, id: string) => changeJob(store, id, (job) => ({ runs: [manualRunOf(job)] }))],
      ['the position moved', ({ store }: Engine, id: string) => changeJob(store, id, () => ({ position: { plannedUntil: NOON + 1 } }))],
      [
        // As many are active as before, but not the same: what overlaps with what was decided without it.
        'a run was added, and one has ended',
        async ({ store }: Engine, id: string) => {
          await changeJob(store, id, (job) => ({ runs: [manualRunOf(job)] }))
          await settleOne(store, (await beginAll(store))[0]!)
        },
      ],
      ['the job was deleted', async ({ store }: Engine, id: string) => changeJob(store, id, () => ({ delete: true }))],
    ] as const) {
      it(`a plan is not written where ${what}`, async (t) => {
        const engine = await open(t)
        const { store } = engine
        const job = await createJob(store)
        const position = await positionOf(store, job.id)
        await disturb(engine, job.id)
        const run = runOf(job)
        assert.deepEqual(await store.commitPlans([planOf(position, [runEntry(run), spanEntry(spanOf())])], LATER), [false])
        assert.equal(await store.run(run.id), null)
        assert.deepEqual(await verdictsOf(engine, job.id), [])
      })
    }

    it('an occurrence gets one run, whoever asks', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store)
      const backfilled = runOf(job, { trigger: 'BACKFILL', occurrence: NOON + MINUTE })
      await changeJob(store, job.id, () => ({ runs: [backfilled] }))
      const twin = runOf(job, { occurrence: NOON + MINUTE })
      const plan = planOf(await positionOf(store, job.id), [runEntry(twin)])
      assert.deepEqual(await store.commitPlans([plan], LATER), [true])
      assert.equal(await store.run(twin.id), null)
      const { activeRuns, lastRunId } = await positionOf(store, job.id)
      assert.deepEqual([activeRuns, lastRunId], [1, backfilled.id])
    })

    it('ends the revision that the plan says has ended', async (t) => {
      const engine = await open(t)
      const job = await createJob(engine.store)
      const position = await positionOf(engine.store, job.id)
      await engine.store.commitPlans(
        [planOf(position, [], { position: { completed: true, wakeAt: null, nextRunAt: null, revisionEnds: NOON + 7 } })],
        LATER,
      )
      const [revision] = await engine.prisma.revision.findMany({ where: { jobId: job.id } })
      assert.equal(revision?.until?.getTime(), NOON + 7)
      assert.equal((await positionOf(engine.store, job.id)).completed, true)
    })

    it('a pause that reached its end is removed once, which is told, makes definitions stale, and leaves the version', async (t) => {
      const engine = await open(t)
      const { store } = engine
      const pause = { since: NOON, until: NOON + MINUTE, note: 'n', by: null }
      const job = await createJob(store, { pause })
      const before = await positionOf(store, job.id)
      const plan = () =>
        positionOf(store, job.id).then((position) =>
          store.commitPlans([planOf(position, [], { position: { pauseEnds: true } })], NOON + MINUTE),
        )
      await plan()
      const after = await store.job({ id: job.id })
      assert.deepEqual([after?.job.pause, after?.job.version], [null, 1])
      assert.notEqual(after?.position.version, before.version)
      await plan()
      const events = await engine.prisma.jobEvent.findMany({ where: { jobId: job.id }, orderBy: { cursor: 'asc' } })
      assert.deepEqual(
        events.map(({ change }) => change),
        ['CREATED', 'UPDATED'],
      )
    })

    it('a pause that a command has made since is not removed by a plan that knew the one before', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store, { pause: { since: NOON, until: LATER + 1, note: 'n', by: null } })
      await store.commitPlans([planOf(await positionOf(store, job.id), [], { position: { pauseEnds: true } })], LATER)
      assert.equal((await store.job({ id: job.id }))?.job.pause?.note, 'n')
    })

    it('a job that a plan completes is told of once, whether or not its pause ends with that', async (t) => {
      const engine = await open(t)
      const { store } = engine
      for (const pause of [null, { since: NOON, until: NOON + 1, note: 'n', by: null }]) {
        const job = await createJob(store, { pause })
        for (let i = 0; i < 2; i++) {
          const completing = { completed: true, wakeAt: null, nextRunAt: null, pauseEnds: pause !== null }
          await store.commitPlans([planOf(await positionOf(store, job.id), [], { position: completing })], NOON + MINUTE)
        }
        const events = await engine.prisma.jobEvent.findMany({ where: { jobId: job.id }, orderBy: { cursor: 'asc' } })
        assert.deepEqual(
          events.map(({ change }) => change),
          ['CREATED', 'UPDATED'],
        )
        const after = (await store.job({ id: job.id }))!
        assert.deepEqual([after.position.completed, after.job.version], [true, 1])
      }
    })

    it('cancels what the plan replaces: waiting runs end, running ones are asked, and the new run starts after them', async (t) => {
      const { store, bus } = await open(t)
      const job = await createJob(store, { policies: { overlap: 'CANCEL_OTHER' } })
      const running = await planRun(store, job)
      const [attempt] = await store.beginReady({ instanceId: 'i', now: LATER, leaseUntil: LATER + 1, handlers: null }, 1)
      const waiting = await planRun(store, job, { heldBy: 'OVERLAP' })
      const hints: Hint[] = []
      bus.subscribe((hint) => hints.push(hint))
      const next = runOf(job, { occurrence: NOON + 9 * MINUTE, heldBy: 'OVERLAP' })
      await store.commitPlans([planOf(await positionOf(store, job.id), [runEntry(next)], { cancels: [running.id, waiting.id] })], LATER)
      assert.deepEqual(await Promise.all([running, waiting, next].map(({ id }) => statusOf(store, id))), [
        'RUNNING',
        'CANCELLED',
        'QUEUED held by OVERLAP',
      ])
      assert.deepEqual(
        hints.filter(({ kind }) => kind === 'cancels'),
        [{ kind: 'cancels', runIds: [running.id] }],
      )
      await store.settle([{ runId: running.id, attempt: attempt!.attempt, outcome: { kind: 'CANCELLED' }, now: LATER, random: 0 }])
      assert.deepEqual(await Promise.all([running, next].map(({ id }) => statusOf(store, id))), ['CANCELLED', 'QUEUED'])
    })

    it('where all that is replaced only waited, the new run starts at once', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store)
      const waiting = [await planRun(store, job), await planRun(store, job, { heldBy: 'OVERLAP' })]
      const next = runOf(job, { occurrence: NOON + 9 * MINUTE, heldBy: 'OVERLAP' })
      await store.commitPlans([planOf(await positionOf(store, job.id), [runEntry(next)], { cancels: waiting.map(({ id }) => id) })], LATER)
      assert.deepEqual(await Promise.all([...waiting, next].map(({ id }) => statusOf(store, id))), ['CANCELLED', 'CANCELLED', 'QUEUED'])
    })
  })

  describe('verdicts', () => {
    const spans = async (engine: Engine, jobId: string) =>
      (await verdictsOf(engine, jobId)).map(({ verdict, first, last, count }) => [
        verdict,
        (first - NOON) / MINUTE,
        (last - NOON) / MINUTE,
        count,
      ])

    it('of neighbouring instants that say the same share a row', async (t) => {
      const engine = await open(t)
      const { store } = engine
      const job = await createJob(store)
      for (const minute of [1, 2, 3]) {
        await store.commitPlans([planOf(await positionOf(store, job.id), [spanEntry(spanOf({ first: NOON + minute * MINUTE }))])], LATER)
      }
      assert.deepEqual(await spans(engine, job.id), [['MISSED', 1, 3, 3]])
      assert.equal((await positionOf(store, job.id)).trailingVerdictId, (await verdictsOf(engine, job.id))[0]?.id)
    })

    for (const [what, second] of [
      ['another verdict', { verdict: 'SKIPPED_PAUSED' }],
      ['another reason', { reason: 'Other.' }],
      ['another run', { runId: 'run_x' }],
    ] as const) {
      it(`of ${what} are apart`, async (t) => {
        const engine = await open(t)
        const { store } = engine
        const job = await createJob(store)
        await store.commitPlans(
          [planOf(await positionOf(store, job.id), [spanEntry(spanOf()), spanEntry(spanOf({ first: NOON + 2 * MINUTE, ...second }))])],
          LATER,
        )
        assert.deepEqual(
          (await spans(engine, job.id)).map(([, first]) => first),
          [1, 2],
        )
      })
    }

    it('of another revision, and with a run between them, are apart', async (t) => {
      const engine = await open(t)
      const { store } = engine
      const job = await createJob(store)
      const entries = [
        spanEntry(spanOf()),
        runEntry(runOf(job, { occurrence: NOON + 2 * MINUTE })),
        spanEntry(spanOf({ first: NOON + 3 * MINUTE })),
      ]
      await store.commitPlans([planOf(await positionOf(store, job.id), entries)], LATER)
      await store.commitPlans(
        [planOf(await positionOf(store, job.id), [spanEntry(spanOf({ first: NOON + 4 * MINUTE }))], { revision: 2 })],
        LATER,
      )
      await store.commitPlans([planOf(await positionOf(store, job.id), [runEntry(runOf(job, { occurrence: NOON + 5 * MINUTE }))])], LATER)
      assert.equal((await positionOf(store, job.id)).trailingVerdictId, null)
      await store.commitPlans(
        [planOf(await positionOf(store, job.id), [spanEntry(spanOf({ first: NOON + 6 * MINUTE }))], { revision: 2 })],
        LATER,
      )
      assert.deepEqual(
        (await spans(engine, job.id)).map(([, first]) => first),
        [1, 3, 4, 6],
      )
    })

    it('of a plan without entries leave the row open for the next', async (t) => {
      const engine = await open(t)
      const { store } = engine
      const job = await createJob(store)
      const plan = async (entries: Parameters<typeof planOf>[1]) =>
        store.commitPlans([planOf(await positionOf(store, job.id), entries)], LATER)
      await plan([spanEntry(spanOf())])
      await plan([])
      await plan([spanEntry(spanOf({ first: NOON + 2 * MINUTE, last: NOON + 4 * MINUTE, count: 3 }))])
      assert.deepEqual(await spans(engine, job.id), [['MISSED', 1, 4, 4]])
    })

    it('share a row for a day at most', async (t) => {
      const engine = await open(t)
      const { store } = engine
      const job = await createJob(store)
      for (const first of [NOON, NOON + DAY, NOON + DAY + 1])
        await store.commitPlans([planOf(await positionOf(store, job.id), [spanEntry(spanOf({ first }))])], LATER)
      assert.deepEqual(
        (await verdictsOf(engine, job.id)).map(({ first, last }) => [first - NOON, last - NOON]),
        [
          [0, DAY],
          [DAY + 1, DAY + 1],
        ],
      )
    })
  })
}
