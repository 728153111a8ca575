import type { Caller, CommandResult, CreateJobInput, PauseInput, RerunInput, TriggerJobInput, UpdateJobInput } from './inputs.ts'

/** Every change a caller may ask for. Each answers with ids: who wants the object reads it. */
export interface Commands {
  createJob(input: CreateJobInput, caller: Caller): Promise<CommandResult<{ readonly jobId: string; readonly created: boolean }>>
  updateJob(input: UpdateJobInput, caller: Caller): Promise<CommandResult<{ readonly jobId: string }>>
  deleteJob(input: { readonly id: string; readonly expectedVersion?: number | null | undefined }, caller: Caller): Promise<CommandResult<{ readonly deletedId: string }>>
  pauseJob(input: PauseInput & { readonly id: string }, caller: Caller): Promise<CommandResult<{ readonly jobId: string }>>
  resumeJob(input: { readonly id: string }, caller: Caller): Promise<CommandResult<{ readonly jobId: string }>>
  /** `replayed`: the idempotency key was known, and this is its first run. */
  triggerJob(input: TriggerJobInput, caller: Caller): Promise<CommandResult<{ readonly runId: string; readonly replayed: boolean }>>
  cancelRun(input: { readonly id: string }, caller: Caller): Promise<CommandResult<{ readonly runId: string }>>
  rerun(input: RerunInput, caller: Caller): Promise<CommandResult<{ readonly runId: string }>>
}
