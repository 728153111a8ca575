import type { Instant } from '../../../domain/instant.ts'
import type { Plan } from '../../../domain/ledger.ts'
import type { NewRun } from '../../../domain/run.ts'
import { isHandled } from '../../../domain/target.ts'
import { byClaimOrder } from '../claimOrder.ts'
import type { Definition } from '../definitions.ts'
import type { Claim, GuardedPlan, Store } from '../store.ts'
import { Batcher } from './batcher.ts'
import { columns, instant, instantText, integer, text, textArray } from './columns.ts'
import type { Database, Tx } from './database.ts'
import type { Definitions } from './definitions.ts'
import { type Ended, holdKeysOf, releaseAfterEnds } from './holds.ts'
import { endPauses, type NewEvent, pausedOf, writeEvents } from './jobChanges.ts'
import { type HeldPosition, holdJobs, writePositions } from './locks.ts'
import type { Room, Starting } from './room.ts'
import { cancelRuns, countRun, insertRuns } from './runs.ts'
import { writeSpans } from './verdicts.ts'

/** A plan with the position of its job, which is held. */
export interface HeldPlan {
  readonly plan: Plan
  readonly position: HeldPosition
}

/** Runs that begin as they are stored, with the definitions of their jobs. */
export interface Beginning {
  readonly claim: Claim
  readonly runs: ReadonlyMap<NewRun, Definition>
}

interface RevisionEnd {
  readonly jobId: string
  readonly number: number
  readonly until: Instant
}

const REVISION_END = columns<RevisionEnd>({
  jobId: text((end) => end.jobId),
  number: integer((end) => end.number),
  until: instant((end) => end.until),
})
const END_REVISIONS = `UPDATE "Revision" r SET "until" = v."until" FROM ${REVISION_END.table('v')} WHERE r."jobId" = v."jobId" AND r.number = v.number`

// One look into the index for each priority: it is ordered by that first, and may hold many runs that are due later.
const readyWaits = (handled: string) => `SELECT 1 FROM generate_series(0, 9) AS level(priority) CROSS JOIN LATERAL (
    SELECT 1 FROM "Run" r ${handled} WHERE r.status = 'QUEUED' AND r."heldBy" IS NULL AND r.priority = level.priority AND r."dueAt" <= $1::timestamptz
    ORDER BY r."dueAt" LIMIT 1
  ) ready LIMIT 1`
const READY_WAITS = readyWaits('')
const READY_HANDLED_WAITS = readyWaits(`JOIN "Job" j ON j.id = r."jobId" AND (j.handler IS NULL OR j.handler = ANY($2::text[]))`)

/**
 * Writes what planning decided, of jobs whose positions and keys are held: runs and verdict rows, ends of revisions, cancels. The
 * positions are moved in memory; the caller writes them, tells of what changed of the jobs, and calls `releaseAfterEnds` with what this
 * answers.
 */
export async function writePlans(tx: Tx, items: readonly HeldPlan[], now: Instant, beginning: Beginning | null): Promise<Ended> {
  for (const { plan } of items) noteSkipped(tx, plan, now)
  const runs = items.flatMap(({ plan, position }) => runsOf(plan).map((run) => ({ run, position })))
  const stored = await insertRuns(
    tx,
    runs.map(({ run }) => ({ run, begin: beginning?.runs.get(run) ?? null })),
    beginning?.claim ?? null,
    now,
  )
  for (const { run, position } of runs) {
    const how = stored.get(run.id)
    if (how !== undefined) countRun(position, run, how.begun ? 'RUNNING' : 'QUEUED')
  }
  await writeSpans(tx, items, now)
  for (const { plan, position } of items) move(position, plan)
  await endRevisions(tx, items)
  const cancels = items.flatMap(({ plan }) => plan.cancels)
  return cancelRuns(tx, cancels, new Map(items.map(({ position }) => [position.jobId, position])), now)
}

function runsOf({ entries }: Plan): readonly NewRun[] {
  return entries.flatMap((entry) => (entry.kind === 'run' ? [entry.run] : []))
}

function noteSkipped(tx: Tx, { jobId, entries }: Plan, at: Instant): void {
  for (const entry of entries) {
    if (entry.kind === 'span' && entry.span.verdict.startsWith('SKIPPED')) tx.effects.skipped.push({ jobId, at, count: entry.span.count })
  }
}

function move(position: HeldPosition, { position: planned }: Plan): void {
  position.plannedUntil = planned.plannedUntil
  position.wakeAt = planned.wakeAt
  position.nextRunAt = planned.nextRunAt
  position.scheduledRuns = planned.scheduledRuns
  position.completed = planned.completed
}

async function endRevisions(tx: Tx, items: readonly HeldPlan[]): Promise<void> {
  const ends = items.flatMap(({ plan: { jobId, revision, position } }): readonly RevisionEnd[] =>
    position.revisionEnds === null ? [] : [{ jobId, number: revision, until: position.revisionEnds }],
  )
  if (ends.length > 0) await tx.write(END_REVISIONS, REVISION_END.values(ends))
}

/** The verb `commitPlans`. */
export class Planning implements Pick<Store, 'commitPlans'> {
  readonly #definitions: Definitions
  /** One after the other: a scheduler has planned from what the one before left. */
  readonly #calls: Batcher<{ readonly plans: readonly GuardedPlan[]; readonly now: Instant }, readonly boolean[]>

  constructor(db: Database, { definitions, room }: { readonly definitions: Definitions; readonly room: Room }) {
    this.#definitions = definitions
    this.#calls = new Batcher({
      most: 1,
      lanes: 1,
      perform: async ([call]) => {
        const { plans, now } = call!
        const runs = plans.reduce((sum, { plan }) => sum + runsOf(plan).length, 0)
        return [await room.take(now, runs, (starting) => db.transaction((tx) => this.#commit(tx, plans, now, starting)))]
      },
    })
  }

  commitPlans(plans: readonly GuardedPlan[], now: Instant): Promise<readonly boolean[]> {
    return this.#calls.add({ plans, now })
  }

  async #commit(tx: Tx, plans: readonly GuardedPlan[], now: Instant, starting: Starting | null): Promise<readonly boolean[]> {
    const positions = await holdJobs(
      tx,
      plans.map(({ plan }) => plan.jobId),
    )
    const standing = new Map(positions)
    const items: HeldPlan[] = []
    const answers = plans.map(({ plan, from }) => {
      const position = standing.get(plan.jobId)
      if (position === undefined || !isFrom(from, position)) return false
      // Another plan of the same job in this call was made from where it stood before.
      standing.delete(plan.jobId)
      items.push({ plan, position })
      return true
    })
    if (items.length === 0) return answers
    // Before anything of the jobs is changed: their definitions are remembered by the versions that were read.
    const beginning = await this.#choose(tx, items, now, starting)
    const completing = items.filter(({ plan, position }) => plan.position.completed && !position.completed).map(({ plan }) => plan.jobId)
    await holdKeysOf(tx, {
      adding: items.flatMap(({ plan }) => runsOf(plan)),
      ending: items.flatMap(({ plan }) => plan.cancels),
    })
    const ended = await writePlans(tx, items, now, beginning)
    await tellChanges(tx, items, completing, now)
    await releaseAfterEnds(tx, ended, now)
    await writePositions(
      tx,
      items.map(({ position }) => position),
    )
    return answers
  }

  /**
   * Of the runs that nothing holds, as many as there is room for: highest priority first, then dueAt, then id. Where others wait already
   * that this worker could begin, all of these queue up with them, so that priority holds.
   */
  async #choose(tx: Tx, items: readonly HeldPlan[], now: Instant, starting: Starting | null): Promise<Beginning | null> {
    if (starting === null || starting.room <= 0) return null
    const ready = items.flatMap(({ plan, position }) =>
      runsOf(plan).flatMap((run) => (run.heldBy === null && run.dueAt <= now ? [{ run, position }] : [])),
    )
    const { claim, room } = starting
    if (ready.length === 0 || (await readyWait(tx, claim))) return null
    if (ready.length > room) ready.sort((a, b) => byClaimOrder(a.run, b.run))
    const chosen = ready.slice(0, room)
    const definitions = await this.#definitions.of(
      tx,
      chosen.map(({ position }) => position),
    )
    const runs = new Map<NewRun, Definition>()
    for (const { run } of chosen) {
      const definition = definitions.get(run.jobId)!
      if (isHandled(definition.target, claim.handlers)) runs.set(run, definition)
    }
    return { claim, runs }
  }
}

/** Whether any run waits that this claim could begin. */
async function readyWait(tx: Tx, { now, handlers }: Claim): Promise<boolean> {
  const found =
    handlers === null
      ? await tx.rows(READY_WAITS, [instantText(now)])
      : await tx.rows(READY_HANDLED_WAITS, [instantText(now), textArray([...handlers])])
  return found.length > 0
}

function isFrom(from: GuardedPlan['from'], position: HeldPosition): boolean {
  return (
    position.plannedUntil === from.plannedUntil &&
    position.version === from.version &&
    position.activeRuns === from.activeRuns &&
    position.lastRunId === from.lastRunId
  )
}

/** Pauses that have ended, and schedules that have nothing left: the changes of jobs that no command made, each told once. */
async function tellChanges(tx: Tx, items: readonly HeldPlan[], completing: readonly string[], now: Instant): Promise<void> {
  const pausing = items.filter(({ plan }) => plan.position.pauseEnds).map(({ plan }) => plan.jobId)
  const unpaused = await endPauses(tx, pausing, now)
  const completed = completing.filter((jobId) => !unpaused.has(jobId))
  if (unpaused.size === 0 && completed.length === 0) return
  for (const { position } of items) if (unpaused.has(position.jobId)) position.version += 1
  const paused = await pausedOf(tx, completed, now)
  const event = (jobId: string, state: 'PAUSED' | 'ACTIVE'): NewEvent => ({ jobId, change: 'UPDATED', at: now, before: { state } })
  const events = [
    ...[...unpaused].map((jobId) => event(jobId, 'PAUSED')),
    ...completed.map((jobId) => event(jobId, paused.has(jobId) ? 'PAUSED' : 'ACTIVE')),
  ]
  await writeEvents(tx, events, await tx.cursors(events.length))
}
