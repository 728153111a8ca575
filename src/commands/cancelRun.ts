import { changeUnfinished } from './changeUnfinished.ts'
import type { CommandContext } from './context.ts'
import type { CommandResult } from './inputs.ts'

/** Cancels a run that waits at once, and asks a running one, which then ends within 10 s whether or not it listens. */
export function cancelRun(context: CommandContext, input: { readonly id: string }): Promise<CommandResult<{ readonly runId: string }>> {
  return changeUnfinished(context, input.id, ({ cancelRequestedAt }) =>
    cancelRequestedAt === null ? { kind: 'cancel', now: context.now() } : { kind: 'nothing' },
  )
}
