import { LIVE } from '../stream/liveSource.ts'
import type { RunEvent } from '../stream/runStream.ts'
import { builder } from './builder.ts'
import { readingAnew } from './fresh.ts'
import { checkLists } from './listInputs.ts'
import { RunTriggerType, RunType } from './run.ts'

const RunStreamFilter = builder.inputType('JobRunStreamFilter', {
  description: 'Which runs: those for which all that is given holds.',
  fields: (t) => ({
    jobIds: t.idList({ description: 'Of any of these jobs.' }),
    tags: t.stringList({ description: 'Of jobs with all of these tags.' }),
    trigger: t.field({ type: [RunTriggerType], description: 'With any of these triggers.' }),
    finalOnly: t.boolean({ required: true, defaultValue: false, description: 'Only runs that have ended.' }),
  }),
})

const RunEventType = builder.objectRef<RunEvent>('JobRunEvent').implement({
  description: 'A run that changed, as it stands now; or a checkpoint.',
  fields: (t) => ({
    cursor: t.field({
      type: 'Cursor',
      description: 'Everything up to here has been told. Keep it, and send it as `after` to go on from here.',
      resolve: (event) => event.cursor,
    }),
    at: t.field({
      type: 'DateTime',
      description: 'When the change was made; of a checkpoint, when it was told.',
      resolve: (event) => event.at,
    }),
    run: t.field({
      type: RunType,
      nullable: true,
      description: 'The run, at least as new as `cursor`. Null in a checkpoint.',
      resolve: (event) => event.run,
    }),
  }),
})

builder.subscriptionField('jobRuns', (t) =>
  t.field({
    type: RunEventType,
    description:
      'Live executions. With `after`, first the latest state of every matching run changed since, then live: nothing is lost, states in between may be left out. An `after` that cannot be resumed from answers CURSOR_EXPIRED (with `oldest`, the oldest good one) or CURSOR_INVALID.',
    args: {
      filter: t.arg({ type: RunStreamFilter, description: 'Which; all unless given.' }),
      after: t.arg({ type: 'Cursor', description: 'Go on from here. Left out: with what happens next.' }),
      checkpoints: t.arg.boolean({
        required: true,
        defaultValue: false,
        description: 'Tell the cursor in events without a run: when all that was missed has been told, and every 30 s.',
      }),
    },
    subscribe: (_root, { filter, after, checkpoints }, context) => {
      checkLists({ jobIds: filter?.jobIds, tags: filter?.tags, trigger: filter?.trigger })
      const events = context.stream.jobRuns({
        jobIds: filter?.jobIds ?? null,
        tags: filter?.tags ?? null,
        trigger: filter?.trigger ?? null,
        finalOnly: filter?.finalOnly ?? false,
        after: after ?? null,
        checkpoints,
      })
      // Whoever shares executions makes a context for each event.
      return Object.assign(readingAnew(events, context), { [LIVE]: events[LIVE] })
    },
    resolve: (event) => event,
  }),
)
