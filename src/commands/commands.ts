import { type Backfilled, backfillJob } from './backfillJob.ts'
import { cancelRun } from './cancelRun.ts'
import type { CommandContext } from './context.ts'
import { createJob } from './createJob.ts'
import { deleteJob } from './deleteJob.ts'
import type {
  BackfillInput,
  Caller,
  CommandResult,
  CreateJobInput,
  PauseInput,
  RerunInput,
  TriggerJobInput,
  UpdateJobInput,
} from './inputs.ts'
import { pauseJob, resumeJob } from './pauseJob.ts'
import { pauseScheduling, resumeScheduling } from './pauseScheduling.ts'
import { rerun } from './rerun.ts'
import { retryRunNow } from './retryRunNow.ts'
import { triggerJob } from './triggerJob.ts'
import { updateJob } from './updateJob.ts'

/** Every change a caller may ask for. Each answers with ids: who wants the object reads it. */
export interface Commands {
  createJob(input: CreateJobInput, caller: Caller): Promise<CommandResult<{ readonly jobId: string; readonly created: boolean }>>
  updateJob(input: UpdateJobInput, caller: Caller): Promise<CommandResult<{ readonly jobId: string }>>
  deleteJob(
    input: { readonly id: string; readonly expectedVersion?: number | null | undefined },
    caller: Caller,
  ): Promise<CommandResult<{ readonly deletedId: string }>>
  pauseJob(input: PauseInput & { readonly id: string }, caller: Caller): Promise<CommandResult<{ readonly jobId: string }>>
  resumeJob(input: { readonly id: string }, caller: Caller): Promise<CommandResult<{ readonly jobId: string }>>
  /** `replayed`: the idempotency key was known, and this is its first run. */
  triggerJob(input: TriggerJobInput, caller: Caller): Promise<CommandResult<{ readonly runId: string; readonly replayed: boolean }>>
  backfillJob(input: BackfillInput, caller: Caller): Promise<CommandResult<Backfilled>>
  cancelRun(input: { readonly id: string }, caller: Caller): Promise<CommandResult<{ readonly runId: string }>>
  rerun(input: RerunInput, caller: Caller): Promise<CommandResult<{ readonly runId: string }>>
  retryRunNow(input: { readonly id: string }, caller: Caller): Promise<CommandResult<{ readonly runId: string }>>
  pauseScheduling(input: PauseInput, caller: Caller): Promise<CommandResult<null>>
  resumeScheduling(caller: Caller): Promise<CommandResult<null>>
}

export function createCommands(context: CommandContext): Commands {
  return {
    createJob: (input, caller) => createJob(context, input, caller),
    updateJob: (input, caller) => updateJob(context, input, caller),
    deleteJob: (input) => deleteJob(context, input),
    pauseJob: (input, caller) => pauseJob(context, input, caller),
    resumeJob: (input) => resumeJob(context, input),
    triggerJob: (input, caller) => triggerJob(context, input, caller),
    backfillJob: (input, caller) => backfillJob(context, input, caller),
    cancelRun: (input) => cancelRun(context, input),
    rerun: (input, caller) => rerun(context, input, caller),
    retryRunNow: (input) => retryRunNow(context, input),
    pauseScheduling: (input, caller) => pauseScheduling(context, input, caller),
    resumeScheduling: () => resumeScheduling(context),
  }
}
