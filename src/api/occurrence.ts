import { aheadOf, type Standing, sleptThrough } from '../domain/ahead.ts'
import { DAY, type Instant } from '../domain/instant.ts'
import { inOrder, type LedgerPart, type LedgerRow } from '../domain/ledger.ts'
import type { Occurrences } from '../domain/occurrences.ts'
import { pausedReason } from '../domain/plan.ts'
import { plannedBy } from '../domain/planned.ts'
import type { JobRow, PageKey } from '../engine/store/store.ts'
import { builder, described } from './builder.ts'
import { connectionType } from './connection.ts'
import type { ApiContext } from './context.ts'
import { JobType } from './job.ts'
import { type Page, type PageArgs, type PageBounds, readPage } from './pagination.ts'
import { RunType } from './run.ts'
import { readWindow, type Window } from './window.ts'

/** A row of the ledger, or a stretch of instants that it says nothing of yet. */
type OccurrenceRow = Omit<LedgerRow, 'verdict'> & { readonly verdict: LedgerRow['verdict'] | 'PLANNED' }

const VerdictType = builder.enumType('Verdict', {
  description: 'What the planner decided for an instant of a schedule.',
  values: described<OccurrenceRow['verdict']>({
    RUN: 'It has a run.',
    SKIPPED_OVERLAP: 'Another run of the job was active, and the overlap policy says skip.',
    SKIPPED_PAUSED: 'The job, or the whole scheduling, was paused.',
    SKIPPED_LIMIT: 'A thousand runs of the job were waiting already.',
    COALESCED: 'It was late, and went into the run of a newer instant.',
    MISSED: 'It was not decided on time and is not caught up; the reason says why.',
    PLANNED: 'It is not decided yet.',
  }),
})

const OccurrenceType = builder.objectRef<OccurrenceRow>('Occurrence').implement({
  description: '`count` neighbouring instants from `at` to `until` (both inclusive) that share a verdict.',
  fields: (t) => ({
    at: t.field({ type: 'DateTime', description: 'The first of them, nominal.', resolve: ({ first }) => first }),
    until: t.field({ type: 'DateTime', description: 'The last of them; `at` where it is one.', resolve: ({ last }) => last }),
    count: t.exposeInt('count', { description: 'How many they are.' }),
    verdict: t.field({ type: VerdictType, description: 'What was decided for each of them.', resolve: ({ verdict }) => verdict }),
    reason: t.exposeString('reason', { nullable: true, description: 'Why they did not run. Null: the verdict says all.' }),
    run: t.field({
      type: RunType,
      nullable: true,
      description: 'The run of RUN; the one that COALESCED went into. Null: any other verdict, or it was removed by age.',
      resolve: ({ runId }, _args, { loaders }) => (runId === null ? null : loaders.run(runId)),
    }),
  }),
})

const OccurrenceConnectionType = connectionType('Occurrence', OccurrenceType, 'occurrences', { counted: false })

builder.objectField(JobType, 'occurrences', (t) =>
  t.field({
    type: OccurrenceConnectionType,
    nullable: true,
    description:
      'The ledger, in the order of instants: what became of each occurrence in the window, and what is planned in its future part. Rows that reach over an edge of the window are cut to it.',
    args: {
      from: t.arg({ type: 'DateTime', required: true, description: 'Start of the window, inclusive.' }),
      to: t.arg({ type: 'DateTime', required: true, description: 'End of the window, exclusive; not before `from`.' }),
      ...t.arg.connectionArgs(),
    },
    resolve: (row, { from, to, ...page }, context) => listOccurrences(context, row, readWindow(from, to), page),
  }),
)

/** A page of a job's ledger. */
function listOccurrences(context: ApiContext, row: JobRow, { from, to }: Window, page: PageArgs): Promise<Page<OccurrenceRow>> {
  return readPage(
    {
      order: { name: `LEDGER.${row.job.id}`, by: 'number' },
      keyOf: ({ first, last }) => ({ value: first, id: String(last) }),
      read: (bounds) =>
        readOccurrences(context, row, {
          ...bounds,
          after: Math.max(from - 1, endOf(bounds.after) ?? Number.NEGATIVE_INFINITY),
          before: Math.min(to, startOf(bounds.before) ?? Number.POSITIVE_INFINITY),
        }),
    },
    page,
  )
}

// A row that other instants joined since its cursor was given is cut like one at the edge of the window: the rest of it is shown, and
// nothing twice. So a page goes on after the end of the row that its cursor names, and ends before the beginning of the other one.

function endOf(key: PageKey | null): Instant | null {
  const last = Number(key?.id)
  return Number.isSafeInteger(last) ? last : startOf(key)
}

function startOf(key: PageKey | null): Instant | null {
  return typeof key?.value === 'number' && Number.isSafeInteger(key.value) ? key.value : null
}

async function readOccurrences(
  { store, loaders, now }: ApiContext,
  { job, position }: JobRow,
  { after, before, fromEnd, limit }: Omit<PageBounds, 'after' | 'before'> & { readonly after: Instant; readonly before: Instant },
): Promise<readonly OccurrenceRow[]> {
  if (before - after < 2) return []
  const part = await store.ledger({ jobId: job.id, after, before, fromEnd, limit })
  const revisions = isWhole(part, after, before) ? [] : await store.revisions(job.id)
  const rows = inOrder(part, after, before, () => plannedBy(revisions))
  // The job was read before its ledger: what got a verdict in between is no longer planned.
  const decidedUntil = Math.max(position.plannedUntil, ...rows.map(({ last }) => last))
  const standing = { job, position, maintenance: await loaders.maintenance() }
  const undecided = Math.max(after, decidedUntil)
  const all = [...rows, ...sleptRows(standing, now(), undecided, before), ...plannedRows(standing, undecided, before)]
  return fromEnd ? all.slice(-limit) : all.slice(0, limit)
}

/** Whether no row has to be cut: only then may the plan stay unread. */
function isWhole({ runs, shared }: LedgerPart, after: Instant, before: Instant): boolean {
  return shared.every((row) => row.first > after && row.last < before && !runs.some(({ first }) => first > row.first && first < row.last))
}

/** The instants between two that the job's pause has passed over, and that will be stored so when it ends. */
function sleptRows(standing: Standing, now: Instant, after: Instant, before: Instant): readonly OccurrenceRow[] {
  const { pause } = standing.job
  return pause === null ? [] : rowOf(sleptThrough(standing, now), after, before, 'SKIPPED_PAUSED', pausedReason(pause))
}

/** What an Int holds. */
const MOST_COUNTED = 2 ** 31 - 1
/** Instants of every second in so long a time can be counted in an Int. */
const COUNTABLE = 24_000 * DAY

/**
 * The instants between two that have no verdict yet and will fire if nobody touches the job: one row, or, where they are too many for an
 * Int, one for each stretch of some decades, which begin at the same instants whatever the window.
 */
function plannedRows(standing: Standing, after: Instant, before: Instant): readonly OccurrenceRow[] {
  const ahead = aheadOf(standing)
  if (ahead.count(after, before - 1) <= MOST_COUNTED) return rowOf(ahead, after, before, 'PLANNED', null)
  const rows: OccurrenceRow[] = []
  for (let from = after; from < before - 1; ) {
    const border = Math.min(before, (Math.floor((from + 1) / COUNTABLE) + 1) * COUNTABLE)
    rows.push(...rowOf(ahead, from, border, 'PLANNED', null))
    from = border - 1
  }
  return rows
}

/** All instants between two in one row, where there are any. */
function rowOf(
  instants: Occurrences,
  after: Instant,
  before: Instant,
  verdict: OccurrenceRow['verdict'],
  reason: string | null,
): readonly OccurrenceRow[] {
  const count = instants.count(after, before - 1)
  if (count === 0) return []
  const ends = { first: instants.next(after)!, last: instants.previous(before - 1)! }
  return [{ verdict, ...ends, count, reason, runId: null, counted: true }]
}
