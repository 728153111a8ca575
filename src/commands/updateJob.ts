import type { CommandContext } from './context.ts'
import { draftOfUpdate } from './draft.ts'
import type { Caller, CommandResult, UpdateJobInput } from './inputs.ts'
import { reviseJob } from './reviseJob.ts'

/** Changes what the input names of a job; all else stays. */
export function updateJob(
  context: CommandContext,
  input: UpdateJobInput,
  caller: Caller,
): Promise<CommandResult<{ readonly jobId: string }>> {
  return reviseJob(context, input.id, (job, now) => draftOfUpdate(input, job, now), {
    expectedVersion: input.expectedVersion ?? null,
    pause: undefined,
    by: caller.name,
  })
}
