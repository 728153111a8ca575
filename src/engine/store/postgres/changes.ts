import type { Instant } from '../../../domain/instant.ts'
import { isPaused, type JobState } from '../../../domain/job.ts'
import { factsBefore, factsOf } from '../../../domain/jobFilter.ts'
import { earlier } from '../effects.ts'
import type { ChangeResult, JobSnapshot, JobWrite, SnapshotOptions, Store } from '../store.ts'
import { Batcher } from './batcher.ts'
import { columns, text, textArray } from './columns.ts'
import type { Database, Tx } from './database.ts'
import { type Ended, holdKeysOf, releaseAfterEnds } from './holds.ts'
import { endPauses, type NewEvent, writeEvents } from './jobChanges.ts'
import { closeRevisions, livingNamed, markDeleted, openRevisions, updateJobs } from './jobs.ts'
import { holdJobs, writePositions } from './locks.ts'
import { writePlans } from './plans.ts'
import { addRuns, cancelAllOf, cancelRuns, merge } from './runs.ts'
import { type StandingJob, standingJobs } from './snapshots.ts'
import { splitRows } from './verdictSplits.ts'

interface Call {
  readonly jobId: string
  readonly decide: (current: JobSnapshot | null) => JobWrite | { readonly refuse: unknown }
  readonly options: SnapshotOptions
}

/** What a call writes of its job. */
interface Change {
  readonly standing: StandingJob
  readonly write: JobWrite
}

interface FreedKey {
  readonly jobId: string
  readonly key: string
}

const FREED = columns<FreedKey>({ jobId: text((f) => f.jobId), key: text((f) => f.key) })
const FREE_KEYS = `UPDATE "Run" r SET "idempotencyKey" = NULL FROM ${FREED.table('v')} WHERE r."jobId" = v."jobId" AND r."idempotencyKey" = v.key`
// In one go, and in the order in which everybody locks runs: what follows cancels them in several steps.
const HOLD_ENDING = `SELECT count(*) FROM (
    SELECT FROM "Run" WHERE id = ANY($1::text[]) OR ("jobId" = ANY($2::text[]) AND "finishedAt" IS NULL) ORDER BY id FOR UPDATE
  ) held`

/** Calls that share a transaction. */
const MOST_CALLS = 100
const LANES = 2
/** A name that another process took between the look and the write is looked for again so often. */
const TRIES = 5

/**
 * The verb `changeJob`. Calls share a transaction: what they decide on is read in plural under the positions of their jobs, then all
 * decide, then what they say is written in plural. Two calls on one job do not share one: the second decides on what the first wrote.
 */
export class Changes implements Pick<Store, 'changeJob'> {
  readonly #batches: Batcher<Call, ChangeResult<unknown>>

  constructor(database: Database) {
    this.#batches = new Batcher({
      most: MOST_CALLS,
      lanes: LANES,
      fits: ({ jobId }, before) => before.every((call) => call.jobId !== jobId),
      perform: (calls) => untilNamesAreFree(() => database.transaction((tx) => changeJobs(tx, calls))),
    })
  }

  readonly changeJob: Store['changeJob'] = <Refusal>(
    jobId: string,
    decide: (current: JobSnapshot | null) => JobWrite | { readonly refuse: Refusal },
    options: SnapshotOptions = {},
  ) => this.#batches.add({ jobId, decide, options }) as Promise<ChangeResult<Refusal>>
}

async function changeJobs(tx: Tx, calls: readonly Call[]): Promise<readonly ChangeResult<unknown>[]> {
  const positions = await holdJobs(
    tx,
    calls.map(({ jobId }) => jobId),
  )
  const jobs = await standingJobs(tx, positions, calls)
  const results: ChangeResult<unknown>[] = []
  const changes: Change[] = []
  for (const { jobId, decide } of calls) {
    const standing = jobs.get(jobId)
    const write = standing === undefined ? decide(null) : await standing.decide(tx, decide)
    if ('refuse' in write) {
      results.push({ kind: 'refused', refusal: write.refuse })
      continue
    }
    if (standing === undefined) throw new Error(`decide wrote to the job ${jobId}, which does not live`)
    results.push({ kind: 'written', job: write.job ?? standing.job })
    changes.push({ standing, write })
  }
  const taken = await takenNames(tx, changes)
  await writeChanges(
    tx,
    changes.filter(({ standing, write }) => !taken.has(standing.job.id) && !isEmpty(write)),
  )
  return results.map((result, i) => {
    const existingId = taken.get(calls[i]!.jobId)
    return existingId === undefined ? result : { kind: 'name-taken', existingId }
  })
}

/** The jobs that would get the name of another living one, each with that. */
async function takenNames(tx: Tx, changes: readonly Change[]): Promise<ReadonlyMap<string, string>> {
  const renamed = changes.filter(({ standing, write }) => write.job !== undefined && write.job.name !== standing.job.name)
  if (renamed.length === 0) return new Map()
  const names = renamed.map(({ write }) => write.job!.name)
  const holders = await livingNamed(tx, names)
  const letsGo = new Set([...renamed, ...changes.filter(({ write }) => write.delete)].map(({ standing }) => standing.job.id))
  const passedOn = new Set(names).size < names.length || [...holders.values()].some((id) => letsGo.has(id))
  if (passedOn && changes.length > 1) throw new Error('names are passed on among changes of one transaction: each needs one of its own')
  return new Map(renamed.flatMap(({ standing, write }) => toHolder(standing.job.id, holders.get(write.job!.name))))
}

function toHolder(jobId: string, holder: string | undefined): readonly (readonly [string, string])[] {
  return holder === undefined ? [] : [[jobId, holder]]
}

async function untilNamesAreFree<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work()
    } catch (error) {
      const { code, constraint } = error as { code?: unknown; constraint?: unknown }
      if (code !== '23505' || constraint !== 'Job_liveName_key' || tries === TRIES) throw error
    }
  }
}

function isEmpty({ now: _, event, ...parts }: JobWrite): boolean {
  return event === null && Object.values(parts).every((part) => part === undefined)
}

async function writeChanges(tx: Tx, changes: readonly Change[]): Promise<void> {
  if (changes.length === 0) return
  const deleted = changes.filter(({ write }) => write.delete).map(({ standing }) => standing.job.id)
  const ending = changes.flatMap(({ write }) => [...(write.plan?.cancels ?? []), ...(write.cancels ?? [])])
  await holdKeysOf(tx, { adding: changes.flatMap(runsOf), ending, endingAllOf: deleted })
  if (ending.length > 0 || deleted.length > 0) await tx.rows(HOLD_ENDING, [textArray(ending), textArray(deleted)])

  const ended: Ended = { jobs: new Set(), keys: new Set() }
  const moments = new Set(changes.map(({ write }) => write.now))
  // Decided in one turn of the loop, they are of one moment or two.
  for (const now of moments)
    await writeOfOneMoment(
      tx,
      changes.filter(({ write }) => write.now === now),
      now,
      ended,
    )
  await releaseAfterEnds(tx, ended, Math.max(...moments))
  await writePositions(
    tx,
    changes.map(({ standing }) => standing.position),
  )
}

function runsOf({ write }: Change) {
  return [...(write.plan?.entries ?? []).flatMap((entry) => (entry.kind === 'run' ? [entry.run] : [])), ...(write.runs ?? [])]
}

/** In the order that the port promises: verdicts under the old settings, the job, its revision and position, runs, cancels. */
async function writeOfOneMoment(tx: Tx, changes: readonly Change[], now: Instant, ended: Ended): Promise<void> {
  const plans = changes.flatMap(({ standing: { position }, write: { plan } }) => (plan === undefined ? [] : [{ plan, position }]))
  if (plans.length > 0) merge(ended, await writePlans(tx, plans, now, null))
  const pausesEnded = await writeJobs(tx, changes, now)
  for (const change of changes) movePosition(tx, change)
  await writeRuns(tx, changes, now, ended)
  const events = changes.flatMap((change) => eventsOf(change, pausesEnded.has(change.standing.job.id)))
  await writeEvents(tx, events, await tx.cursors(events.length))
}

/** Their wide rows and revisions. Answers of which jobs a plan has ended the pause. */
async function writeJobs(tx: Tx, changes: readonly Change[], now: Instant): Promise<ReadonlySet<string>> {
  await updateJobs(
    tx,
    changes.flatMap(({ standing, write: { job } }) =>
      job === undefined ? [] : [{ job, tagsChanged: job.tags.join('\n') !== standing.job.tags.join('\n') }],
    ),
  )
  const pausing = changes.filter(({ write: { job, plan } }) => job === undefined && plan?.position.pauseEnds)
  const pausesEnded = await endPauses(
    tx,
    pausing.map(({ standing }) => standing.job.id),
    now,
  )
  for (const { standing } of pausing) if (pausesEnded.has(standing.job.id)) standing.position.version += 1
  const revised = changes.flatMap(({ standing, write: { newRevision } }) => (newRevision === undefined ? [] : [{ standing, newRevision }]))
  await closeRevisions(
    tx,
    revised.map(({ standing: { job }, newRevision }) => ({ jobId: job.id, number: job.revision, until: newRevision.closeAt })),
  )
  await openRevisions(
    tx,
    revised.map(({ standing, newRevision }) => ({ ...newRevision.open, jobId: standing.job.id })),
  )
  return pausesEnded
}

/** In memory: the position as the command leaves it overrides what the plan said. */
function movePosition(tx: Tx, { standing: { position }, write }: Change): void {
  const gone = write.delete === true
  if (write.job === undefined && write.position === undefined && !gone) return
  Object.assign(position, write.position, gone ? { wakeAt: null, nextRunAt: null } : {})
  // Whoever remembers the job must read it again.
  if (write.job !== undefined || gone) position.version += 1
  if (position.wakeAt !== null) tx.effects.wakeAt = earlier(tx.effects.wakeAt, position.wakeAt)
}

async function writeRuns(tx: Tx, changes: readonly Change[], now: Instant, ended: Ended): Promise<void> {
  const freed = changes.flatMap(({ standing, write: { freeIdempotencyKey: key } }) =>
    key === undefined ? [] : [{ jobId: standing.job.id, key }],
  )
  if (freed.length > 0) await tx.write(FREE_KEYS, FREED.values(freed))
  await splitRows(
    tx,
    changes.flatMap(({ standing: { position }, write }) => (write.splits ?? []).map((split) => ({ ...split, position, now }))),
  )
  await addRuns(
    tx,
    changes.flatMap(({ standing: { position }, write }) => (write.runs ?? []).map((run) => ({ run, position }))),
    now,
  )
  const positions = new Map(changes.map(({ standing: { position } }) => [position.jobId, position]))
  const cancels = changes.flatMap(({ write }) => write.cancels ?? [])
  merge(ended, await cancelRuns(tx, cancels, positions, now))
  const deleted = changes.filter(({ write }) => write.delete)
  for (const { standing } of deleted) merge(ended, await cancelAllOf(tx, standing.position, now))
  await markDeleted(
    tx,
    deleted.map(({ standing }) => standing.job.id),
    now,
  )
}

/** What the stream is told: of a pause that the plan ended, of the command, and of a schedule that ran out if the command says nothing. */
function eventsOf({ standing: { job, before, position }, write }: Change, pauseEnded: boolean): readonly NewEvent[] {
  const { now } = write
  const updated = (state: JobState): NewEvent => ({ jobId: job.id, change: 'UPDATED', at: now, before: { state } })
  const events = pauseEnded ? [updated('PAUSED')] : []
  if (write.event !== null) {
    const facts = factsOf(job, before, now)
    const touched = write.delete ? facts : factsBefore(facts, factsOf(write.job ?? job, position, now))
    events.push({ jobId: job.id, change: write.event, at: now, before: touched })
  } else if (!pauseEnded && write.plan?.position.completed && !before.completed) {
    events.push(updated(isPaused((write.job ?? job).pause, now) ? 'PAUSED' : 'ACTIVE'))
  }
  return events
}
