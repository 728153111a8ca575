import type { PageKey, RunListFilter, RunOrderField, RunRow } from '../engine/store/store.ts'
import { builder, described } from './builder.ts'
import type { ApiContext } from './context.ts'
import { JobType } from './job.ts'
import { checkLists, type Direction, DirectionType } from './listInputs.ts'
import { type Page, type PageArgs, readPage } from './pagination.ts'
import { RunConnectionType, RunStatusType, RunTriggerType, RunType } from './run.ts'

const RunFilter = builder.inputType('JobRunFilter', {
  description: 'Which runs: those for which all that is given holds.',
  fields: (t) => ({
    jobIds: t.idList({ description: 'Of any of these jobs.' }),
    status: t.field({ type: [RunStatusType], description: 'In any of these statuses.' }),
    trigger: t.field({ type: [RunTriggerType], description: 'With any of these triggers.' }),
    scheduledFrom: t.field({ type: 'DateTime', description: 'With `scheduledFor` at or after this.' }),
    scheduledTo: t.field({ type: 'DateTime', description: 'With `scheduledFor` before this.' }),
    tags: t.stringList({ description: 'Of jobs with all of these tags.' }),
  }),
})

const RunOrderFieldType = builder.enumType('JobRunOrderField', {
  description: 'What to order runs by.',
  values: described<RunOrderField>({
    SCHEDULED_FOR: 'The nominal instant.',
    QUEUED_AT: 'When they were stored.',
    FINISHED_AT: 'When they ended; those that have not come last, in both directions.',
  }),
})

const RunOrder = builder.inputType('JobRunOrder', {
  description: 'An order of runs; ties are ordered by id.',
  fields: (t) => ({
    field: t.field({ type: RunOrderFieldType, required: true, description: 'What to order by.' }),
    direction: t.field({ type: DirectionType, required: true, description: 'Which way.' }),
  }),
})

const NEWEST_FIRST: { readonly field: RunOrderField; readonly direction: Direction } = { field: 'QUEUED_AT', direction: 'DESC' }

builder.queryFields((t) => ({
  run: t.field({
    type: RunType,
    nullable: true,
    description: 'One run. Null: there is none, or it was removed by age or with its job.',
    args: { id: t.arg.id({ required: true, description: 'Its id, `run_…`.' }) },
    resolve: (_root, { id }, { store }) => store.run(id),
  }),
  runs: t.field({
    type: RunConnectionType,
    nullable: true,
    description:
      'Runs of all jobs, newest first unless ordered otherwise. Pages are cut by keyset: nothing is shown twice or left out because runs were added.',
    args: {
      ...t.arg.connectionArgs(),
      filter: t.arg({ type: RunFilter, description: 'Which; all unless given.' }),
      orderBy: t.arg({ type: RunOrder, description: 'In which order; newest first (by QUEUED_AT, descending) unless given.' }),
    },
    resolve: (_root, { filter, orderBy, ...page }, context) => listRuns(context, readFilter(filter ?? {}), orderBy ?? NEWEST_FIRST, page),
  }),
}))

builder.objectFields(JobType, (t) => ({
  lastRun: t.field({
    type: RunType,
    nullable: true,
    description: 'The newest run of any trigger. Null: there is none yet, or it was removed by age.',
    resolve: ({ position }, _args, { loaders }) => (position.lastRunId === null ? null : loaders.run(position.lastRunId)),
  }),
  runs: t.field({
    type: RunConnectionType,
    nullable: true,
    description: 'Its runs, newest first.',
    args: {
      ...t.arg.connectionArgs(),
      filter: t.arg({ type: RunFilter, description: 'Which; all of the job unless given. `jobIds` here can only leave the job out.' }),
    },
    resolve: ({ job }, { filter, ...page }, context) => listRuns(context, ofJob(job.id, readFilter(filter ?? {})), NEWEST_FIRST, page),
  }),
}))

/** A page of runs. Of many jobs their newest runs are asked for at once: a page of jobs shows a few of each. */
function listRuns(
  { lists, loaders }: ApiContext,
  filter: RunListFilter,
  orderBy: { readonly field: RunOrderField; readonly direction: Direction },
  page: PageArgs,
): Promise<Page<RunRow>> {
  const newestOf = orderBy === NEWEST_FIRST ? onlyJobOf(filter) : null
  return readPage(
    {
      order: { name: `${orderBy.field}.${orderBy.direction}`, by: 'number' },
      keyOf: (row) => keyOf(row, orderBy.field),
      read: (bounds) =>
        newestOf !== null && bounds.after === null && bounds.before === null && !bounds.fromEnd
          ? loaders.newestRuns(newestOf, bounds.limit)
          : lists.listRuns({ filter, orderBy, ...bounds }),
      count: () => lists.countRuns(filter),
    },
    page,
  )
}

function readFilter({ jobIds, status, trigger, scheduledFrom, scheduledTo, tags }: typeof RunFilter.$inferInput): RunListFilter {
  checkLists({ jobIds, status, trigger, tags })
  return {
    jobIds: jobIds ?? null,
    status: status ?? null,
    trigger: trigger ?? null,
    scheduledFrom: scheduledFrom ?? null,
    scheduledTo: scheduledTo ?? null,
    tags: tags ?? null,
  }
}

function ofJob(jobId: string, filter: RunListFilter): RunListFilter {
  const excluded = filter.jobIds !== null && !filter.jobIds.includes(jobId)
  return { ...filter, jobIds: excluded ? [] : [jobId] }
}

/** The one job whose runs these are, all of them; null where the filter says more or less. */
function onlyJobOf({ jobIds, ...others }: RunListFilter): string | null {
  return jobIds?.length === 1 && Object.values(others).every((value) => value === null) ? jobIds[0]! : null
}

function keyOf(row: RunRow, field: RunOrderField): PageKey {
  switch (field) {
    case 'SCHEDULED_FOR':
      return { value: row.scheduledFor, id: row.id }
    case 'QUEUED_AT':
      return { value: row.queuedAt, id: row.id }
    case 'FINISHED_AT':
      return { value: row.finishedAt, id: row.id }
  }
}
