import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Job } from '../../../src/domain/job.ts'
import type { Engine } from '../../../src/engine/engine.ts'
import type { JobSnapshot } from '../../../src/engine/store/store.ts'
import {
  changeJob,
  createJob,
  jobOf,
  LATER,
  MINUTE,
  manualRunOf,
  NOON,
  newJobOf,
  planOf,
  planRun,
  positionOf,
  runEntry,
  runOf,
  runRow,
  spanEntry,
  spanOf,
  statusOf,
  verdictsOf,
} from '../factories.ts'

type Open = (t: TestContext) => Promise<Engine>

export function commandContract(open: Open): void {
  describe('creating jobs', () => {
    it('stores them whole, and answers them by id and by name', async (t) => {
      const { store } = await open(t)
      const job = jobOf({
        name: 'nightly ✓',
        description: 'Backs up.',
        tags: ['b', 'a'],
        target: { kind: 'command', executable: '/bin/true', args: ['-x', 'ü'] },
        payload: null,
        pause: { since: NOON, until: NOON + 5, note: 'later', by: 'me' },
        policies: { concurrencyKey: 'k', maxConcurrency: 2 },
      })
      const fresh = { ...newJobOf(), job, position: { ...newJobOf().position, jobId: job.id, wakeAt: NOON + 5, nextRunAt: null } }
      assert.deepEqual(await store.createJobs([fresh]), [{ ok: true }])
      const expected = { job, position: fresh.position, lastRunStatus: null, lastRunAt: null }
      assert.deepEqual(await store.job({ id: job.id }), expected)
      assert.deepEqual(await store.job({ name: 'nightly ✓' }), expected)
      assert.deepEqual(await store.jobRows(['job_none', job.id]), [null, expected])
      assert.deepEqual(await store.jobsById([job.id, 'job_none']), [job])
    })

    it('answers a name that lives already with its job, also within one call, and stores the others', async (t) => {
      const { store } = await open(t)
      const [first, twin, other] = [newJobOf({ name: 'a' }), newJobOf({ name: 'a' }), newJobOf({ name: 'b' })]
      assert.deepEqual(await store.createJobs([first, twin, other]), [{ ok: true }, { ok: false, existingId: first.job.id }, { ok: true }])
      assert.deepEqual(await Promise.all([store.createJobs([twin]), store.createJobs([newJobOf({ name: 'c' })])]), [
        [{ ok: false, existingId: first.job.id }],
        [{ ok: true }],
      ])
      assert.equal(await store.job({ id: twin.job.id }), null)
    })

    it('names are told apart by their bytes', async (t) => {
      const { store } = await open(t)
      const names = ['a', 'A', 'ä', 'a\u0308', 'a ']
      assert.deepEqual(
        await store.createJobs(names.map((name) => newJobOf({ name }))),
        names.map(() => ({ ok: true })),
      )
      for (const name of names) assert.equal((await store.job({ name }))?.job.name, name)
    })
  })

  describe('changing a job', () => {
    it('shows the job, its position and its active runs, earliest due first', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store)
      const first = await planRun(store, job)
      const manual = manualRunOf(job, { scheduledFor: NOON + 10 })
      await changeJob(store, job.id, () => ({ runs: [manual] }))
      let seen: JobSnapshot | null = null
      await store.changeJob(job.id, (current) => {
        seen = current
        return { refuse: 'enough' }
      })
      assert.deepEqual(seen, {
        job,
        position: await positionOf(store, job.id),
        active: [
          { id: manual.id, status: 'QUEUED', trigger: 'MANUAL', heldBy: null, dueAt: NOON + 10, cancelRequestedAt: null },
          { id: first.id, status: 'QUEUED', trigger: 'SCHEDULE', heldBy: null, dueAt: NOON + MINUTE, cancelRequestedAt: null },
        ],
        maintenance: [],
        idempotent: null,
        ledger: [],
      })
    })

    it('shows null for a job that does not live, and writes nothing of a refusal', async (t) => {
      const { store } = await open(t)
      const refusing = (current: JobSnapshot | null) => ({ refuse: current === null ? 'none' : 'no' })
      assert.deepEqual(await store.changeJob('job_none', refusing), { kind: 'refused', refusal: 'none' })
      const job = await createJob(store)
      const head = await store.streamHead()
      assert.deepEqual(await store.changeJob(job.id, refusing), { kind: 'refused', refusal: 'no' })
      assert.equal(await store.streamHead(), head)
    })

    it('writes the job, its tags, and what the command says of its position; whoever remembers it hears that it is stale', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store, { tags: ['old'] })
      const changed = { ...job, name: 'renamed', tags: ['new'], description: 'd', version: 2, updatedAt: LATER }
      const result = await store.changeJob(job.id, () => ({
        job: changed,
        position: { wakeAt: null, nextRunAt: LATER, failuresInRow: 3 },
        event: 'UPDATED',
        now: LATER,
      }))
      assert.deepEqual(result, { kind: 'written', job: changed })
      const row = await store.job({ name: 'renamed' })
      assert.deepEqual(row?.job, changed)
      assert.deepEqual([row?.position.wakeAt, row?.position.nextRunAt, row?.position.failuresInRow], [null, LATER, 3])
      assert.notEqual(row?.position.version, 1)
      const filter = { state: null, search: null, handler: null, lastRunStatus: null, now: LATER }
      assert.deepEqual([await store.countJobs({ ...filter, tags: ['old'] }), await store.countJobs({ ...filter, tags: ['new'] })], [0, 1])
      assert.equal(await store.job({ name: job.name }), null)
    })

    it('answers name-taken for the name of another living job, and writes nothing', async (t) => {
      const { store } = await open(t)
      const [a, b] = [await createJob(store, { name: 'a' }), await createJob(store, { name: 'b' })]
      const result = await store.changeJob(b.id, () => ({
        job: { ...b, name: 'a', description: 'x' },
        runs: [manualRunOf(b)],
        event: 'UPDATED',
        now: LATER,
      }))
      assert.deepEqual(result, { kind: 'name-taken', existingId: a.id })
      assert.deepEqual(
        [
          (await store.job({ id: b.id }))?.job.description,
          await store.countRuns({ jobIds: [b.id], status: null, trigger: null, scheduledFrom: null, scheduledTo: null, tags: null }),
        ],
        [null, 0],
      )
    })

    it('of several in one turn, names pass from one to the next in the order of the calls', async (t) => {
      const { store } = await open(t)
      const named = (name: string) => createJob(store, { name })
      const [a, b, c] = [await named('a'), await named('b'), await named('c')]
      const rename = (job: Job, name: string) =>
        store.changeJob(job.id, (current) => ({ job: { ...current!.job, name, version: 2 }, event: 'UPDATED', now: LATER }))
      const kinds = async (...calls: readonly Promise<{ readonly kind: string }>[]) => (await Promise.all(calls)).map(({ kind }) => kind)
      assert.deepEqual(await kinds(rename(a, 'b'), rename(b, 'd'), rename(c, 'b')), ['name-taken', 'written', 'written'])
      assert.deepEqual(
        await Promise.all(['a', 'b', 'd'].map(async (name) => (await store.job({ name }))?.job.id)),
        [a, c, b].map(({ id }) => id),
      )
      assert.deepEqual(
        await kinds(
          store.changeJob(b.id, () => ({ delete: true, event: 'DELETED', now: LATER })),
          rename(a, 'd'),
        ),
        ['written', 'written'],
      )
      assert.equal((await store.job({ name: 'd' }))?.job.id, a.id)
    })

    it('gives verdicts under the old settings first, closes the revision and opens the next', async (t) => {
      const engine = await open(t)
      const { store } = engine
      const job = await createJob(store)
      const position = await positionOf(store, job.id)
      const run = runOf(job, { occurrence: NOON + 2 * MINUTE })
      const { plan } = planOf(position, [spanEntry(spanOf()), runEntry(run)], { position: { plannedUntil: NOON + 2 * MINUTE } })
      const schedule = { ...job.schedule, every: 2 * MINUTE } as typeof job.schedule
      await changeJob(store, job.id, () => ({
        job: { ...job, schedule, revision: 2, version: 2 },
        plan,
        position: { plannedUntil: NOON + 3 * MINUTE },
        newRevision: { closeAt: NOON + 3 * MINUTE, open: { number: 2, schedule, from: NOON + 3 * MINUTE, until: null } },
      }))
      assert.deepEqual(
        (await verdictsOf(engine, job.id)).map(({ verdict, revision }) => [verdict, revision]),
        [['MISSED', 1]],
      )
      assert.equal(await statusOf(store, run.id), 'QUEUED')
      const { plannedUntil, scheduledRuns, activeRuns, lastRunId } = await positionOf(store, job.id)
      assert.deepEqual([plannedUntil, scheduledRuns, activeRuns, lastRunId], [NOON + 3 * MINUTE, 1, 1, run.id])
      const revisions = await engine.prisma.revision.findMany({ where: { jobId: job.id }, orderBy: { number: 'asc' } })
      assert.deepEqual(
        revisions.map(({ number, from, until }) => [number, from.getTime(), until?.getTime() ?? null]),
        [
          [1, NOON, NOON + 3 * MINUTE],
          [2, NOON + 3 * MINUTE, null],
        ],
      )
    })

    it('tells of a job that its planning completes, once, whether or not the command tells something itself', async (t) => {
      const engine = await open(t)
      const { store } = engine
      for (const event of [null, 'UPDATED'] as const) {
        for (const pause of [null, { since: NOON, until: NOON + 1, note: 'n', by: null }]) {
          const job = await createJob(store, { pause })
          for (let i = 0; i < 2; i++) {
            const completing = { completed: true, wakeAt: null, nextRunAt: null, pauseEnds: pause !== null }
            const { plan } = planOf(await positionOf(store, job.id), [], { position: completing })
            const ends = { ...job, pause: null, version: 2 }
            await changeJob(store, job.id, () => (i === 0 && event !== null ? { plan, job: ends, event } : { plan, event: null }))
          }
          const events = await engine.prisma.jobEvent.findMany({ where: { jobId: job.id }, orderBy: { cursor: 'asc' } })
          assert.deepEqual(
            events.map(({ change }) => change),
            ['CREATED', 'UPDATED'],
            `${event} ${pause?.note}`,
          )
        }
      }
    })

    it('leaves a revision that its last run has closed as it is, and opens the next', async (t) => {
      const engine = await open(t)
      const { store } = engine
      const job = await createJob(store)
      const ends = { plannedUntil: NOON + MINUTE, wakeAt: null, nextRunAt: null, completed: true, revisionEnds: NOON + MINUTE }
      await store.commitPlans(
        [planOf(await positionOf(store, job.id), [runEntry(runOf(job, { occurrence: NOON + MINUTE }))], { position: ends })],
        NOON + MINUTE,
      )
      await changeJob(store, job.id, () => ({
        job: { ...job, revision: 2, version: 2 },
        newRevision: { closeAt: NOON + 9 * MINUTE, open: { number: 2, schedule: job.schedule, from: NOON + 9 * MINUTE, until: null } },
      }))
      const revisions = await engine.prisma.revision.findMany({ where: { jobId: job.id }, orderBy: { number: 'asc' } })
      assert.deepEqual(
        revisions.map(({ number, until }) => [number, until?.getTime() ?? null]),
        [
          [1, NOON + MINUTE],
          [2, null],
        ],
      )
    })

    it('of many at once each sees what the one before wrote', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store)
      const raise = () =>
        store.changeJob(job.id, (current) =>
          current === null
            ? { refuse: 'gone' }
            : { job: { ...current.job, version: current.job.version + 1 }, event: 'UPDATED', now: LATER },
        )
      await Promise.all(Array.from({ length: 50 }, raise))
      assert.equal((await store.job({ id: job.id }))?.job.version, 51)
    })

    it('an error of one call is answered to that caller alone', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store)
      const results = await Promise.allSettled([
        store.createJobs([newJobOf({ name: 'before' })]),
        changeJob(store, job.id, () => {
          throw new Error('a defect')
        }),
        // A run that refers to no job breaks the database's own rule, after a part was written.
        changeJob(store, job.id, () => ({ job: { ...job, description: 'half' }, runs: [manualRunOf(job, { jobId: 'job_none' })] })),
        store.createJobs([newJobOf({ name: 'after' })]),
      ])
      assert.deepEqual(
        results.map(({ status }) => status),
        ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
      )
      assert.match(String((results[1] as PromiseRejectedResult).reason), /a defect/)
      assert.equal((await store.job({ id: job.id }))?.job.description, null)
      assert.notEqual(await store.job({ name: 'before' }), null)
      assert.notEqual(await store.job({ name: 'after' }), null)
    })
  })

  describe('idempotency keys', () => {
    it('are unique in their job, shown with their run, and free once freed', async (t) => {
      const { store } = await open(t)
      const [job, other] = [await createJob(store), await createJob(store)]
      const keyed = { idempotencyKey: 'k', idempotencyHash: 'h' }
      const first = manualRunOf(job, keyed)
      await changeJob(store, job.id, () => ({ runs: [first] }))
      await changeJob(store, other.id, () => ({ runs: [manualRunOf(other, keyed)] }))
      const holder = async () => {
        let seen: JobSnapshot['idempotent'] = null
        await store.changeJob(
          job.id,
          (current) => {
            seen = current?.idempotent ?? null
            return { refuse: 'enough' }
          },
          { idempotencyKey: 'k' },
        )
        return seen
      }
      assert.deepEqual(await holder(), { runId: first.id, hash: 'h', queuedAt: first.queuedAt })
      await assert.rejects(changeJob(store, job.id, () => ({ runs: [manualRunOf(job, keyed)] })))
      const second = manualRunOf(job, keyed)
      await changeJob(store, job.id, () => ({ freeIdempotencyKey: 'k', runs: [second] }))
      assert.deepEqual(await holder(), { runId: second.id, hash: 'h', queuedAt: second.queuedAt })
      assert.equal((await runRow(store, first.id)).idempotencyHash, 'h')
    })
  })

  describe('deleting a job', () => {
    it('hides it at once, frees its name, and ends what waits', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store, { name: 'a' })
      const waiting = await planRun(store, job)
      await changeJob(store, job.id, () => ({ delete: true, event: 'DELETED' }))
      assert.deepEqual([await store.job({ id: job.id }), await store.job({ name: 'a' }), await store.jobsById([job.id])], [null, null, []])
      assert.deepEqual(await store.changeJob(job.id, (current) => ({ refuse: current })), { kind: 'refused', refusal: null })
      assert.equal(
        await store.changeRun(waiting.id, (current) => ({ refuse: current })).then((result) => result.kind === 'refused' && result.refusal),
        null,
      )
      assert.equal(await statusOf(store, waiting.id), 'CANCELLED')
      assert.equal((await store.jobRows([job.id]))[0]?.job.name, 'a')
      assert.deepEqual([await store.nextWakeAt(), await store.duePositions(LATER * 2, 10)], [null, []])
      await createJob(store, { name: 'a' })
    })
  })
}
