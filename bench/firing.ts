// How late do recurring jobs fire? The product runs as its user starts it, on a fresh SQLite file or as many processes on Postgres; the
// figures come from the runs that it stored, read after it has stopped.

import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { request } from '../test/support/graphqlClient.ts'
import { createJob, createJobs } from '../test/support/jobs.ts'
import type { Cluster } from '../test/support/cluster.ts'
import { plansOf, type Product, startOnPostgres, startOnSqlite } from './product.ts'
import { type Figures, type Line, percentile, progress, report, summarize } from './report.ts'

const HELP = `How late thousands of recurring jobs fire (every 1 to 10 s, equally many of each, built-in handler noop).

  --jobs N,N         how many (default 1000,10000)
  --phases P,P       aligned: all share one anchor, so up to 60 % of them are due at one instant; spread: each has its own (default aligned,spread)
  --window SECONDS   how long is looked at (default 12)
  --concurrency N    ORRERY_CONCURRENCY (default: the product's own)
  --postgres         on an embedded Postgres, with a process for each role
  --schedulers N     of them (default 2)
  --workers N        of them (default 2)
  --together         schedulers that are workers too, in place of workers: runs begin in the commit of their plan
  --spin             beside them a job every 2 s whose handler never yields (for (;;) {}), with a timeout of 1 s
  --repetitions N    (default 3)

lag     startedAt - dueAt, as the product reports it: stamped when the run is planned and begun, in whole milliseconds
ended   finishedAt - dueAt: the handler had run by then, after the commit that made its run durable; an upper bound of the true lag
fired   share of the window's nominal instants whose run was started`

/** Windows open mid-second, so long after the anchor that 20, 24 and 30 s, where most intervals meet, lie inside. */
const OPENS_AFTER = 19_500
/** What a job's creation is given, in ms. */
const CREATION = 1
/** The scheduling has gone on for so long by then, after the rest while the jobs were created. */
const WARMING = 10_000

interface Setting {
  readonly jobs: number
  readonly phases: string
  readonly window: number
}

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '1000,10000' },
    phases: { type: 'string', default: 'aligned,spread' },
    window: { type: 'string', default: '12' },
    concurrency: { type: 'string', default: '' },
    repetitions: { type: 'string', default: '3' },
    spin: { type: 'boolean', default: false },
    postgres: { type: 'boolean', default: false },
    schedulers: { type: 'string', default: '2' },
    workers: { type: 'string', default: '2' },
    together: { type: 'boolean', default: false },
    help: { type: 'boolean' },
  },
})
async function main(repetitions: number, counts: readonly number[], phases: readonly string[], window: number): Promise<void> {
  const lines: Line[] = []
  for (const jobs of counts) {
    for (const phase of phases) {
      const setting = { jobs, phases: phase, window }
      const results: Figures[] = []
      for (let i = 1; i <= repetitions; i++) {
        progress(`${jobs} jobs, ${phase}, repetition ${i} of ${repetitions}`)
        results.push(await measure(setting))
      }
      lines.push({ setting: `${jobs} jobs, every 1..10 s, ${phase}`, summary: summarize(results) })
    }
  }
  report('firing', repetitions, lines)
}

const every = (i: number): number => 1000 * (1 + (i % 10))

async function measure({ jobs, phases, window }: Setting): Promise<Figures> {
  const env = { LOG_LEVEL: 'warn', ORRERY_CONCURRENCY: values.concurrency, ORRERY_HANDLERS: HANDLERS }
  const product = values.postgres ? await startMany(env) : await startOnSqlite(env)
  try {
    return await measureProduct(product, { jobs, phases, window })
  } finally {
    await product.close()
  }
}

function startMany(env: Readonly<Record<string, string>>): Promise<Product> {
  const { together } = values
  const members = { api: 1, scheduler: Number(values.schedulers), worker: together ? 0 : Number(values.workers) }
  return startOnPostgres(members, env, together ? { scheduler: { ORRERY_ROLES: 'scheduler,worker' } } : {})
}

async function measureProduct(product: Product, { jobs, phases, window }: Setting): Promise<Figures> {
  // Nothing fires while they are created: how long that takes shall not matter.
  await schedule(product, 'mutation { pauseScheduling(input: { note: "Jobs are created." }) { errors { message } } }')
  const anchor = Math.ceil((Date.now() + jobs * CREATION) / 1000) * 1000
  const phase = (i: number): number => (phases === 'spread' ? Math.floor((i / jobs) * every(i)) : 0)
  await createAll(product, jobs, (i) => anchor + phase(i))
  const spinner = values.spin ? await createJob(product.url, SPIN) : null
  const from = anchor + OPENS_AFTER
  if (Date.now() > from - WARMING) throw new Error(`creating ${jobs} jobs took too long: the window is gone`)
  await schedule(product, 'mutation { resumeScheduling { errors { message } } }')
  await delay(from - Date.now())
  const before = await product.usage()
  await delay(window)
  const after = await product.usage()
  const plans = 'cluster' in product ? await plansOf(product.cluster as Cluster) : null
  await product.stop()

  const expected = Array.from({ length: jobs }, (_, i) => instantsBetween(anchor + phase(i), every(i), from, from + window)).reduce(
    (sum, n) => sum + n,
    0,
  )
  const runs = await readRuns(product, from, from + window, spinner?.id ?? '')
  return {
    'lag p50 ms': percentile(runs.lags, 0.5),
    'lag p99 ms': percentile(runs.lags, 0.99),
    'lag max ms': runs.lags.at(-1) ?? Number.NaN,
    'ended p50 ms': percentile(runs.ends, 0.5),
    'ended p99 ms': percentile(runs.ends, 0.99),
    'fired %': (100 * runs.lags.length) / expected,
    due: expected,
    'CPU %': (100 * (after.cpu - before.cpu)) / window,
    'RSS MB': after.rss / 2 ** 20,
    ...(plans === null
      ? {}
      : {
          'least share of plans %': (100 * Math.min(...plans.map(({ stood }) => stood))) / plans.reduce((sum, { stood }) => sum + stood, 0),
          'overtaken %':
            (100 * plans.reduce((sum, { overtaken }) => sum + overtaken, 0)) / plans.reduce((sum, { stood }) => sum + stood, 0),
        }),
    ...(spinner === null ? {} : { 'spins timed out': runs.timedOut }),
  }
}

async function schedule({ url }: Product, mutation: string): Promise<void> {
  const [payload] = Object.values(await request<Record<string, { errors: readonly unknown[] }>>(url, mutation))
  if (payload!.errors.length > 0) throw new Error(JSON.stringify(payload))
}

async function createAll({ url }: Product, count: number, anchorOf: (i: number) => number): Promise<void> {
  const inputs = Array.from({ length: count }, (_, i) => ({
    name: `bench ${i}`,
    schedule: { interval: { every: `${every(i)}ms`, anchor: new Date(anchorOf(i)).toISOString() } },
    target: { handler: { handler: 'noop' } },
  }))
  await createJobs(url, inputs)
}

/** A handler that never yields. */
const HANDLERS = join(import.meta.dirname, '../test/system/fixtures/handlers')
const SPIN = {
  name: 'spin',
  schedule: { interval: { every: '2s' } },
  target: { handler: { handler: 'spin' } },
  policies: { timeout: '1s', maxAttempts: 1 },
}

/** How many `anchor + n * every` lie in [from, to). */
function instantsBetween(anchor: number, interval: number, from: number, to: number): number {
  return Math.ceil((to - anchor) / interval) - Math.ceil((from - anchor) / interval)
}

interface StoredRuns {
  readonly lags: Float64Array
  readonly ends: Float64Array
  readonly timedOut: number
}

async function readRuns(product: Product, from: number, to: number, spinner: string): Promise<StoredRuns> {
  const rows = (
    await product.rows<{
      dueAt: number
      startedAt: number
      finishedAt: number | null
      scheduledFor: number
      jobId: string
      status: string
    }>('SELECT "dueAt", "startedAt", "finishedAt", "scheduledFor", "jobId", status FROM "Run" WHERE "startedAt" IS NOT NULL')
  ).filter(({ scheduledFor, jobId }) => jobId === spinner || (scheduledFor >= from && scheduledFor < to))
  const timedOut = rows.filter(({ jobId, status }) => jobId === spinner && status === 'TIMED_OUT').length
  const fired = rows.filter(({ jobId }) => jobId !== spinner)
  const ends = fired.flatMap(({ finishedAt, dueAt }) => (finishedAt === null ? [] : [finishedAt - dueAt]))
  return {
    lags: Float64Array.from(fired, ({ startedAt, dueAt }) => startedAt - dueAt).sort(),
    ends: Float64Array.from(ends).sort(),
    timedOut,
  }
}

if (values.help) console.log(HELP)
else await main(Number(values.repetitions), values.jobs.split(',').map(Number), values.phases.split(','), Number(values.window) * 1000)
