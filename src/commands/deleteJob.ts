import { refused } from '../domain/errors.ts'
import { type CommandContext, closeUpToNow, type Refusal } from './context.ts'
import type { CommandResult } from './inputs.ts'
import { noSuchJob, versionConflict } from './refusals.ts'

/**
 * Deletes a job: from this moment it is gone from all lists and its name is free. Queued runs are cancelled, running ones asked;
 * its rows are removed later, in small batches.
 */
export async function deleteJob(
  context: CommandContext,
  input: { readonly id: string; readonly expectedVersion?: number | null | undefined },
): Promise<CommandResult<{ readonly deletedId: string }>> {
  const result = await context.store.changeJob<Refusal>(input.id, (current) => {
    if (current === null) return { refuse: [noSuchJob(input.id)] }
    const conflict = versionConflict(input.expectedVersion, current.job)
    if (conflict !== null) return { refuse: [conflict] }
    const now = context.now()
    const { plan, job, moment } = closeUpToNow(current, now)
    return {
      job: { ...job, version: job.version + 1, updatedAt: now },
      plan,
      position: { plannedUntil: moment, wakeAt: null, nextRunAt: null, completed: true },
      // Cancels all that is active by then, what this last planning would have started included.
      delete: true,
      event: 'DELETED',
      now,
    }
  })
  return result.kind === 'refused' ? refused(...result.refusal) : { ok: true, value: { deletedId: input.id } }
}
