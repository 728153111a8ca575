import { refused } from '../domain/errors.ts'
import { pauseErrors } from '../domain/jobFields.ts'
import { pauseFrom, resumeAt } from '../domain/maintenance.ts'
import type { CommandContext } from './context.ts'
import type { Caller, CommandResult, PauseInput } from './inputs.ts'

/** Pauses the whole scheduling from this moment on; of a pause that stands it replaces note and end. */
export async function pauseScheduling(context: CommandContext, input: PauseInput, caller: Caller): Promise<CommandResult<null>> {
  const faults = pauseErrors(input, context.now(), [])
  if (faults.length > 0) return refused(...faults)
  await context.store.changeMaintenance((newest) =>
    pauseFrom(newest, { note: input.note, until: input.until ?? null, by: caller.name }, context.now()),
  )
  return { ok: true, value: null }
}

/** Ends the pause of the whole scheduling; where there is none it does nothing. */
export async function resumeScheduling(context: CommandContext): Promise<CommandResult<null>> {
  await context.store.changeMaintenance((newest) => resumeAt(newest, context.now()))
  return { ok: true, value: null }
}
