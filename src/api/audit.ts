import { ledgerSlices } from '../commands/ledgerSlices.ts'
import { Sweep, type Tally } from '../domain/audit.ts'
import type { Instant } from '../domain/instant.ts'
import { plannedBy } from '../domain/planned.ts'
import type { JobRow, Store } from '../engine/store/store.ts'
import { builder } from './builder.ts'
import { badUserInput } from './errors.ts'
import { JobType } from './job.ts'
import { readWindow, type Window } from './window.ts'

interface Audit extends Window, Tally {
  readonly planned: number
}

const AuditType = builder.objectRef<Audit>('OccurrenceAudit').implement({
  description:
    'Both sides of the ledger, counted independently: planned from the schedules as they stood, accounted from what is stored. Always planned = accounted + pending + missing - duplicated.',
  fields: (t) => ({
    from: t.field({
      type: 'DateTime',
      description: 'Start of what was compared, inclusive: moved to where the ledger begins (the creation of the job, or the age kept).',
      resolve: ({ from }) => from,
    }),
    to: t.field({
      type: 'DateTime',
      description: 'End of the window as asked, exclusive. Of it, the past was compared.',
      resolve: ({ to }) => to,
    }),
    planned: t.exposeInt('planned', { description: 'Instants that the schedules of that time had.' }),
    accounted: t.exposeInt('accounted', { description: 'Instants that the ledger has an entry for.' }),
    pending: t.exposeInt('pending', { description: 'Past instants that the planner has not come to yet.' }),
    missing: t.exposeInt('missing', { description: 'Instants that the planner has passed without a verdict. 0 on a healthy system.' }),
    duplicated: t.exposeInt('duplicated', {
      description: 'Entries beyond the first of an instant, and entries that no schedule had planned. 0 on a healthy system.',
    }),
  }),
})

builder.objectField(JobType, 'audit', (t) =>
  t.field({
    type: AuditType,
    nullable: true,
    description:
      'Compares what the schedules of a time had planned with what the ledger holds; `missing` and `duplicated` are 0 on a healthy system. Null: the job was deleted meanwhile.',
    args: {
      from: t.arg({ type: 'DateTime', required: true, description: 'Start of the window, inclusive.' }),
      to: t.arg({
        type: 'DateTime',
        required: true,
        description: 'End of the window, exclusive; not before `from`. What is still to come is left out.',
      }),
    },
    resolve: (row, { from, to }, { store, now }) => auditLedger(store, row, readWindow(from, to), now()),
  }),
)

/** Instants that one audit compares at most. */
const MOST_INSTANTS = 10_000_000

/** Compares both sides of a job's ledger in a window, as far as it is past. Null: the job is gone. */
export async function auditLedger(store: Store, { job, position }: JobRow, { from, to }: Window, now: Instant): Promise<Audit | null> {
  for (;;) {
    const ledgerBegins = await store.ledgerBegins()
    const begin = Math.min(to, Math.max(from, job.createdAt, ledgerBegins ?? from))
    const after = begin - 1
    const upTo = Math.min(to - 1, now)
    const planned = plannedBy(await store.revisions(job.id))
    const count = planned.count(after, upTo)
    if (count > MOST_INSTANTS) {
      throw badUserInput(
        `The window holds ${count} instants; accepted: at most ${MOST_INSTANTS}. Give a later \`from\` or an earlier \`to\`.`,
      )
    }
    const sweep = new Sweep({ planned, after, decidedUntil: position.plannedUntil })
    for await (const slice of ledgerSlices(store, { jobId: job.id, after, upTo })) {
      for (const row of slice.rows) sweep.add(row, slice.upTo)
      sweep.endSlice(slice.upTo)
    }
    // While the rows were read, removal by age or of the whole job may have taken some of them.
    if ((await store.jobsById([job.id])).length === 0) return null
    if ((await store.ledgerBegins()) === ledgerBegins) return { from: begin, to, planned: count, ...sweep.tally }
  }
}
