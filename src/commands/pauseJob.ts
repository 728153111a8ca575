import { refused, type UserError, userError } from '../domain/errors.ts'
import type { Job, Pause } from '../domain/job.ts'
import { pauseErrors } from '../domain/jobFields.ts'
import { occurrencesOf } from '../domain/occurrences.ts'
import { standing } from '../domain/plan.ts'
import { type Closed, type CommandContext, closeUpToNow, type Refusal } from './context.ts'
import type { Caller, CommandResult, PauseInput } from './inputs.ts'
import { noSuchJob } from './refusals.ts'

/** Pauses a job from this moment on; of a paused one it replaces note and end. A COMPLETED job has nothing to pause. */
export async function pauseJob(
  context: CommandContext,
  input: PauseInput & { readonly id: string },
  caller: Caller,
): Promise<CommandResult<{ readonly jobId: string }>> {
  const faults = pauseErrors(input, context.now(), [])
  if (faults.length > 0) return refused(...faults)
  const result = await context.store.changeJob<Refusal>(input.id, (current) => {
    if (current === null) return { refuse: [noSuchJob(input.id)] }
    const now = context.now()
    const closed = closeUpToNow(current, now)
    if (closed.position.completed) return { refuse: [nothingToPause(current.job, ['id'])] }
    return changed(closed, { pause: pauseOf(closed.job, input, caller.name, now) }, now)
  })
  return result.kind === 'refused' ? refused(...result.refusal) : { ok: true, value: { jobId: input.id } }
}

/** The pause that an input asks for. A second pause goes on from the first: the instants between are paused already. */
export function pauseOf(job: Pick<Job, 'pause'>, { note, until }: PauseInput, by: string, now: number): Pause {
  return { since: job.pause?.since ?? now, until: until ?? null, note, by }
}

export function nothingToPause(job: Pick<Job, 'name'>, path: readonly string[]): UserError {
  return userError('INVALID', path, `The job ${JSON.stringify(job.name)} is COMPLETED: nothing of its schedule is left to pause.`)
}

/**
 * Ends a job's pause. The instants that passed meanwhile stay SKIPPED_PAUSED; the count of failures starts anew, also where the pause has
 * ended by itself: else the next failure would pause the job again.
 */
export async function resumeJob(
  context: CommandContext,
  input: { readonly id: string },
): Promise<CommandResult<{ readonly jobId: string }>> {
  const result = await context.store.changeJob<Refusal>(input.id, (current) => {
    if (current === null) return { refuse: [noSuchJob(input.id)] }
    const now = context.now()
    if (current.job.pause === null) {
      return current.position.failuresInRow === 0 ? { event: null, now } : { position: { failuresInRow: 0 }, event: null, now }
    }
    const write = changed(closeUpToNow(current, now), { pause: null }, now)
    return { ...write, position: { ...write.position, failuresInRow: 0 } }
  })
  return result.kind === 'refused' ? refused(...result.refusal) : { ok: true, value: { jobId: input.id } }
}

function changed(closed: Closed, change: Pick<Job, 'pause'>, now: number) {
  const job: Job = { ...closed.job, ...change, version: closed.job.version + 1, updatedAt: now }
  const stands = standing({ job, occurrences: occurrencesOf(job.schedule), plannedUntil: closed.moment, ended: closed.position.completed })
  return { job, plan: closed.plan, position: { plannedUntil: closed.moment, ...stands }, event: 'UPDATED' as const, now }
}
