import type { RunRow } from '../engine/store/store.ts'
import { builder } from './builder.ts'
import { type ApiContext, readAnew } from './context.ts'
import { callerOf } from './fresh.ts'
import { type Page, type PageArgs, type PageBounds, readPage } from './pagination.ts'
import { OverlapPolicyType } from './policies.ts'
import { RunConnectionType } from './run.ts'
import { payloadType, toPayload } from './userError.ts'

const BackfillJobInput = builder.inputType('BackfillJobInput', {
  description: 'The instants of a job to catch up with.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'The job, `job_…`.' }),
    from: t.field({ type: 'DateTime', required: true, description: 'Start of the window, inclusive.' }),
    to: t.field({ type: 'DateTime', required: true, description: 'End of the window, inclusive; not after now.' }),
    overlap: t.field({ type: OverlapPolicyType, description: 'What to do while another run is active. Left out: BUFFER_ALL.' }),
  }),
})

interface Backfilled {
  readonly planned: number
  /** Ids, oldest first. */
  readonly created: readonly string[]
}

const BackfillJobPayload = payloadType<Backfilled>('BackfillJobPayload', 'What became of a backfill.', (t) => ({
  planned: t.int({
    description: 'Instants that the current schedule has in the window, with or without a run. 0 where nothing was done.',
    resolve: ({ value }) => value?.planned ?? 0,
  }),
  created: t.int({
    description: 'Runs that were made: the instants that had none, less those that the overlap policy skips.',
    resolve: ({ value }) => value?.created.length ?? 0,
  }),
  runs: t.field({
    type: RunConnectionType,
    nullable: true,
    description: 'The runs that were made, newest first. Null: nothing was done.',
    args: {
      first: t.arg.int({ description: 'The first so many of them, 0 to 100; 50 unless given.' }),
      after: t.arg.string({ description: 'Only what comes after this cursor.' }),
    },
    resolve: ({ value }, page, context) => (value === null ? null : listCreated(context, value.created, page)),
  }),
}))

builder.mutationField('backfillJob', (t) =>
  t.field({
    type: BackfillJobPayload,
    description:
      'Makes runs for past instants of the current schedule that have none, whatever misfire policy, pause or maxRuns said of them; at most 1,000 a call. Their verdicts change to RUN. Needs the scope OPERATE.',
    args: { input: t.arg({ type: BackfillJobInput, required: true, description: 'The job and the window.' }) },
    resolve: (_root, { input }, context) =>
      toPayload(context.commands.backfillJob(input, callerOf(context)), (backfilled) => {
        readAnew(context)
        return backfilled
      }),
  }),
)

/** A page of the runs that were made: in the order of `Job.runs`, and its cursors are good there too. */
function listCreated({ store }: ApiContext, created: readonly string[], page: PageArgs): Promise<Page<RunRow>> {
  const newestFirst = created.toReversed()
  const read = async ({ after, before, fromEnd, limit }: PageBounds) => {
    const between = newestFirst.filter((id) => (after === null || id < after.id) && (before === null || id > before.id))
    const rows = await store.runRows(fromEnd ? between.slice(-limit) : between.slice(0, limit))
    return rows.filter((row) => row !== null)
  }
  return readPage(
    {
      order: { name: 'QUEUED_AT.DESC', by: 'number' },
      keyOf: ({ queuedAt, id }) => ({ value: queuedAt, id }),
      read,
      count: async () => created.length,
    },
    page,
  )
}
