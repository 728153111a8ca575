import type { JobRow } from '../engine/store/store.ts'
import { builder, described } from './builder.ts'
import { callerOf, freshJob } from './fresh.ts'
import { JobType } from './job.ts'
import { JobPoliciesInput } from './policies.ts'
import { ScheduleInputType } from './schedule.ts'
import { TargetInputType } from './target.ts'
import { payloadType, toPayload } from './userError.ts'

const OnConflict = builder.enumType('OnConflict', {
  description: 'What to do where a job of that name exists.',
  values: described<'FAIL' | 'UPDATE' | 'KEEP'>({
    FAIL: 'Refuse, with NAME_TAKEN.',
    UPDATE: 'Make it what the input says.',
    KEEP: 'Leave it as it is, and answer it.',
  }),
})

const PauseInput = builder.inputType('PauseInput', {
  description: 'A pause from the start.',
  fields: (t) => ({
    note: t.string({ required: true, description: 'Why, for the next person; 1 to 1,000 characters.' }),
    until: t.field({ type: 'DateTime', description: 'When it ends by itself, exclusive. Left out: when resumed.' }),
  }),
})

const CreateJobInput = builder.inputType('CreateJobInput', {
  description: 'A job to create.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'Unique among the jobs that live; 1 to 200 characters.' }),
    description: t.string({ description: 'What it is for.' }),
    tags: t.stringList({ description: 'Words to find it by; at most 50 of 64 characters.' }),
    schedule: t.field({ type: ScheduleInputType, required: true, description: 'When it shall fire.' }),
    target: t.field({ type: TargetInputType, description: 'What its runs shall perform. Left out: the built-in handler `log`.' }),
    payload: t.field({ type: 'JSON', description: 'What its runs are given; at most 64 KiB and 32 levels.' }),
    policies: t.field({ type: JobPoliciesInput, description: 'How it shall behave. Left out: the defaults.' }),
    pause: t.field({ type: PauseInput, description: 'Create it paused.' }),
    onConflict: t.field({
      type: OnConflict,
      required: true,
      defaultValue: 'FAIL',
      description: 'What to do where a job of that name exists.',
    }),
  }),
})

const UpdateJobInput = builder.inputType('UpdateJobInput', {
  description: 'A change of a job. Left out: unchanged. Null: back to the default, or INVALID where a value is required.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'The job, `job_…`.' }),
    expectedVersion: t.int({ description: 'Refuse with VERSION_CONFLICT unless the job is at this version.' }),
    name: t.string({ description: 'Another name.' }),
    description: t.string({ description: 'Another description; null removes it.' }),
    tags: t.stringList({ description: 'All tags; replaced whole.' }),
    schedule: t.field({
      type: ScheduleInputType,
      description: 'Another schedule; replaced whole. An interval keeps its anchor where `every` is unchanged and none is given.',
    }),
    target: t.field({
      type: TargetInputType,
      description: 'Another target; replaced whole, but secrets left out stay. Null: the built-in handler `log`.',
    }),
    payload: t.field({ type: 'JSON', description: 'Another payload, for runs to come; null removes it.' }),
    policies: t.field({ type: JobPoliciesInput, description: 'Other policies; merged field by field. Null: all defaults.' }),
  }),
})

const DeleteJobInput = builder.inputType('DeleteJobInput', {
  description: 'A job to delete.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'The job, `job_…`.' }),
    expectedVersion: t.int({ description: 'Refuse with VERSION_CONFLICT unless the job is at this version.' }),
  }),
})

const PauseJobInput = builder.inputType('PauseJobInput', {
  description: 'A job to pause.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'The job, `job_…`.' }),
    note: t.string({ required: true, description: 'Why, for the next person; 1 to 1,000 characters.' }),
    until: t.field({ type: 'DateTime', description: 'When it ends by itself, exclusive. Left out: when resumed.' }),
  }),
})

const ResumeJobInput = builder.inputType('ResumeJobInput', {
  description: 'A job to resume.',
  fields: (t) => ({ id: t.id({ required: true, description: 'The job, `job_…`.' }) }),
})

function jobPayload(name: string, description: string) {
  return payloadType<JobRow | null>(name, description, (t) => ({
    job: t.field({
      type: JobType,
      nullable: true,
      description: 'The job as it now stands. Null: nothing was done.',
      resolve: ({ value }) => value,
    }),
  }))
}

const UpdateJobPayload = jobPayload('UpdateJobPayload', 'What became of an update.')
const PauseJobPayload = jobPayload('PauseJobPayload', 'What became of a pause.')
const ResumeJobPayload = jobPayload('ResumeJobPayload', 'What became of a resumption.')

const CreateJobPayload = payloadType<{ readonly job: JobRow | null; readonly created: boolean }>(
  'CreateJobPayload',
  'What became of a creation.',
  (t) => ({
    job: t.field({
      type: JobType,
      nullable: true,
      description: 'The job as it now stands. Null: nothing was done.',
      resolve: ({ value }) => value?.job ?? null,
    }),
    created: t.boolean({
      description: 'False where onConflict updated or kept a job of that name, and where nothing was done.',
      resolve: ({ value }) => value?.created ?? false,
    }),
  }),
)

const DeleteJobPayload = payloadType<string>('DeleteJobPayload', 'What became of a deletion.', (t) => ({
  deletedId: t.id({ nullable: true, description: 'The job that is gone. Null: nothing was done.', resolve: ({ value }) => value }),
}))

builder.mutationFields((t) => ({
  createJob: t.field({
    type: CreateJobPayload,
    description: 'Creates a job; it fires from now on. Needs the scope MANAGE.',
    args: { input: t.arg({ type: CreateJobInput, required: true, description: 'The job.' }) },
    resolve: (_root, { input }, context) =>
      toPayload(context.commands.createJob(input, callerOf(context)), async ({ jobId, created }) => ({
        job: await freshJob(context, jobId),
        created,
      })),
  }),
  updateJob: t.field({
    type: UpdateJobPayload,
    description:
      'Changes a job. Instants up to now are decided under the old settings first; an edit that changes nothing does nothing. Needs the scope MANAGE.',
    args: { input: t.arg({ type: UpdateJobInput, required: true, description: 'The change.' }) },
    resolve: (_root, { input }, context) =>
      toPayload(context.commands.updateJob(input, callerOf(context)), ({ jobId }) => freshJob(context, jobId)),
  }),
  deleteJob: t.field({
    type: DeleteJobPayload,
    description: 'Deletes a job: its name is free at once, queued runs are cancelled, running ones asked to. Needs the scope MANAGE.',
    args: { input: t.arg({ type: DeleteJobInput, required: true, description: 'The job.' }) },
    resolve: (_root, { input }, context) => toPayload(context.commands.deleteJob(input, callerOf(context)), ({ deletedId }) => deletedId),
  }),
  pauseJob: t.field({
    type: PauseJobPayload,
    description:
      'Pauses a job: its instants are skipped, runs that exist go on. Pausing again replaces note and end. Needs the scope OPERATE.',
    args: { input: t.arg({ type: PauseJobInput, required: true, description: 'The job and why.' }) },
    resolve: (_root, { input }, context) =>
      toPayload(context.commands.pauseJob(input, callerOf(context)), ({ jobId }) => freshJob(context, jobId)),
  }),
  resumeJob: t.field({
    type: ResumeJobPayload,
    description:
      'Resumes a job: it fires again from its next instant on, and its count of failures in a row starts anew. Of a job that is not paused nothing else changes. Needs the scope OPERATE.',
    args: { input: t.arg({ type: ResumeJobInput, required: true, description: 'The job.' }) },
    resolve: (_root, { input }, context) =>
      toPayload(context.commands.resumeJob(input, callerOf(context)), ({ jobId }) => freshJob(context, jobId)),
  }),
}))
