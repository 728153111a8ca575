import { refused, userError } from '../domain/errors.ts'
import { isFinal } from '../domain/run.ts'
import type { CommandContext, Refusal } from './context.ts'
import type { CommandResult } from './inputs.ts'
import { noSuchRun } from './refusals.ts'

/** Cancels a run that waits at once, and asks a running one, which then ends within 10 s whether or not it listens. */
export async function cancelRun(
  context: CommandContext,
  input: { readonly id: string },
): Promise<CommandResult<{ readonly runId: string }>> {
  const result = await context.store.changeRun<Refusal>(input.id, (current) => {
    if (current === null) return { refuse: [noSuchRun(input.id)] }
    const { run } = current
    if (isFinal(run.status)) return { refuse: [userError('ALREADY_FINISHED', ['id'], `The run ended as ${run.status} already.`)] }
    return run.cancelRequestedAt === null ? { kind: 'cancel', now: context.now() } : { kind: 'nothing' }
  })
  return result.kind === 'refused' ? refused(...result.refusal) : { ok: true, value: { runId: input.id } }
}
