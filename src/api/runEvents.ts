import type { RunEvent } from '../stream/runStream.ts'
import { builder } from './builder.ts'
import { type ApiContext, readAnew } from './context.ts'
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
      return readingAnew(events, context)
    },
    resolve: (event) => event,
  }),
)

/**
 * The same events, each executed with reads of its own. An error of the stream (an `after` that cannot be resumed from, a database that is
 * away) rejects `next()`: whoever carries the operation answers it, masked, as the operation's error.
 * Written by hand: a generator would not clean up where `return()` comes before the first `next()`.
 */
function readingAnew(events: AsyncIterableIterator<RunEvent>, context: ApiContext): AsyncIterableIterator<RunEvent> {
  return {
    async next() {
      const result = await events.next()
      readAnew(context)
      return result
    },
    async return() {
      await events.return?.()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
