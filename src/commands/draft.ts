import { type Checked, refused, type UserError, valid } from '../domain/errors.ts'
import type { Instant } from '../domain/instant.ts'
import { DEFAULT_POLICIES, type Job } from '../domain/job.ts'
import { descriptionError, jsonText, nameError, tagErrors } from '../domain/jobFields.ts'
import { parseSchedule } from '../domain/parseSchedule.ts'
import { mergePolicies } from '../domain/policies.ts'
import { DEFAULT_TARGET, readTarget } from '../domain/target.ts'
import type { CreateJobInput, UpdateJobInput } from './inputs.ts'

/** What a caller may say of a job: its fields without the ones that the product keeps. */
export type JobDraft = Pick<Job, 'name' | 'description' | 'tags' | 'schedule' | 'target' | 'payload' | 'policies'>

/** A job from scratch; where `previous` is given, a job that shall become what the input says, whole, keeping stored secrets and anchor. */
export function draftOfCreate(input: CreateJobInput, previous: Job | null, now: Instant): Checked<JobDraft> {
  const payload = jsonText(input.payload, ['payload'])
  const schedule = parseSchedule(input.schedule, { now, previous: previous?.schedule ?? null })
  const target = input.target ? readTarget(input.target, previous?.target ?? null) : valid(DEFAULT_TARGET)
  const policies = mergePolicies(DEFAULT_POLICIES, input.policies)
  const fields = { name: input.name, description: input.description ?? null, tags: unique(input.tags ?? []) }
  return assemble(fields, { schedule, target, policies, payload })
}

/** The job as an update leaves it: left out is unchanged, null is back to the default, or INVALID where a value is required. */
export function draftOfUpdate(input: UpdateJobInput, job: Job, now: Instant): Checked<JobDraft> {
  const missing = (['name', 'schedule'] as const)
    .filter((field) => input[field] === null)
    .map(
      (field): UserError => ({
        code: 'INVALID',
        path: [field],
        message: `${field} is null; a job needs one. Leave it out to keep it as it is.`,
      }),
    )
  if (missing.length > 0) return refused(...missing)
  const payload = input.payload === undefined ? { text: job.payload, error: null } : jsonText(input.payload, ['payload'])
  const schedule = input.schedule ? parseSchedule(input.schedule, { now, previous: job.schedule }) : valid(job.schedule)
  const target =
    input.target === undefined ? valid(job.target) : input.target === null ? valid(DEFAULT_TARGET) : readTarget(input.target, job.target)
  const policies = mergePolicies(job.policies, input.policies)
  const fields = {
    name: input.name ?? job.name,
    description: input.description === undefined ? job.description : input.description,
    tags: input.tags === undefined ? job.tags : unique(input.tags ?? []),
  }
  return assemble(fields, { schedule, target, policies, payload })
}

interface Parts {
  readonly schedule: Checked<Job['schedule']>
  readonly target: Checked<Job['target']>
  readonly policies: Checked<Job['policies']>
  readonly payload: { readonly text: string | null; readonly error: UserError | null }
}

/** All parts together, or all that is wrong with any of them. */
function assemble(fields: Pick<Job, 'name' | 'description' | 'tags'>, { schedule, target, policies, payload }: Parts): Checked<JobDraft> {
  const errors = [
    nameError(fields.name, ['name']),
    descriptionError(fields.description, ['description']),
    ...tagErrors(fields.tags, ['tags']),
    ...(schedule.ok ? [] : schedule.errors),
    ...(target.ok ? [] : target.errors),
    payload.error,
    ...(policies.ok ? [] : policies.errors),
  ].filter((error) => error !== null)
  if (errors.length > 0 || !schedule.ok || !target.ok || !policies.ok) return refused(...errors)
  return valid({ ...fields, schedule: schedule.value, target: target.value, policies: policies.value, payload: payload.text })
}

function unique(tags: readonly string[]): readonly string[] {
  return [...new Set(tags)]
}
