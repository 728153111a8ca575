import type { Database } from 'better-sqlite3'
import type { Instant } from '../../../domain/instant.ts'
import type { Plan } from '../../../domain/ledger.ts'
import type { NewRun, RunStatus } from '../../../domain/run.ts'
import { byClaimOrder } from '../claimOrder.ts'
import type { Claim, GuardedPlan } from '../store.ts'
import type { JobChanges } from './jobChanges.ts'
import type { ReadyRuns } from './readyRuns.ts'
import type { Releases } from './releases.ts'
import type { Runs } from './runs.ts'
import { prepare } from './statement.ts'
import type { Verdicts } from './verdicts.ts'
import type { Tx } from './writer.ts'

/** The position as a plan is checked against it. */
interface StandingRecord {
  readonly plannedUntil: Instant
  readonly version: number
  readonly activeRuns: number
  readonly trailingVerdictId: string | null
  readonly completed: number
  readonly lastRunId: string | null
  readonly lastRunStatus: RunStatus | null
  readonly lastRunAt: Instant | null
}

/** The worker's claim on runs that begin in the commit that stores them, and how many it takes. */
export interface Starting {
  readonly claim: Claim
  readonly room: number
}

function statements(db: Database) {
  return {
    standing: prepare<[string], StandingRecord>(
      db,
      `SELECT "plannedUntil", version, "activeRuns", "trailingVerdictId", completed, "lastRunId", "lastRunStatus", "lastRunAt" FROM "JobPosition" WHERE "jobId" = ?`,
    ),
    move: prepare(
      db,
      `UPDATE "JobPosition" SET "plannedUntil" = ?, "wakeAt" = ?, "nextRunAt" = ?, "scheduledRuns" = ?, completed = ?, "activeRuns" = ?,
         "trailingVerdictId" = ?, "lastRunId" = ?, "lastRunStatus" = ?, "lastRunAt" = ? WHERE "jobId" = ?`,
    ),
    endRevision: prepare(db, 'UPDATE "Revision" SET "until" = ? WHERE "jobId" = ? AND number = ?'),
  }
}

/** Writes what planning decided: runs and verdict rows, cancels, and where the job stands now. */
export class Plans {
  readonly #sql
  readonly #runs: Runs
  readonly #verdicts: Verdicts
  readonly #releases: Releases
  readonly #changes: JobChanges
  readonly #ready: ReadyRuns

  constructor(
    db: Database,
    parts: {
      readonly runs: Runs
      readonly verdicts: Verdicts
      readonly releases: Releases
      readonly changes: JobChanges
      readonly ready: ReadyRuns
    },
  ) {
    this.#sql = statements(db)
    this.#runs = parts.runs
    this.#verdicts = parts.verdicts
    this.#releases = parts.releases
    this.#changes = parts.changes
    this.#ready = parts.ready
  }

  /**
   * The verb `commitPlans`. With `starting`, runs that may start are stored as RUNNING, as far as there is room: one commit less
   * between the instant and the handler. Where others wait already that this worker could begin, all of these queue up with them, so
   * that priority holds.
   */
  commit(tx: Tx, plans: readonly GuardedPlan[], now: Instant, starting: Starting | null): readonly boolean[] {
    const chosen = starting === null || starting.room <= 0 || this.#ready.waits(tx, starting.claim) ? null : choose(plans, starting, now)
    const answers = plans.map(({ plan, from }) => {
      const standing = this.#sql.standing.get(plan.jobId)
      if (
        standing === undefined ||
        standing.plannedUntil !== from.plannedUntil ||
        standing.version !== from.version ||
        standing.activeRuns !== from.activeRuns ||
        standing.lastRunId !== from.lastRunId
      )
        return false
      this.#write(tx, plan, standing, now, chosen)
      const told = plan.position.pauseEnds && this.#changes.endPause(tx, plan.jobId, now)
      // The other change of state that no command made. What a command's planning completed is told with the command.
      if (!told && plan.position.completed && standing.completed === 0) this.#changes.completed(tx, plan.jobId, now)
      return true
    })
    this.#releases.followUp(tx, now)
    return answers
  }

  /** The plan within a command: made from the position as it stands in this transaction. What ended is followed up by the caller. */
  writeWithin(tx: Tx, plan: Plan, now: Instant): void {
    this.#write(tx, plan, this.#sql.standing.get(plan.jobId)!, now, null)
  }

  #write(tx: Tx, plan: Plan, standing: StandingRecord, now: Instant, chosen: Chosen | null): void {
    let { activeRuns, lastRunId, lastRunStatus, lastRunAt } = standing
    for (const entry of plan.entries) {
      if (entry.kind === 'span') {
        if (entry.span.verdict.startsWith('SKIPPED')) tx.effects.skipped.push({ jobId: plan.jobId, at: now, count: entry.span.count })
        continue
      }
      const { run } = entry
      const start = chosen?.runs.has(run) ? { claim: chosen.claim, positionVersion: standing.version } : null
      const stored = this.#runs.insert(tx, run, start)
      if (stored === null) continue
      activeRuns += 1
      lastRunId = run.id
      lastRunStatus = stored.begun ? 'RUNNING' : 'QUEUED'
      lastRunAt = run.queuedAt
    }
    const { plannedUntil, wakeAt, nextRunAt, scheduledRuns, completed, revisionEnds } = plan.position
    const trailing = this.#verdicts.write(plan, standing.trailingVerdictId, now)
    this.#sql.move.run(
      plannedUntil,
      wakeAt,
      nextRunAt,
      scheduledRuns,
      completed ? 1 : 0,
      activeRuns,
      trailing,
      lastRunId,
      lastRunStatus,
      lastRunAt,
      plan.jobId,
    )
    if (revisionEnds !== null) this.#sql.endRevision.run(revisionEnds, plan.jobId, plan.revision)
    for (const runId of plan.cancels) this.#runs.cancel(tx, runId, now)
  }
}

/** Runs that begin as they are stored. */
interface Chosen {
  readonly claim: Claim
  readonly runs: ReadonlySet<NewRun>
}

/** Of the runs that nothing holds, as many as there is room for: highest priority first, then dueAt, then id. */
function choose(plans: readonly GuardedPlan[], { claim, room }: Starting, now: Instant): Chosen {
  const ready: NewRun[] = []
  for (const { plan } of plans) {
    for (const entry of plan.entries) if (entry.kind === 'run' && entry.run.heldBy === null && entry.run.dueAt <= now) ready.push(entry.run)
  }
  if (ready.length > room) ready.sort(byClaimOrder)
  return { claim, runs: new Set(ready.slice(0, room)) }
}
