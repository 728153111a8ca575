import type { Caller } from '../commands/inputs.ts'
import type { JobRow, RunRow } from '../engine/store/store.ts'
import { type ApiContext, readAnew } from './context.ts'

/** Who a command is told to be from. Mutations are not reached without a viewer: see scopes.ts. */
export function callerOf({ viewer }: ApiContext): Caller {
  return { name: viewer!.name }
}

/** The job as a command just left it; null where it is gone again already. */
export function freshJob(context: ApiContext, id: string): Promise<JobRow | null> {
  readAnew(context)
  return context.store.job({ id })
}

/** The run as a command just left it; null where it is gone again already. */
export function freshRun(context: ApiContext, id: string): Promise<RunRow | null> {
  readAnew(context)
  return context.store.run(id)
}
