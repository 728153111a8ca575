import { refused, userError } from '../domain/errors.ts'
import type { Job, Pause } from '../domain/job.ts'
import { pauseErrors } from '../domain/jobFields.ts'
import { occurrencesOf } from '../domain/occurrences.ts'
import { standing } from '../domain/plan.ts'
import type { NewJob } from '../engine/store/store.ts'
import { type CommandContext, newId } from './context.ts'
import { draftOfCreate, type JobDraft } from './draft.ts'
import type { Caller, CommandResult, CreateJobInput, PauseInput } from './inputs.ts'
import { reviseJob } from './reviseJob.ts'

type Created = { readonly jobId: string; readonly created: boolean }

/** Creates a job, or does what `onConflict` says where one of that name lives. */
export async function createJob(context: CommandContext, input: CreateJobInput, caller: Caller): Promise<CommandResult<Created>> {
  // Two callers of one name may meet, and the job that stood in the way may be gone again: whoever loses looks once more.
  for (;;) {
    const existing = input.onConflict === 'FAIL' ? null : await context.store.job({ name: input.name })
    const settled =
      existing === null ? await createNew(context, input, caller) : await settleConflict(context, input, existing.job.id, caller)
    if (settled !== 'look again') return settled
  }
}

async function createNew(context: CommandContext, input: CreateJobInput, caller: Caller): Promise<CommandResult<Created> | 'look again'> {
  const now = context.now()
  const draft = draftOfCreate(input, null, now)
  const pauseFaults = input.pause ? pauseErrors(input.pause, now, ['pause']) : []
  if (!draft.ok) return refused(...draft.errors, ...pauseFaults)
  const faults = [...pauseFaults, ...(await context.targetRules.check(draft.value))]
  if (faults.length > 0) return refused(...faults)
  const fresh = newJob(draft.value, input.pause ?? null, caller, now)
  const [result] = await context.store.createJobs([fresh])
  if (result!.ok) return { ok: true, value: { jobId: fresh.job.id, created: true } }
  return input.onConflict === 'FAIL' ? settleConflict(context, input, result!.existingId, caller) : 'look again'
}

async function settleConflict(
  context: CommandContext,
  input: CreateJobInput,
  existingId: string,
  caller: Caller,
): Promise<CommandResult<Created> | 'look again'> {
  switch (input.onConflict) {
    case 'FAIL':
      return refused(
        userError(
          'NAME_TAKEN',
          ['name'],
          `A job named ${JSON.stringify(input.name)} exists already: ${existingId}. Use onConflict UPDATE or KEEP to reuse it.`,
        ),
      )
    case 'KEEP':
      return { ok: true, value: { jobId: existingId, created: false } }
    case 'UPDATE': {
      const result = await reviseJob(context, existingId, (job, now) => draftOfCreate(input, job, now), {
        pause: input.pause ?? undefined,
        expectedVersion: null,
        by: caller.name,
      })
      if (!result.ok && result.errors.some((error) => error.code === 'NOT_FOUND' && error.path[0] === 'id')) return 'look again'
      return result.ok ? { ok: true, value: { jobId: result.value.jobId, created: false } } : result
    }
  }
}

function newJob(draft: JobDraft, pauseInput: PauseInput | null, caller: Caller, now: number): NewJob {
  const id = newId('job', now)
  const pause: Pause | null =
    pauseInput === null ? null : { since: now, until: pauseInput.until ?? null, note: pauseInput.note, by: caller.name }
  const job: Job = { id, ...draft, revision: 1, pause, version: 1, createdAt: now, updatedAt: now }
  return {
    job,
    revision: { number: 1, schedule: draft.schedule, from: now, until: null },
    position: {
      jobId: id,
      version: 1,
      plannedUntil: now,
      ...standing({ job, occurrences: occurrencesOf(draft.schedule), plannedUntil: now, ended: false }),
      scheduledRuns: 0,
      activeRuns: 0,
      trailingVerdictId: null,
      failuresInRow: 0,
      lastRunId: null,
    },
  }
}
