import type { RunStatus, RunTrigger } from '../domain/run.ts'
import type { RunRow } from '../engine/store/store.ts'
import { AttemptType, attemptsOf, RunErrorType } from './attempt.ts'
import { builder, described } from './builder.ts'
import { connectionType } from './connection.ts'
import { JobType } from './job.ts'

export const RunStatusType = builder.enumType('RunStatus', {
  description: 'QUEUED → RUNNING → (RETRYING → RUNNING)* → SUCCEEDED, FAILED, TIMED_OUT or CANCELLED. Nothing leaves one of the last four.',
  values: described<RunStatus>({
    QUEUED: 'It waits for its first attempt.',
    RUNNING: 'An attempt is under way.',
    RETRYING: 'It waits for another attempt.',
    SUCCEEDED: 'Its last attempt succeeded.',
    FAILED: 'Its last attempt failed, or its worker was lost.',
    TIMED_OUT: 'Its last attempt timed out.',
    CANCELLED: 'It was cancelled.',
  }),
})

export const RunTriggerType = builder.enumType('RunTrigger', {
  description: 'Why a run exists.',
  values: described<RunTrigger>({
    SCHEDULE: "An instant of its job's schedule.",
    MANUAL: 'Somebody triggered it.',
    BACKFILL: 'Somebody asked for an instant that had no run.',
    RERUN: 'Somebody asked to repeat another run.',
  }),
})

export const RunType = builder.objectRef<RunRow>('JobRun')

RunType.implement({
  description: 'One execution of a job that was asked for.',
  interfaces: [builder.nodeInterfaceRef()],
  fields: (t) => ({
    id: t.exposeID('id', { description: '`run_…`; sorts by time of creation.' }),
    job: t.field({
      type: JobType,
      nullable: true,
      description: 'The job it is a run of. Null: it was deleted, or could not be read.',
      resolve: (run, _args, { loaders }) => loaders.job(run.jobId),
    }),
    trigger: t.field({ type: RunTriggerType, description: 'Why it exists.', resolve: (run) => run.trigger }),
    status: t.field({ type: RunStatusType, description: 'How it stands.', resolve: (run) => run.status }),
    scheduledFor: t.field({
      type: 'DateTime',
      description: 'The nominal instant; of a manual run, the moment it was asked for; of a rerun, that of the original.',
      resolve: (run) => run.scheduledFor,
    }),
    dueAt: t.field({ type: 'DateTime', description: 'The nominal instant plus jitter.', resolve: (run) => run.dueAt }),
    queuedAt: t.field({ type: 'DateTime', description: 'When it was stored.', resolve: (run) => run.queuedAt }),
    startedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'Start of the first attempt. Null: before it.',
      resolve: (run) => run.startedAt,
    }),
    finishedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it reached a final status. Null: not yet.',
      resolve: (run) => run.finishedAt,
    }),
    cancelRequestedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it was asked to cancel. Null: it was not.',
      resolve: (run) => run.cancelRequestedAt,
    }),
    lag: t.field({
      type: 'Duration',
      nullable: true,
      description: 'Start of the first attempt minus dueAt: how late it was. Null: before the first attempt.',
      resolve: (run) => (run.startedAt === null ? null : run.startedAt - run.dueAt),
    }),
    duration: t.field({
      type: 'Duration',
      nullable: true,
      description: 'From the first start to the end, waits between attempts included. Null: not ended, or never started.',
      resolve: (run) => (run.startedAt === null || run.finishedAt === null ? null : run.finishedAt - run.startedAt),
    }),
    coalesced: t.exposeInt('coalesced', { description: 'How many misfired instants it stands for besides its own.' }),
    payload: t.field({
      type: 'JSON',
      nullable: true,
      description: 'What it was given when it was made. Null: nothing.',
      resolve: (run, _args, { answerSize }) => answerSize.json(run.payload),
    }),
    output: t.field({
      type: 'JSON',
      nullable: true,
      description: 'What its target answered. Null: nothing, or not yet.',
      resolve: (run, _args, { answerSize }) => answerSize.json(run.output),
    }),
    error: t.field({
      type: RunErrorType,
      nullable: true,
      description:
        'Why its newest ended attempt did not succeed; with the code `NO_HANDLER`, that it waits for a handler which no worker has. Null: neither, or none has ended.',
      resolve: (run) => run.error,
    }),
    progress: t.exposeFloat('progress', {
      nullable: true,
      description: 'How far its attempt is, 0 to 100, as its target tells. Null: it has not told.',
    }),
    attempt: t.exposeInt('attempt', { description: 'Number of the newest attempt; 0 before the first.' }),
    attempts: t.field({
      type: [AttemptType],
      nullable: true,
      description: 'Its attempts, first to newest.',
      resolve: async (run, _args, { loaders }) => attemptsOf(run, await loaders.attempts(run.id)),
    }),
    nextAttemptAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When a RETRYING run goes on. Null in any other status.',
      resolve: (run) => (run.status === 'RETRYING' ? run.nextAttemptAt : null),
    }),
    rerunOf: t.field({
      type: RunType,
      nullable: true,
      description: 'The run it repeats. Null: it repeats none, or that one was removed by age.',
      resolve: (run, _args, { loaders }) => (run.rerunOfId === null ? null : loaders.run(run.rerunOfId)),
    }),
    triggeredBy: t.exposeString('triggeredBy', { nullable: true, description: 'Who asked for it. Null: its schedule.' }),
  }),
})

export const RunConnectionType = connectionType('JobRun', RunType, 'runs')
