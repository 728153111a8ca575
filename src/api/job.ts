import { aheadOf, nextRunAtOf } from '../domain/ahead.ts'
import type { Instant } from '../domain/instant.ts'
import { isPaused, type JobState, jobState, type Pause } from '../domain/job.ts'
import type { JobRow } from '../engine/store/store.ts'
import { builder, described } from './builder.ts'
import { connectionType } from './connection.ts'
import { badUserInput } from './errors.ts'
import { takeInstants } from './instants.ts'
import { PauseType } from './pause.ts'
import { JobPoliciesType } from './policies.ts'
import { ScheduleType } from './schedule.ts'
import { TargetType } from './target.ts'

export const JobStateType = builder.enumType('JobState', {
  description: 'Whether a job fires.',
  values: described<JobState>({
    ACTIVE: 'It fires as its schedule says.',
    PAUSED: 'It does not fire until resumed, or until its pause ends.',
    COMPLETED: 'Its schedule has nothing left. Shown before PAUSED.',
  }),
})

const MAX_UPCOMING = 1_000

// Resolvers of Job and JobRun run for every row of every list: they answer from the row at hand, without a promise. What needs a
// read of its own is nullable and goes through a loader.
export const JobType = builder.objectRef<JobRow>('Job').implement({
  description: 'A named, stored instruction: when (schedule), what (target and payload), and how (policies).',
  interfaces: [builder.nodeInterfaceRef()],
  fields: (t) => ({
    id: t.id({ description: '`job_…`; sorts by time of creation.', resolve: ({ job }) => job.id }),
    name: t.string({ description: 'Unique among the jobs that live.', resolve: ({ job }) => job.name }),
    description: t.string({
      nullable: true,
      description: 'What the job is for. Null: nothing was said.',
      resolve: ({ job }) => job.description,
    }),
    tags: t.field({ type: ['String'], description: 'Words to find jobs by, in the order given.', resolve: ({ job }) => job.tags }),
    state: t.field({
      type: JobStateType,
      description: 'Whether it fires.',
      resolve: ({ job, position }, _args, context) => jobState(job, position, context.now()),
    }),
    pause: t.field({
      type: PauseType,
      nullable: true,
      description: 'Set while the job is paused; null otherwise.',
      resolve: ({ job }, _args, context) => (isPaused(job.pause, context.now()) ? job.pause : null),
    }),
    schedule: t.field({ type: ScheduleType, description: 'When it fires.', resolve: ({ job }) => job.schedule }),
    target: t.field({ type: TargetType, description: 'What its runs perform.', resolve: ({ job }) => job.target }),
    payload: t.field({
      type: 'JSON',
      nullable: true,
      description: 'What its runs are given, unless they were given their own. Null: nothing.',
      resolve: ({ job }, _args, { answerSize }) => answerSize.json(job.payload),
    }),
    policies: t.field({ type: JobPoliciesType, description: 'How it behaves, defaults filled in.', resolve: ({ job }) => job.policies }),
    nextRunAt: t.field({
      type: 'DateTime',
      nullable: true,
      description:
        'When it fires next, jitter included. Null: not at all as things stand (completed, or paused without an end, alone or with the whole scheduling).',
      resolve: ({ job, position }, _args, { loaders }) => {
        if (position.nextRunAt === null) return null
        const maintenance = loaders.maintenance()
        const next = (known: readonly Pause[]) => nextRunAtOf({ job, position, maintenance: known })
        return maintenance instanceof Promise ? maintenance.then(next) : next(maintenance)
      },
    }),
    upcoming: t.field({
      type: ['DateTime'],
      nullable: true,
      description:
        'The next instants of its schedule, nominal: without jitter, without those that a pause skips (its own, or one of the whole scheduling), and not beyond `maxRuns`. Empty: there are none as things stand.',
      args: { count: t.arg.int({ required: true, defaultValue: 5, description: 'How many, 0 to 1,000.' }) },
      resolve: async (row, { count }, { loaders }) => upcomingInstants(row, await loaders.maintenance(), count),
    }),
    version: t.int({
      description: 'Rises with every command on the job, never with a fire. Send it back as `expectedVersion` to refuse lost updates.',
      resolve: ({ job }) => job.version,
    }),
    createdAt: t.field({ type: 'DateTime', description: 'When it was created.', resolve: ({ job }) => job.createdAt }),
    updatedAt: t.field({
      type: 'DateTime',
      description: 'When it was last changed: by a command, or by a pause of its own that began or ended by itself.',
      resolve: ({ job }) => job.updatedAt,
    }),
  }),
})

export const JobConnectionType = connectionType('Job', JobType, 'jobs')

function upcomingInstants({ job, position }: JobRow, maintenance: readonly Pause[], count: number): Instant[] {
  if (count < 0 || count > MAX_UPCOMING) throw badUserInput(`\`count\` is ${count}; accepted: 0 to ${MAX_UPCOMING}.`)
  return takeInstants(aheadOf({ job, position, maintenance }), position.plannedUntil, count)
}
