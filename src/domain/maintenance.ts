import { DAY, type Instant } from './instant.ts'
import { isPaused, type Pause } from './job.ts'

// Maintenance: pauses of the whole scheduling. They are windows beside the jobs: the instants strictly between `since` and `until` are
// skipped, of every job, and no job is written when one begins or ends. Windows do not overlap, for only the newest one can be standing.

/** No instant this old is decided any more: the windows of then say nothing that the ledger has not. */
const KEPT = 400 * DAY

/** What a command writes: the window as it shall stand, known by its `since`. */
export interface MaintenanceWrite {
  readonly pause: Pause
  /** Windows that ended before this may go. */
  readonly forgetBefore: Instant
}

/** Whether a pause has a part after `instant`. */
export function endsAfter({ until }: Pick<Pause, 'until'>, instant: Instant): boolean {
  return until === null || until > instant
}

/** The pause of the whole scheduling that holds now, of all of them in their order. */
export function standingPause(pauses: readonly Pause[], now: Instant): Pause | null {
  const newest = pauses.at(-1) ?? null
  return isPaused(newest, now) ? newest : null
}

/** Pauses from now on; of a pause that still stands, which it goes on from, it replaces all but the beginning. */
export function pauseFrom(newest: Pause | null, pause: Omit<Pause, 'since'>, now: Instant): MaintenanceWrite {
  const since = isPaused(newest, now) ? newest.since : now
  return { pause: { ...pause, since }, forgetBefore: now - KEPT }
}

/** Ends the pause that stands; null: none does. An instant at this very moment fires, unless it was decided before. */
export function resumeAt(newest: Pause | null, now: Instant): MaintenanceWrite | null {
  return isPaused(newest, now) ? { pause: { ...newest, until: now }, forgetBefore: now - KEPT } : null
}
