import type { Instant } from '../../../domain/instant.ts'
import { type Hold, isFinal, type NewRun, type RunStatus, type RunTrigger } from '../../../domain/run.ts'
import { begunAttempt, type Definition } from '../definitions.ts'
import type { Claim } from '../store.ts'
import { columns, instant, instantArray, instantText, integer, numberArray, text, textArray, truth } from './columns.ts'
import { MARKED, NEXT, noteHead } from './cursors.ts'
import type { Tx } from './database.ts'
import { type Ended, mayStart, Slots } from './holds.ts'
import type { HeldPosition } from './locks.ts'

// The changes of runs that more than one verb makes. The positions of their jobs are held, and all keys (`holdKeysOf`).

/** A run to be stored; with a definition, it begins as it is stored unless something holds it. */
export interface RunToStore {
  readonly run: NewRun
  readonly begin: Definition | null
}

/** How a run was stored. */
export interface Stored {
  readonly heldBy: Hold | null
  readonly begun: boolean
}

interface NewRow extends Stored {
  readonly run: NewRun
  readonly definition: Definition | null
}

const NEW_RUN = columns<NewRow>({
  id: text(({ run }) => run.id),
  jobId: text(({ run }) => run.jobId),
  trigger: text(({ run }) => run.trigger),
  occurrence: instant(({ run }) => run.occurrence),
  counted: truth(({ run }) => run.counted),
  scheduledFor: instant(({ run }) => run.scheduledFor),
  dueAt: instant(({ run }) => run.dueAt),
  queuedAt: instant(({ run }) => run.queuedAt),
  heldBy: text(({ heldBy }) => heldBy),
  priority: integer(({ run }) => run.priority),
  concurrencyKey: text(({ run }) => run.concurrencyKey),
  maxConcurrency: integer(({ run }) => run.maxConcurrency),
  coalesced: integer(({ run }) => run.coalesced),
  payload: text(({ run }) => run.payload),
  rerunOfId: text(({ run }) => run.rerunOfId),
  triggeredBy: text(({ run }) => run.triggeredBy),
  idempotencyKey: text(({ run }) => run.idempotencyKey),
  idempotencyHash: text(({ run }) => run.idempotencyHash),
  jobVersion: integer(({ begun, definition }) => (begun ? definition!.version : null)),
})
const [NOW, INSTANCE, LEASE] = ['timestamptz', 'text', 'timestamptz'].map((type, i) => `$${NEW_RUN.count + 1 + i}::${type}`)

// A run has begun where the version of its job is said.
const begun = (value: string, otherwise = 'NULL') => `CASE WHEN "jobVersion" IS NULL THEN ${otherwise} ELSE ${value} END`
const INSERT = `WITH ${MARKED} INSERT INTO "Run" (${NEW_RUN.names}, cursor, status, attempt, "attemptStatus", "attemptStartedAt", "startedAt", "changedAt", "instanceId", "leaseUntil")
  SELECT ${NEW_RUN.names}, ${NEXT}, ${begun(`'RUNNING'`, `'QUEUED'`)}, ${begun('1', '0')}, ${begun(`'RUNNING'`)}, ${begun(NOW!)}, ${begun(NOW!)}, ${begun(NOW!, '"queuedAt"')},
    ${begun(INSTANCE!)}, ${begun(LEASE!)}
  FROM marked, ${NEW_RUN.table('v')} ON CONFLICT ("jobId", occurrence) DO NOTHING RETURNING id, cursor`

const OCCUPIED = `SELECT r."jobId", r.occurrence FROM unnest($1::text[], $2::timestamptz[]) AS v("jobId", occurrence)
  JOIN "Run" r ON r."jobId" = v."jobId" AND r.occurrence = v.occurrence`

/**
 * Stores runs, in order, as far as their occurrences have none yet. Answers how, by id; those that were not stored are left out. With a
 * claim, those that have a definition and that nothing holds begin. The positions are for the caller to move.
 */
export async function insertRuns(
  tx: Tx,
  asked: readonly RunToStore[],
  claim: Claim | null,
  now: Instant,
): Promise<ReadonlyMap<string, Stored>> {
  const runs = await withoutOccupied(tx, asked)
  if (runs.length === 0) return new Map()
  const slots = await Slots.of(
    tx,
    runs.map(({ run }) => run),
  )
  const rows = runs.map(({ run, begin }): NewRow => {
    const heldBy = slots.admit(run)
    return { run, definition: begin, heldBy, begun: heldBy === null && claim !== null && begin !== null }
  })
  const started = claim === null ? [null, null, null] : [instantText(claim.now), claim.instanceId, instantText(claim.leaseUntil)]
  const inserted = await tx.rows<{ id: string; cursor: number }>(INSERT, [...NEW_RUN.values(rows), ...started])
  noteHead(tx, inserted)
  const stored = new Set(inserted.map(({ id }) => id))
  const answer = new Map<string, Stored>()
  for (const row of rows) {
    if (!stored.has(row.run.id)) continue
    answer.set(row.run.id, row)
    if (row.begun) tx.effects.begun.push(begunAttempt(row.run, 1, row.definition!, claim!.now))
    else if (row.heldBy === null) mayStart(tx, row.run, now)
  }
  return answer
}

/**
 * Those whose occurrence has a run already would take a slot of their key without using it. Nobody adds runs of a job that is held, so
 * what is free now stays so. Without keys the insertion itself finds out.
 */
async function withoutOccupied(tx: Tx, asked: readonly RunToStore[]): Promise<readonly RunToStore[]> {
  const doubtful = asked.flatMap(({ run }) => (run.concurrencyKey !== null && run.occurrence !== null ? [run] : []))
  if (doubtful.length === 0) return asked
  const rows = await tx.rows<{ jobId: string; occurrence: Instant }>(OCCUPIED, [
    textArray(doubtful.map(({ jobId }) => jobId)),
    instantArray(doubtful.map(({ occurrence }) => occurrence!)),
  ])
  const nameOf = (jobId: string, occurrence: Instant | null) => `${jobId} ${occurrence}`
  const occupied = new Set(rows.map(({ jobId, occurrence }) => nameOf(jobId, occurrence)))
  return occupied.size === 0 ? asked : asked.filter(({ run }) => !occupied.has(nameOf(run.jobId, run.occurrence)))
}

/** Stores runs that no plan made, and moves the positions of their jobs in memory. */
export async function addRuns(
  tx: Tx,
  items: readonly { readonly run: NewRun; readonly position: HeldPosition }[],
  now: Instant,
): Promise<void> {
  if (items.length === 0) return
  for (const { run, position } of items) {
    // A run belongs to a job that is held, and so is there: the rows of runs themselves are not asked for it.
    if (run.jobId !== position.jobId) throw new Error(`the run ${run.id} of the job ${run.jobId} was to be stored with ${position.jobId}`)
  }
  const stored = await insertRuns(
    tx,
    items.map(({ run }) => ({ run, begin: null })),
    null,
    now,
  )
  for (const { run, position } of items) if (stored.has(run.id)) countRun(position, run, 'QUEUED')
}

/** A run of the job was stored. */
export function countRun(position: HeldPosition, run: NewRun, status: RunStatus): void {
  position.activeRuns += 1
  position.lastRunId = run.id
  position.lastRunStatus = status
  position.lastRunAt = run.queuedAt
}

/** A run of the job became final. */
export function countEnd(
  position: Pick<HeldPosition, 'activeRuns' | 'lastRunId' | 'lastRunStatus'>,
  runId: string,
  status: RunStatus,
): void {
  position.activeRuns -= 1
  if (position.lastRunId === runId) position.lastRunStatus = status
}

// ------------------------------------------------------------------ cancelling

interface CancelledRecord {
  readonly id: string
  readonly jobId: string
  readonly trigger: RunTrigger
  readonly status: RunStatus
  readonly dueAt: Instant
  readonly startedAt: Instant | null
  readonly concurrencyKey: string | null
}

interface ActiveRecord extends CancelledRecord {
  readonly cancelRequestedAt: Instant | null
}

// Asked for by their ids alone: with the rest, an index of all that are active may look shorter.
const HOLD_RUNS = `SELECT id, "jobId", "trigger", status, "dueAt", "startedAt", "cancelRequestedAt", "concurrencyKey"
  FROM "Run" WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE`
const CANCEL_WAITING = `UPDATE "Run" r SET status = 'CANCELLED', "cancelRequestedAt" = coalesce(r."cancelRequestedAt", $3::timestamptz), "finishedAt" = $3::timestamptz,
    "heldBy" = NULL, "nextAttemptAt" = NULL, cursor = v.cursor, "changedAt" = $3::timestamptz
  FROM unnest($1::text[], $2::bigint[]) AS v(id, cursor) WHERE r.id = v.id`
const ASK_RUNNING = `UPDATE "Run" r SET "cancelRequestedAt" = $3::timestamptz, cursor = v.cursor, "changedAt" = $3::timestamptz
  FROM unnest($1::text[], $2::bigint[]) AS v(id, cursor) WHERE r.id = v.id`
/** Runs that one statement cancels of a job: under ALLOW_ALL it may have a hundred thousand. */
const CANCELLED_AT_ONCE = 10_000
// As the two before, for the next active runs of a job. They draw their positions themselves: not even their ids come here before.
const CANCEL_NEXT = `WITH ${MARKED}, next AS MATERIALIZED (
    SELECT id FROM "Run" WHERE "jobId" = $1 AND "finishedAt" IS NULL AND ("dueAt", id) > ($3::timestamptz, $4)
      AND (status <> 'RUNNING' OR "cancelRequestedAt" IS NULL)
    ORDER BY "dueAt", id LIMIT ${CANCELLED_AT_ONCE}
  )
  UPDATE "Run" r SET status = CASE r.status WHEN 'RUNNING' THEN r.status ELSE 'CANCELLED' END,
    "finishedAt" = CASE r.status WHEN 'RUNNING' THEN NULL ELSE $2::timestamptz END,
    "cancelRequestedAt" = coalesce(r."cancelRequestedAt", $2::timestamptz), "heldBy" = NULL, "nextAttemptAt" = NULL, cursor = ${NEXT},
    "changedAt" = $2::timestamptz
  FROM marked CROSS JOIN next WHERE r.id = next.id
  RETURNING r.id, r."jobId", r."trigger", r.status, r."dueAt", r."startedAt", r."concurrencyKey", r.cursor`

/**
 * Runs that wait end CANCELLED at once; running ones are asked, once; final ones stay as they are. Answers what has ended, for
 * `releaseAfterEnds`; the positions are moved in memory.
 */
export async function cancelRuns(
  tx: Tx,
  runIds: readonly string[],
  positions: ReadonlyMap<string, HeldPosition>,
  now: Instant,
): Promise<Ended> {
  const ended: Ended = { jobs: new Set(), keys: new Set() }
  if (runIds.length === 0) return ended
  const runs = await tx.rows<ActiveRecord>(HOLD_RUNS, [textArray(runIds)])
  const running = runs.filter(({ status, cancelRequestedAt }) => status === 'RUNNING' && cancelRequestedAt === null)
  const waiting = runs.filter(({ status }) => status !== 'RUNNING' && !isFinal(status))
  await writeAll(tx, ASK_RUNNING, running, now)
  await writeAll(tx, CANCEL_WAITING, waiting, now)
  for (const { id } of running) tx.effects.cancels.push(id)
  for (const run of waiting) countCancel(tx, ended, run, positions.get(run.jobId)!, now)
  return ended
}

function countCancel(tx: Tx, ended: Ended, run: CancelledRecord, position: HeldPosition, now: Instant): void {
  countEnd(position, run.id, 'CANCELLED')
  noteEnd(ended, position, run.concurrencyKey)
  const { jobId, trigger, dueAt, startedAt } = run
  tx.effects.ended.push({ jobId, trigger, status: 'CANCELLED', dueAt, startedAt, finishedAt: now })
}

/** As cancelRuns, for all runs of a job that are not final; the caller holds their rows too. */
export async function cancelAllOf(tx: Tx, position: HeldPosition, now: Instant): Promise<Ended> {
  const ended: Ended = { jobs: new Set(), keys: new Set() }
  if (position.activeRuns === 0) return ended
  let place: readonly [string, string] = ['-infinity', '']
  for (let count = CANCELLED_AT_ONCE; count === CANCELLED_AT_ONCE; ) {
    const runs = await tx.rows<CancelledRecord & { readonly cursor: number }>(CANCEL_NEXT, [position.jobId, instantText(now), ...place])
    noteHead(tx, runs)
    let last: CancelledRecord | undefined
    for (const run of runs) {
      if (run.status === 'RUNNING') tx.effects.cancels.push(run.id)
      else countCancel(tx, ended, run, position, now)
      if (last === undefined || run.dueAt > last.dueAt || (run.dueAt === last.dueAt && run.id > last.id)) last = run
    }
    if (last !== undefined) place = [instantText(last.dueAt), last.id]
    count = runs.length
  }
  return ended
}

/** Notes what the end of a run may release. */
export function noteEnd<Job extends Pick<HeldPosition, 'jobId' | 'activeRuns'>>(
  ended: Ended<Job>,
  position: Job,
  concurrencyKey: string | null,
): void {
  ended.jobs.add(position)
  if (concurrencyKey !== null) ended.keys.add(concurrencyKey)
}

/** Gathers what ended in several steps of a transaction. */
export function merge(into: Ended, from: Ended): void {
  for (const job of from.jobs) into.jobs.add(job)
  for (const key of from.keys) into.keys.add(key)
}

async function writeAll(tx: Tx, sql: string, runs: readonly { readonly id: string }[], now: Instant): Promise<void> {
  if (runs.length === 0) return
  const cursors = await tx.cursors(runs.length)
  await tx.write(sql, [textArray(runs.map(({ id }) => id)), numberArray(cursors), instantText(now)])
}
