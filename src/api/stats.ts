import { formatDuration } from '../domain/duration.ts'
import { percentile } from '../domain/histogram.ts'
import { DAY, HOUR, type Instant, MINUTE, type Milliseconds } from '../domain/instant.ts'
import type { Figures, Population } from '../engine/store/store.ts'
import { builder } from './builder.ts'
import type { ApiContext } from './context.ts'
import { badUserInput } from './errors.ts'
import { JobType } from './job.ts'

const SHORTEST_WINDOW: Milliseconds = MINUTE
const LONGEST_WINDOW: Milliseconds = 90 * DAY
const MAX_BUCKETS = 1_000

/** A window that ends at the moment of asking. */
interface Window {
  readonly from: Instant
  readonly to: Instant
}

const GRAIN = 'Figures are kept by the minute, and by the hour after a week: the minute or hour in which the window begins counts whole.'

const JobStatsType = builder.objectRef<Figures>('JobStats').implement({
  description: `How the runs of a job ended in a window of time up to now. ${GRAIN}`,
  fields: (t) => ({
    total: t.int({ description: 'Runs that ended.', resolve: totalOf }),
    succeeded: t.int({ description: 'Of these, SUCCEEDED.', resolve: ({ succeeded }) => succeeded }),
    failed: t.int({ description: 'Of these, FAILED or TIMED_OUT.', resolve: failedOf }),
    cancelled: t.int({ description: 'Of these, CANCELLED.', resolve: ({ cancelled }) => cancelled }),
    successRate: t.float({
      nullable: true,
      description: 'The share of `succeeded` in `total`, 0 to 1. Null: no run ended.',
      resolve: (figures) => (totalOf(figures) === 0 ? null : figures.succeeded / totalOf(figures)),
    }),
    durationP50: t.field({
      type: 'Duration',
      nullable: true,
      description: 'Half of the runs took no longer than this, within 5 %; from first start to end. Null: none had started.',
      resolve: ({ duration }) => percentile(duration, 0.5),
    }),
    durationP95: t.field({
      type: 'Duration',
      nullable: true,
      description: '95 % of the runs took no longer than this, within 5 %. Null: none had started.',
      resolve: ({ duration }) => percentile(duration, 0.95),
    }),
    lagP50: t.field({
      type: 'Duration',
      nullable: true,
      description:
        'Half of the runs started no later than this after their dueAt, within 5 %; backfilled ones are left out. Null: none had started.',
      resolve: ({ lag }) => percentile(lag, 0.5),
    }),
    lagP99: t.field({
      type: 'Duration',
      nullable: true,
      description: '99 % of the runs started no later than this after their dueAt, within 5 %. Null: none had started.',
      resolve: ({ lag }) => percentile(lag, 0.99),
    }),
  }),
})

const StatsBucketType = builder.objectRef<Window & { readonly figures: Figures }>('StatsBucket').implement({
  description: 'How runs of all jobs ended in one of the equal parts of a window.',
  fields: (t) => ({
    from: t.field({ type: 'DateTime', description: 'Where it begins, inclusive.', resolve: ({ from }) => from }),
    to: t.field({ type: 'DateTime', description: 'Where it ends, exclusive.', resolve: ({ to }) => to }),
    succeeded: t.int({ description: 'Runs that SUCCEEDED.', resolve: ({ figures }) => figures.succeeded }),
    failed: t.int({ description: 'Runs that FAILED or TIMED_OUT.', resolve: ({ figures }) => failedOf(figures) }),
    cancelled: t.int({ description: 'Runs that were CANCELLED.', resolve: ({ figures }) => figures.cancelled }),
    skipped: t.int({
      description: 'Instants that got no run because of overlap, a pause or a limit, by the time of that verdict.',
      resolve: ({ figures }) => figures.skipped,
    }),
    lagP99: t.field({
      type: 'Duration',
      nullable: true,
      description: '99 % of the runs started no later than this after their dueAt, within 5 %. Null: none had started.',
      resolve: ({ figures }) => percentile(figures.lag, 0.99),
    }),
  }),
})

interface SystemStats {
  readonly window: Window
  readonly population: Population
  readonly figures: Figures
}

const REMEMBERED = 'Counted piece by piece and remembered for 2 s, longer where a million jobs make counting slow.'

const SystemStatsType = builder.objectRef<SystemStats>('SystemStats').implement({
  description: `How many jobs and runs there are now, and how runs of all jobs ended in a window of time up to now. ${GRAIN}`,
  fields: (t) => ({
    jobs: t.int({ description: `Jobs that live. ${REMEMBERED}`, resolve: ({ population }) => population.jobs }),
    active: t.int({ description: `Of these, ACTIVE. ${REMEMBERED}`, resolve: ({ population }) => population.active }),
    paused: t.int({ description: `Of these, PAUSED. ${REMEMBERED}`, resolve: ({ population }) => population.paused }),
    queued: t.int({ description: `Runs that are QUEUED. ${REMEMBERED}`, resolve: ({ population }) => population.queued }),
    running: t.int({ description: `Runs that are RUNNING. ${REMEMBERED}`, resolve: ({ population }) => population.running }),
    total: t.int({ description: 'Runs that ended in the window.', resolve: ({ figures }) => totalOf(figures) }),
    succeeded: t.int({ description: 'Of these, SUCCEEDED.', resolve: ({ figures }) => figures.succeeded }),
    failed: t.int({ description: 'Of these, FAILED or TIMED_OUT.', resolve: ({ figures }) => failedOf(figures) }),
    cancelled: t.int({ description: 'Of these, CANCELLED.', resolve: ({ figures }) => figures.cancelled }),
    lagP50: t.field({
      type: 'Duration',
      nullable: true,
      description:
        'Half of them started no later than this after their dueAt, within 5 %; backfilled ones are left out. Null: none had started.',
      resolve: ({ figures }) => percentile(figures.lag, 0.5),
    }),
    lagP99: t.field({
      type: 'Duration',
      nullable: true,
      description: '99 % of them started no later than this after their dueAt, within 5 %. Null: none had started.',
      resolve: ({ figures }) => percentile(figures.lag, 0.99),
    }),
    timeline: t.field({
      type: [StatsBucketType],
      nullable: true,
      description:
        'Runs by outcome over the window, in equal buckets, oldest first. A minute (after a week, an hour) counts whole in the bucket that it begins in, so of buckets that are shorter some stay empty.',
      args: {
        buckets: t.arg.int({ required: true, defaultValue: 60, description: `How many, 1 to ${MAX_BUCKETS.toLocaleString('en')}.` }),
      },
      resolve: ({ window }, { buckets }, context) => timelineOf(window, buckets, context),
    }),
  }),
})

builder.objectFields(JobType, (t) => ({
  stats: t.field({
    type: JobStatsType,
    nullable: true,
    description: 'How its runs ended lately.',
    args: { window: t.arg({ type: 'Duration', required: true, defaultValue: 24 * HOUR, description: 'How far back, PT1M to P90D.' }) },
    resolve: async ({ job }, { window }, { lists, now }) => {
      const [figures] = await lists.figures({ jobId: job.id, buckets: 1, ...readWindow(window, now()) })
      return figures!
    },
  }),
}))

builder.queryFields((t) => ({
  stats: t.field({
    type: SystemStatsType,
    nullable: true,
    description: 'How the system is doing.',
    args: { window: t.arg({ type: 'Duration', required: true, defaultValue: HOUR, description: 'How far back, PT1M to P90D.' }) },
    resolve: async (_root, args, { lists, now }) => {
      const window = readWindow(args.window, now())
      const [population, [figures]] = await Promise.all([lists.population(now()), lists.figures({ jobId: null, buckets: 1, ...window })])
      return { window, population, figures: figures! }
    },
  }),
}))

function readWindow(window: Milliseconds, now: Instant): Window {
  if (window < SHORTEST_WINDOW || window > LONGEST_WINDOW)
    throw badUserInput(`\`window\` is ${formatDuration(window)}; accepted: PT1M to P90D.`)
  return { from: now - window, to: now }
}

async function timelineOf({ from, to }: Window, buckets: number, { lists }: ApiContext) {
  if (buckets < 1 || buckets > MAX_BUCKETS) throw badUserInput(`\`buckets\` is ${buckets}; accepted: 1 to ${MAX_BUCKETS}.`)
  const figures = await lists.figures({ jobId: null, from, to, buckets })
  const border = (index: number): Instant => from + Math.ceil(((to - from) * index) / buckets)
  return figures.map((each, index) => ({ from: border(index), to: border(index + 1), figures: each }))
}

function failedOf({ failed, timedOut }: Figures): number {
  return failed + timedOut
}

function totalOf(figures: Figures): number {
  return figures.succeeded + failedOf(figures) + figures.cancelled
}
