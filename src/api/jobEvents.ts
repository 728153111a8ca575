import type { JobChange } from '../domain/job.ts'
import type { JobEvent } from '../stream/jobStream.ts'
import { LIVE } from '../stream/liveSource.ts'
import { builder, described } from './builder.ts'
import { readingAnew } from './fresh.ts'
import { JobType } from './job.ts'
import { JobFilterType, readJobFilter } from './jobQueries.ts'

const JobChangeType = builder.enumType('JobChange', {
  description: 'What happened to a job.',
  values: described<JobChange>({
    CREATED: 'It was created.',
    UPDATED: 'A command changed it, its pause began or ended, or its schedule has nothing left.',
    DELETED: 'It was deleted.',
  }),
})

const JobEventType = builder.objectRef<JobEvent>('JobEvent').implement({
  description: 'A change of a job, with the job as it stands now; or a checkpoint.',
  fields: (t) => ({
    cursor: t.field({
      type: 'Cursor',
      description:
        'Everything up to here has been told. Keep it, and send it as `after` to go on from here. `jobRuns` and `jobChanges` share one sequence of cursors.',
      resolve: (event) => event.cursor,
    }),
    at: t.field({
      type: 'DateTime',
      description: 'When the change was made; of a checkpoint, when it was told.',
      resolve: (event) => event.at,
    }),
    change: t.field({
      type: JobChangeType,
      nullable: true,
      description: 'What happened. Null in a checkpoint.',
      resolve: (event) => event.change,
    }),
    jobId: t.exposeID('jobId', { nullable: true, description: 'The job, `job_…`, also where it is gone. Null in a checkpoint.' }),
    job: t.field({
      type: JobType,
      nullable: true,
      description: 'The job, at least as new as `cursor`. Null once it is deleted, in its earlier events too, and in a checkpoint.',
      resolve: (event) => event.job,
    }),
    matches: t.exposeBoolean('matches', {
      nullable: true,
      description:
        'Whether the job is one that `filter` lets through now. False: take it off a list of them; it was one before this change, or was deleted. Null in a checkpoint.',
    }),
  }),
})

builder.subscriptionField('jobChanges', (t) =>
  t.field({
    type: JobEventType,
    description:
      'Jobs created, changed by a command or in state, or deleted. With `after`, first everything since, in order, then live. Fires and runs are no changes of a job: `jobRuns` tells them. An `after` that cannot be resumed from answers CURSOR_EXPIRED (with `oldest`, the oldest good one) or CURSOR_INVALID.',
    args: {
      filter: t.arg({
        type: JobFilterType,
        description:
          'Which; all unless given. A change is told where the job passes the filter now, and where it passed before the change: `matches` tells which. A deletion is told where the job passed at last, or where that cannot be known any more. `lastRunStatus` is looked at when something else changes the job: a run by itself makes no event here.',
      }),
      after: t.arg({ type: 'Cursor', description: 'Go on from here. Left out: with what happens next.' }),
      checkpoints: t.arg.boolean({
        required: true,
        defaultValue: false,
        description: 'Tell the cursor in events without a change: when all that was missed has been told, and every 30 s.',
      }),
    },
    subscribe: (_root, { filter, after, checkpoints }, context) => {
      const query = { filter: filter ? readJobFilter(filter, context) : null, after: after ?? null, checkpoints }
      const events = context.jobStream.jobChanges(query)
      // Whoever shares executions makes a context for each event.
      return Object.assign(readingAnew(events, context), { [LIVE]: events[LIVE] })
    },
    resolve: (event) => event,
  }),
)
