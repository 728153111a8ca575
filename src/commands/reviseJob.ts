import { type Checked, refused, type UserError, userError } from '../domain/errors.ts'
import type { Instant } from '../domain/instant.ts'
import { isPaused, type Job } from '../domain/job.ts'
import { pauseErrors } from '../domain/jobFields.ts'
import { occurrencesOf } from '../domain/occurrences.ts'
import { schedulesEqual } from '../domain/parseSchedule.ts'
import { standing } from '../domain/plan.ts'
import type { Schedule } from '../domain/schedule.ts'
import type { JobSnapshot, JobWrite } from '../engine/store/store.ts'
import { type CommandContext, closeUpToNow, type Refusal } from './context.ts'
import type { JobDraft } from './draft.ts'
import type { CommandResult, PauseInput } from './inputs.ts'
import { nothingToPause, pauseOf } from './pauseJob.ts'
import { noSuchJob, versionConflict } from './refusals.ts'

interface Revising {
  readonly expectedVersion: number | null
  /** Pauses the job, or replaces the note and end of its pause. */
  readonly pause: PauseInput | undefined
  readonly by: string
}

/**
 * Makes a job what `draftOf` says. The target's rules (which may ask the DNS) are checked before the transaction, on the version that was read;
 * a job that moved on meanwhile is read again. A change of the schedule closes the revision at this moment and opens another; an
 * edit that changes nothing writes nothing.
 */
export async function reviseJob(
  context: CommandContext,
  jobId: string,
  draftOf: (job: Job, now: Instant) => Checked<JobDraft>,
  options: Revising,
): Promise<CommandResult<{ readonly jobId: string }>> {
  for (;;) {
    const current = await context.store.job({ id: jobId })
    if (current === null) return refused(noSuchJob(jobId))
    const { job } = current
    const now = context.now()
    const draft = draftOf(job, now)
    if (!draft.ok) return draft
    const faults = [
      ...(options.pause ? pauseErrors(options.pause, now, ['pause']) : []),
      ...(await targetFaults(context, job, draft.value)),
    ]
    if (faults.length > 0) return refused(...faults)

    const result = await context.store.changeJob<Refusal | 'moved-on'>(jobId, (snapshot) => {
      if (snapshot === null) return { refuse: [noSuchJob(jobId)] }
      const conflict = versionConflict(options.expectedVersion, snapshot.job)
      if (conflict !== null) return { refuse: [conflict] }
      if (snapshot.job.version !== job.version) return { refuse: 'moved-on' }
      return revision(snapshot, draft.value, options, context.now())
    })
    if (result.kind === 'written') return { ok: true, value: { jobId } }
    if (result.kind === 'name-taken')
      return refused(
        userError('NAME_TAKEN', ['name'], `A job named ${JSON.stringify(draft.value.name)} exists already: ${result.existingId}.`),
      )
    if (result.refusal !== 'moved-on') return refused(...result.refusal)
  }
}

/** Rules speak of what the edit changes: a job whose handler has gone since can still be renamed. */
async function targetFaults(context: CommandContext, job: Job, draft: JobDraft): Promise<readonly UserError[]> {
  const same = draft.payload === job.payload && JSON.stringify(draft.target) === JSON.stringify(job.target)
  return same ? [] : context.targetRules.check(draft)
}

function revision(
  snapshot: JobSnapshot,
  draft: JobDraft,
  { pause: asked, by }: Revising,
  now: Instant,
): JobWrite | { readonly refuse: Refusal } {
  const newSchedule = !schedulesEqual(draft.schedule, snapshot.job.schedule)
  const newPause = asked === undefined || pausedSo(snapshot.job, asked, now) ? null : asked
  const changed = newSchedule || newPause !== null || !sameFields(draft, snapshot.job)
  if (!changed) return { event: null, now }

  const closed = closeUpToNow(snapshot, now)
  const pause = newPause === null ? closed.job.pause : pauseOf(closed.job, newPause, by, now)
  const number = newSchedule ? snapshot.job.revision + 1 : snapshot.job.revision
  const job: Job = { ...closed.job, ...draft, pause, revision: number, version: snapshot.job.version + 1, updatedAt: now }
  const scheduledRuns = maxRunsOf(draft.schedule) === maxRunsOf(snapshot.job.schedule) ? closed.position.scheduledRuns : 0
  const ended = newSchedule ? exhausted(draft.schedule, scheduledRuns) : closed.position.completed
  const stands = standing({ job, occurrences: occurrencesOf(job.schedule), plannedUntil: closed.moment, ended })
  if (newPause !== null && stands.completed) return { refuse: [nothingToPause(job, ['pause'])] }
  return {
    job,
    plan: closed.plan,
    position: { plannedUntil: closed.moment, scheduledRuns, ...stands },
    ...(newSchedule
      ? {
          newRevision: {
            closeAt: closed.plan.position.revisionEnds ?? closed.moment,
            open: { number, schedule: draft.schedule, from: closed.moment, until: null },
          },
        }
      : {}),
    event: 'UPDATED',
    now,
  }
}

/** Whether the job is paused already as the input says: the same input again changes nothing. */
function pausedSo({ pause }: Job, input: PauseInput, now: Instant): boolean {
  return isPaused(pause, now) && pause.note === input.note && pause.until === (input.until ?? null)
}

/** All fields but the schedule, which has an equality of its own. */
function sameFields(draft: JobDraft, job: Job): boolean {
  const fields = ({ name, description, tags, target, payload, policies }: JobDraft) =>
    JSON.stringify([name, description, tags, target, payload, policies])
  return fields(draft) === fields(job)
}

function maxRunsOf(schedule: Schedule): number | null {
  return schedule.kind === 'once' ? null : schedule.maxRuns
}

function exhausted(schedule: Schedule, scheduledRuns: number): boolean {
  const maxRuns = maxRunsOf(schedule)
  return maxRuns !== null && scheduledRuns >= maxRuns
}
