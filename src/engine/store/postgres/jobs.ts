import type { Instant } from '../../../domain/instant.ts'
import type { Job } from '../../../domain/job.ts'
import type { Revision } from '../../../domain/schedule.ts'
import { searchTextOf } from '../../../domain/searchText.ts'
import { earlier } from '../effects.ts'
import type { CreateResult, NewJob, Store } from '../store.ts'
import { Batcher } from './batcher.ts'
import { columns, instant, instantText, integer, text, textArray } from './columns.ts'
import type { Database, Session, Tx } from './database.ts'
import { writeEvents } from './jobChanges.ts'
import { POSITION } from './locks.ts'

const JOB = columns<Job>({
  id: text((job) => job.id),
  name: text((job) => job.name),
  liveName: text((job) => job.name),
  searchText: text(searchTextOf),
  description: text((job) => job.description),
  tags: text((job) => JSON.stringify(job.tags)),
  schedule: text((job) => JSON.stringify(job.schedule)),
  revision: integer((job) => job.revision),
  target: text((job) => JSON.stringify(job.target)),
  targetKind: text((job) => job.target.kind),
  handler: text((job) => (job.target.kind === 'handler' ? job.target.handler : null)),
  payload: text((job) => job.payload),
  policies: text((job) => JSON.stringify(job.policies)),
  pauseSince: instant((job) => job.pause?.since ?? null),
  pauseUntil: instant((job) => job.pause?.until ?? null),
  pauseNote: text((job) => job.pause?.note ?? null),
  pauseBy: text((job) => job.pause?.by ?? null),
  version: integer((job) => job.version),
  createdAt: instant((job) => job.createdAt),
  updatedAt: instant((job) => job.updatedAt),
})
const TAG = columns<{ readonly tag: string; readonly jobId: string }>({ tag: text((t) => t.tag), jobId: text((t) => t.jobId) })
const REVISION = columns<Revision & { readonly jobId: string }>({
  jobId: text((r) => r.jobId),
  number: integer((r) => r.number),
  schedule: text((r) => JSON.stringify(r.schedule)),
  from: instant((r) => r.from),
  until: instant((r) => r.until),
})
/** An open revision of a job that ends. */
export interface RevisionEnd {
  readonly jobId: string
  readonly number: number
  readonly until: Instant
}
const END = columns<RevisionEnd>({ jobId: text((e) => e.jobId), number: integer((e) => e.number), until: instant((e) => e.until) })

const INSERT_JOBS = `INSERT INTO "Job" (${JOB.names}) SELECT ${JOB.names} FROM ${JOB.table('v')} ON CONFLICT ("liveName") DO NOTHING RETURNING id`
const UPDATE_JOBS = `UPDATE "Job" j SET name = v.name, "liveName" = v."liveName", "searchText" = v."searchText", description = v.description, tags = v.tags,
    schedule = v.schedule, revision = v.revision, target = v.target, "targetKind" = v."targetKind", handler = v.handler, payload = v.payload,
    policies = v.policies, "pauseSince" = v."pauseSince", "pauseUntil" = v."pauseUntil", "pauseNote" = v."pauseNote", "pauseBy" = v."pauseBy",
    version = v.version, "updatedAt" = v."updatedAt"
  FROM ${JOB.table('v')} WHERE j.id = v.id`
const MARK_DELETED = `UPDATE "Job" SET "liveName" = NULL, "deletedAt" = $2::timestamptz WHERE id = ANY($1::text[])`
const LIVING = 'SELECT "liveName" AS name, id FROM "Job" WHERE "liveName" = ANY($1::text[])'
const INSERT_TAGS = `INSERT INTO "JobTag" (${TAG.names}) SELECT ${TAG.names} FROM ${TAG.table('v')} ON CONFLICT DO NOTHING`
const REMOVE_TAGS = 'DELETE FROM "JobTag" WHERE "jobId" = ANY($1::text[])'
const OPEN_REVISIONS = `INSERT INTO "Revision" (${REVISION.names}) SELECT ${REVISION.names} FROM ${REVISION.table('v')}`
// The last run of maxRuns has closed it already, at its own instant: what came after was never planned.
const CLOSE_REVISIONS = `UPDATE "Revision" r SET "until" = v."until" FROM ${END.table('v')}
  WHERE r."jobId" = v."jobId" AND r.number = v.number AND r."until" IS NULL`
// What belongs to new jobs in one statement: each costs a round trip, however few rows it has.
const INSERT_BESIDE = `WITH
  tags AS (${INSERT_TAGS}),
  revisions AS (INSERT INTO "Revision" (${REVISION.names}) SELECT ${REVISION.names} FROM ${REVISION.table('v', TAG.count + 1)})
  INSERT INTO "JobPosition" (${POSITION.names}) SELECT ${POSITION.names} FROM ${POSITION.table('v', TAG.count + REVISION.count + 1)}`

/** Calls, most of them of one job, that share a transaction. */
const MOST_CALLS = 100
const LANES = 2
/** A name whose holder went away between the conflict and the look is tried again so often. */
const TRIES = 10

/** The verb `createJobs`. */
export function creating(database: Database): Pick<Store, 'createJobs'> {
  const batches = new Batcher<readonly NewJob[], readonly CreateResult[]>({
    most: MOST_CALLS,
    lanes: LANES,
    async perform(calls) {
      const results = await database.transaction((tx) => createJobs(tx, calls.flat()))
      let next = 0
      return calls.map(({ length }) => {
        next += length
        return results.slice(next - length, next)
      })
    },
  })
  return { createJobs: (jobs) => (jobs.length === 0 ? Promise.resolve([]) : batches.add(jobs)) }
}

async function createJobs(tx: Tx, jobs: readonly NewJob[]): Promise<readonly CreateResult[]> {
  const first = new Map<string, NewJob>()
  for (const each of jobs) if (!first.has(each.job.name)) first.set(each.job.name, each)
  const { inserted, holders } = await insertJobs(
    tx,
    [...first.values()].map(({ job }) => job),
  )
  const made = [...first.values()].filter(({ job }) => inserted.has(job.id))
  if (made.length > 0) await writeBeside(tx, made)
  const results = new Map(made.map((each) => [each, { ok: true } as CreateResult]))
  return jobs.map((each) => {
    const result = results.get(each) ?? { ok: false, existingId: holders.get(each.job.name)! }
    // One that is given twice was stored once.
    results.delete(each)
    return result
  })
}

/** Stores the jobs whose names are free; no two have the same. Answers which those were, and who has each name now. */
async function insertJobs(
  tx: Tx,
  jobs: readonly Job[],
): Promise<{ readonly inserted: ReadonlySet<string>; readonly holders: ReadonlyMap<string, string> }> {
  const inserted = new Set<string>()
  const holders = new Map<string, string>()
  // In one order in all transactions: each waits for the end of another one that holds a name of its own.
  let left = [...jobs].sort((a, b) => (a.name < b.name ? -1 : 1))
  for (let tries = 1; left.length > 0; tries++) {
    for (const { id } of await tx.rows<{ id: string }>(INSERT_JOBS, JOB.values(left))) inserted.add(id)
    for (const { id, name } of left) if (inserted.has(id)) holders.set(name, id)
    left = left.filter(({ id }) => !inserted.has(id))
    const taken = await livingNamed(
      tx,
      left.map(({ name }) => name),
    )
    for (const [name, id] of taken) holders.set(name, id)
    // Whoever had a name when it was tried may have let it go since.
    left = left.filter(({ name }) => !taken.has(name))
    if (left.length > 0 && tries === TRIES) throw new Error(`the name ${JSON.stringify(left[0]!.name)} is neither free nor taken`)
  }
  return { inserted, holders }
}

/** What belongs to new jobs besides their wide rows. */
async function writeBeside(tx: Tx, made: readonly NewJob[]): Promise<void> {
  await tx.write(INSERT_BESIDE, [
    ...TAG.values(made.flatMap(({ job }) => tagsOf(job))),
    ...REVISION.values(made.map(({ job, revision }) => ({ ...revision, jobId: job.id }))),
    ...POSITION.values(made.map(({ position }) => position)),
  ])
  const events = made.map(({ job }) => ({ jobId: job.id, change: 'CREATED' as const, at: job.createdAt, before: null }))
  await writeEvents(tx, events, await tx.cursors(events.length))
  for (const { position } of made) {
    if (position.wakeAt !== null) tx.effects.wakeAt = earlier(tx.effects.wakeAt, position.wakeAt)
  }
}

/** The jobs that live under these names, by name. */
export async function livingNamed(session: Session, names: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (names.length === 0) return new Map()
  const rows = await session.rows<{ name: string; id: string }>(LIVING, [textArray(names)])
  return new Map(rows.map(({ name, id }) => [name, id]))
}

/** A job as a command leaves it. */
export interface ChangedJob {
  readonly job: Job
  readonly tagsChanged: boolean
}

/** Under the positions of these jobs, as all that follows. A name that somebody else took meanwhile breaks the rule `Job_liveName_key`. */
export async function updateJobs(tx: Tx, changed: readonly ChangedJob[]): Promise<void> {
  if (changed.length === 0) return
  const jobs = changed.map(({ job }) => job)
  await tx.write(UPDATE_JOBS, JOB.values(jobs))
  const tagged = changed.filter(({ tagsChanged }) => tagsChanged).map(({ job }) => job)
  if (tagged.length === 0) return
  await tx.write(REMOVE_TAGS, [textArray(tagged.map(({ id }) => id))])
  await insertTags(tx, tagged)
}

export async function markDeleted(tx: Tx, jobIds: readonly string[], now: Instant): Promise<void> {
  if (jobIds.length > 0) await tx.write(MARK_DELETED, [textArray(jobIds), instantText(now)])
}

export async function openRevisions(tx: Tx, revisions: readonly (Revision & { readonly jobId: string })[]): Promise<void> {
  if (revisions.length > 0) await tx.write(OPEN_REVISIONS, REVISION.values(revisions))
}

/** Those that are closed already stay as they are. */
export async function closeRevisions(tx: Tx, ends: readonly RevisionEnd[]): Promise<void> {
  if (ends.length > 0) await tx.write(CLOSE_REVISIONS, END.values(ends))
}

async function insertTags(tx: Tx, jobs: readonly Job[]): Promise<void> {
  const rows = jobs.flatMap(tagsOf)
  if (rows.length > 0) await tx.write(INSERT_TAGS, TAG.values(rows))
}

function tagsOf({ id, tags }: Job): readonly { readonly tag: string; readonly jobId: string }[] {
  return tags.map((tag) => ({ tag, jobId: id }))
}
