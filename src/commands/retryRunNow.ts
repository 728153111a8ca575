import { refused, userError } from '../domain/errors.ts'
import { isFinal } from '../domain/run.ts'
import type { CommandContext, Refusal } from './context.ts'
import type { CommandResult } from './inputs.ts'
import { noSuchRun } from './refusals.ts'

/** Lets a run that waits for its next attempt go at once. How many attempts it has left is not changed. */
export async function retryRunNow(
  context: CommandContext,
  input: { readonly id: string },
): Promise<CommandResult<{ readonly runId: string }>> {
  const result = await context.store.changeRun<Refusal>(input.id, (current) => {
    if (current === null) return { refuse: [noSuchRun(input.id)] }
    const { run } = current
    if (isFinal(run.status)) return { refuse: [userError('ALREADY_FINISHED', ['id'], `The run ended as ${run.status} already.`)] }
    if (run.status !== 'RETRYING')
      return {
        refuse: [
          userError('INVALID', ['id'], `The run is ${run.status}; accepted: one that is RETRYING, which waits for its next attempt.`),
        ],
      }
    const now = context.now()
    return run.nextAttemptAt !== null && run.nextAttemptAt <= now ? { kind: 'nothing' } : { kind: 'retry-now', now }
  })
  return result.kind === 'refused' ? refused(...result.refusal) : { ok: true, value: { runId: input.id } }
}
