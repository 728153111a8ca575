import { randomFillSync } from 'node:crypto'
import type { UserError } from '../domain/errors.ts'
import { idFactory } from '../domain/ids.ts'
import type { Instant } from '../domain/instant.ts'
import type { Job, Position } from '../domain/job.ts'
import type { Plan } from '../domain/ledger.ts'
import { occurrencesOf } from '../domain/occurrences.ts'
import { planJob } from '../domain/plan.ts'
import type { JobSnapshot, Store } from '../engine/store/store.ts'
import type { TargetRules } from '../worker/targetRules.ts'

/** What commands work with. */
export interface CommandContext {
  readonly store: Store
  readonly targetRules: TargetRules
  readonly now: () => Instant
}

/** Raised inside `decide` functions and turned into `{ ok: false }` by the command: the answer to a caller's fault. */
export type Refusal = readonly UserError[]

export const newId = idFactory((bytes) => randomFillSync(bytes))

/** The state from which a command changes a job: everything up to `moment` has its verdict under the old settings. */
export interface Closed {
  /** Without a pause that had ended by itself. */
  readonly job: Job
  readonly position: Position
  readonly plan: Plan
  /** Now, or the newest decided instant where the clock was turned back: what comes strictly after it is undecided. */
  readonly moment: Instant
}

/** First half of every command that changes schedule, policies, pause or existence (semantics: "first gives a verdict"). */
export function closeUpToNow(current: Pick<JobSnapshot, 'job' | 'position' | 'active' | 'maintenance'>, now: Instant): Closed {
  const { position, maintenance } = current
  const plan = planJob({
    job: current.job,
    position,
    // Read only if the plan looks at it.
    get active() {
      return current.active
    },
    now,
    occurrences: occurrencesOf(current.job.schedule),
    maintenance,
    closing: true,
    newRunId: () => newId('run', now),
  })
  const { revisionEnds: _ends, pauseEnds, ...moved } = plan.position
  return {
    job: pauseEnds ? { ...current.job, pause: null } : current.job,
    position: { ...position, ...moved },
    plan,
    moment: moved.plannedUntil,
  }
}
