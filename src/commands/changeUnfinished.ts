import { refused, userError } from '../domain/errors.ts'
import { isFinal } from '../domain/run.ts'
import type { RunRow, RunWrite } from '../engine/store/store.ts'
import type { CommandContext, Refusal } from './context.ts'
import type { CommandResult } from './inputs.ts'
import { noSuchRun } from './refusals.ts'

/** Changes a run as `decide` says; one that has ended, or is not there, is refused. */
export async function changeUnfinished(
  context: CommandContext,
  id: string,
  decide: (run: RunRow) => RunWrite | { readonly refuse: Refusal },
): Promise<CommandResult<{ readonly runId: string }>> {
  const result = await context.store.changeRun<Refusal>(id, (current) => {
    if (current === null) return { refuse: [noSuchRun(id)] }
    const { run } = current
    if (isFinal(run.status)) return { refuse: [userError('ALREADY_FINISHED', ['id'], `The run ended as ${run.status} already.`)] }
    return decide(run)
  })
  return result.kind === 'refused' ? refused(...result.refusal) : { ok: true, value: { runId: id } }
}
