import type { JobListFilter, JobOrderField, JobRow, PageKey } from '../engine/store/store.ts'
import { builder, described } from './builder.ts'
import type { ApiContext } from './context.ts'
import { badUserInput } from './errors.ts'
import { JobConnectionType, JobStateType, JobType } from './job.ts'
import { checkLists, type Direction, DirectionType } from './listInputs.ts'
import { type Page, type PageArgs, readPage } from './pagination.ts'
import { RunStatusType } from './run.ts'

const JobBy = builder.inputType('JobBy', {
  description: 'How to find a job: exactly one of these.',
  isOneOf: true,
  fields: (t) => ({
    id: t.id({ description: 'Its id, `job_…`.' }),
    name: t.string({ description: 'Its name.' }),
  }),
})

export const JobFilterType = builder.inputType('JobFilter', {
  description: 'Which jobs: those for which all that is given holds.',
  fields: (t) => ({
    state: t.field({ type: [JobStateType], description: 'In any of these states now.' }),
    search: t.string({ description: 'With this text in name or description; upper and lower case alike.' }),
    tags: t.stringList({ description: 'With all of these tags.' }),
    handler: t.string({ description: 'Whose target is this handler.' }),
    lastRunStatus: t.field({ type: [RunStatusType], description: 'Whose newest run has any of these statuses.' }),
  }),
})

const JobOrderFieldType = builder.enumType('JobOrderField', {
  description: 'What to order jobs by.',
  values: described<JobOrderField>({
    NAME: 'Name, by bytes.',
    NEXT_RUN_AT:
      'When they fire next; those that do not come last, in both directions. A pause of the whole scheduling does not move them.',
    LAST_RUN_AT: 'When their newest run was asked for; those without a run come last, in both directions.',
    CREATED_AT: 'When they were created.',
    UPDATED_AT: 'When they were last changed.',
  }),
})

const JobOrder = builder.inputType('JobOrder', {
  description: 'An order of jobs; ties are ordered by id.',
  fields: (t) => ({
    field: t.field({ type: JobOrderFieldType, required: true, description: 'What to order by.' }),
    direction: t.field({ type: DirectionType, required: true, description: 'Which way.' }),
  }),
})

builder.queryFields((t) => ({
  job: t.field({
    type: JobType,
    nullable: true,
    description: 'One job. Null: there is none, or it was deleted.',
    args: { by: t.arg({ type: JobBy, required: true, description: 'How to find it.' }) },
    resolve: (_root, { by }, { store }) => store.job(typeof by.id === 'string' ? { id: by.id } : { name: by.name! }),
  }),
  jobs: t.field({
    type: JobConnectionType,
    nullable: true,
    description:
      'Jobs, by name unless ordered otherwise. Pages are cut by keyset: nothing is shown twice or left out because something else was added or removed.',
    args: {
      ...t.arg.connectionArgs(),
      filter: t.arg({ type: JobFilterType, description: 'Which; all unless given.' }),
      orderBy: t.arg({ type: JobOrder, description: 'In which order; by name, ascending, unless given.' }),
    },
    resolve: (_root, { filter, orderBy, ...page }, context) =>
      listJobs(context, filter ?? {}, orderBy ?? { field: 'NAME', direction: 'ASC' }, page),
  }),
}))

type Filter = typeof JobFilterType.$inferInput

/** A page of jobs. */
function listJobs(
  context: ApiContext,
  given: Filter,
  orderBy: { readonly field: JobOrderField; readonly direction: Direction },
  page: PageArgs,
): Promise<Page<JobRow>> {
  const { lists } = context
  const filter = readJobFilter(given, context)
  return readPage(
    {
      order: { name: `${orderBy.field}.${orderBy.direction}`, by: orderBy.field === 'NAME' ? 'text' : 'number' },
      keyOf: (row) => keyOf(row, orderBy.field),
      read: async (bounds) => {
        const [rows] = await Promise.all([lists.listJobs({ filter, orderBy, ...bounds }), context.loaders.maintenance()])
        return rows
      },
      count: () => lists.countJobs(filter),
    },
    page,
  )
}

const MAX_SEARCH = 200

/** @throws BAD_USER_INPUT naming the part that is too long. */
export function readJobFilter({ state, search, tags, handler, lastRunStatus }: Filter, { now }: ApiContext): JobListFilter {
  checkLists({ state, tags, lastRunStatus })
  if (search && search.length > MAX_SEARCH)
    throw badUserInput(`\`filter.search\` has ${search.length} characters; accepted: at most ${MAX_SEARCH}.`)
  return {
    state: state ?? null,
    search: search ?? null,
    tags: tags ?? null,
    handler: handler ?? null,
    lastRunStatus: lastRunStatus ?? null,
    now: now(),
  }
}

function keyOf({ job, position, lastRunAt }: JobRow, field: JobOrderField): PageKey {
  switch (field) {
    case 'NAME':
      return { value: job.name, id: job.id }
    case 'NEXT_RUN_AT':
      return { value: position.nextRunAt, id: job.id }
    case 'LAST_RUN_AT':
      return { value: lastRunAt, id: job.id }
    case 'CREATED_AT':
      return { value: job.createdAt, id: job.id }
    case 'UPDATED_AT':
      return { value: job.updatedAt, id: job.id }
  }
}
