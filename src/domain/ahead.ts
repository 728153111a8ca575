import type { Instant } from './instant.ts'
import { dueAt } from './jitter.ts'
import type { Job, Pause, Position } from './job.ts'
import { endsAfter } from './maintenance.ts'
import { firstOf, type Gap, type Occurrences, occurrencesOf, within, without } from './occurrences.ts'

/** A job as things stand: what must be known to say what lies ahead of it. */
export interface Standing {
  readonly job: Pick<Job, 'id' | 'schedule' | 'pause'>
  readonly position: Pick<Position, 'plannedUntil' | 'nextRunAt' | 'scheduledRuns' | 'completed'>
  /** Pauses of the whole scheduling, in any order; those that ended before the planner's cursor change nothing. */
  readonly maintenance: readonly Pause[]
}

const NOTHING: Occurrences = { next: () => null, previous: () => null, count: () => 0 }

/**
 * The nominal instants that a job will fire at if nobody touches it: those after the planner's cursor that fall into no pause, and no
 * more than maxRuns leaves. An instant that has passed is among them for as long as it has no verdict. They are the same instants that the
 * planner will come to; what overlap will make of them nobody knows yet.
 */
export function aheadOf(standing: Standing): Occurrences {
  const { job, position } = standing
  if (position.completed) return NOTHING
  const unpaused = unpausedOf(standing)
  const maxRuns = job.schedule.kind === 'once' ? null : job.schedule.maxRuns
  return maxRuns === null ? unpaused : firstOf(unpaused, position.plannedUntil, maxRuns - position.scheduledRuns)
}

/**
 * The instants up to `now` that a job's own pause has passed over although no verdict says so yet: the planner lets a paused job sleep, and
 * whatever ends the pause first gives them SKIPPED_PAUSED.
 */
export function sleptThrough({ job, position }: Omit<Standing, 'maintenance'>, now: Instant): Occurrences {
  if (job.pause === null || position.completed) return NOTHING
  const { after, upTo } = gapOf(job.pause)
  return within(occurrencesOf(job.schedule), Math.max(position.plannedUntil, after), Math.min(now, upTo))
}

/**
 * When a job fires next, jitter included; null: not at all as things stand. The planner keeps the answer with the job, but knows of the
 * job's own pause alone: a pause of the whole scheduling begins and ends without a write to every job.
 */
export function nextRunAtOf(standing: Standing): Instant | null {
  const { job, position } = standing
  if (position.completed || !standing.maintenance.some((pause) => endsAfter(pause, position.plannedUntil))) return position.nextRunAt
  const next = unpausedOf(standing).next(position.plannedUntil)
  return next === null ? null : dueAt(job.id, job.schedule, next)
}

function unpausedOf({ job, position, maintenance }: Standing): Occurrences {
  const pauses = job.pause === null ? maintenance : [job.pause, ...maintenance]
  const gaps = pauses.filter((pause) => endsAfter(pause, position.plannedUntil)).map(gapOf)
  return without(within(occurrencesOf(job.schedule), position.plannedUntil, null), gaps)
}

/** `since` and `until` themselves fire. */
function gapOf({ since, until }: Pick<Pause, 'since' | 'until'>): Gap {
  return { after: since, upTo: until === null ? Number.POSITIVE_INFINITY : until - 1 }
}
