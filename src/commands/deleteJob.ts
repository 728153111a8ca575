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
    // What this last planning would have started is cancelled with the rest.
    const planned = plan.entries.flatMap((entry) => (entry.kind === 'run' ? [entry.run.id] : []))
    return {
      job: { ...job, version: job.version + 1, updatedAt: now },
      plan,
      position: { plannedUntil: moment, wakeAt: null, nextRunAt: null, completed: true },
      cancels: [...current.active.map((run) => run.id), ...planned],
      delete: true,
      event: 'DELETED',
      now,
    }
  })
  return result.kind === 'refused' ? refused(...result.refusal) : { ok: true, value: { deletedId: input.id } }
}
