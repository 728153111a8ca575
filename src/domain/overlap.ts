import type { OverlapPolicy } from './job.ts'
import type { ActiveRun } from './run.ts'

/** How many runs of a job may wait under BUFFER_ALL. */
export const BUFFER_LIMIT = 1_000

/** A job's runs that are not final, counted as overlap looks at them. */
export interface Occupancy {
  /** Active runs of any trigger, waiting ones included. */
  readonly active: number
  /** Runs that wait for another of the job to end. */
  readonly waiting: number
  /** Of the waiting, those that an occurrence asked for. A waiting manual run does not take the place of BUFFER_ONE. */
  readonly waitingScheduled: number
}

/** What the overlap policy says of one more run. */
export type Admission =
  | { readonly kind: 'start' }
  /** Stored, and started when the others have ended. */
  | { readonly kind: 'hold' }
  /** Held as well, and the others are asked to cancel. */
  | { readonly kind: 'replace' }
  | { readonly kind: 'skip'; readonly verdict: 'SKIPPED_OVERLAP' | 'SKIPPED_LIMIT'; readonly reason: string }

export function occupancyOf(active: readonly ActiveRun[]): Occupancy {
  const waiting = active.filter((run) => run.heldBy === 'OVERLAP')
  return { active: active.length, waiting: waiting.length, waitingScheduled: waiting.filter((run) => run.trigger === 'SCHEDULE').length }
}

/**
 * The occupancy as this policy has to know it. ALLOW_ALL looks at no other run, so it asks for none: a job that may have any number of
 * them is planned at the same cost, however many there are.
 */
export function occupancyUnder(policy: OverlapPolicy, job: { readonly active: readonly ActiveRun[] }): Occupancy {
  return looksAtActiveRuns(policy) ? occupancyOf(job.active) : { active: 0, waiting: 0, waitingScheduled: 0 }
}

export function looksAtActiveRuns(policy: OverlapPolicy): boolean {
  return policy !== 'ALLOW_ALL'
}

/** The occupancy after one more run was admitted. */
export function occupy(occupancy: Occupancy, admission: Admission): Occupancy {
  const waits = admission.kind === 'start' ? 0 : 1
  return { active: occupancy.active + 1, waiting: occupancy.waiting + waits, waitingScheduled: occupancy.waitingScheduled + waits }
}

/** Decides on a run that an occurrence asks for. */
export function admitScheduled(policy: OverlapPolicy, occupancy: Occupancy): Admission {
  return admit(policy, occupancy, occupancy.waitingScheduled)
}

/** Decides on a run that a caller asks for: under BUFFER_ONE whatever waits already takes the place. */
export function admitManual(policy: OverlapPolicy, occupancy: Occupancy): Admission {
  return admit(policy, occupancy, occupancy.waiting)
}

function admit(policy: OverlapPolicy, occupancy: Occupancy, inThePlace: number): Admission {
  if (occupancy.active === 0 || policy === 'ALLOW_ALL') return { kind: 'start' }
  switch (policy) {
    case 'SKIP':
      return { kind: 'skip', verdict: 'SKIPPED_OVERLAP', reason: 'Another run of the job was active.' }
    case 'BUFFER_ONE':
      return inThePlace === 0
        ? { kind: 'hold' }
        : { kind: 'skip', verdict: 'SKIPPED_OVERLAP', reason: 'Another run of the job was already waiting.' }
    case 'BUFFER_ALL':
      return occupancy.waiting < BUFFER_LIMIT
        ? { kind: 'hold' }
        : { kind: 'skip', verdict: 'SKIPPED_LIMIT', reason: 'A thousand runs of the job were already waiting.' }
    case 'CANCEL_OTHER':
      return { kind: 'replace' }
  }
}
