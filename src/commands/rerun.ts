import { refused } from '../domain/errors.ts'
import type { CommandContext } from './context.ts'
import type { Caller, CommandResult, RerunInput } from './inputs.ts'
import { noSuchRun } from './refusals.ts'
import { askForRun } from './triggerJob.ts'

/** A new run with the same job and payload as an earlier one, linked to it, and scheduled for the same instant. */
export async function rerun(
  context: CommandContext,
  input: RerunInput,
  caller: Caller,
): Promise<CommandResult<{ readonly runId: string }>> {
  const original = await context.store.run(input.id)
  if (original === null) return refused(noSuchRun(input.id))
  const result = await askForRun(context, {
    jobId: original.jobId,
    trigger: 'RERUN',
    payload: input.payload,
    defaultPayload: () => original.payload,
    scheduledFor: original.scheduledFor,
    rerunOfId: original.id,
    overlap: null,
    idempotencyKey: input.idempotencyKey ?? null,
    caller,
  })
  return result.ok ? { ok: true, value: { runId: result.value.runId } } : refused(...result.errors)
}
