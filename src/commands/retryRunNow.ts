import { userError } from '../domain/errors.ts'
import { changeUnfinished } from './changeUnfinished.ts'
import type { CommandContext } from './context.ts'
import type { CommandResult } from './inputs.ts'

/** Lets a run that waits for its next attempt go at once. How many attempts it has left is not changed. */
export function retryRunNow(context: CommandContext, input: { readonly id: string }): Promise<CommandResult<{ readonly runId: string }>> {
  return changeUnfinished(context, input.id, ({ status, nextAttemptAt }) => {
    if (status !== 'RETRYING') {
      const message = `The run is ${status}; accepted: one that is RETRYING, which waits for its next attempt.`
      return { refuse: [userError('INVALID', ['id'], message)] }
    }
    const now = context.now()
    return nextAttemptAt !== null && nextAttemptAt <= now ? { kind: 'nothing' } : { kind: 'retry-now', now }
  })
}
