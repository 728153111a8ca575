// The cost of a run in the embedded engine alone, without scheduler, worker and API: planned and begun in one durable commit, settled
// in another, in batches, beside bare prepared statements that do the same and keep nothing else.
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openEngine } from '../src/engine/engine.ts'
import type { BegunAttempt, Store } from '../src/engine/store/store.ts'
import { createJob, newJobOf, planOf, positionOf, runEntry, runOf, succeeded } from '../test/engine/factories.ts'
import { temporaryDirectory } from '../test/support/temporary.ts'
import { bareSqlite } from './bareSqlite.ts'
import { type Figures, type Line, percentile, progress, report, summarize } from './report.ts'

const HELP = `Runs a second through the store's verbs: plan + begin, then settle, one run a job, each batch two durable commits.

  --jobs N           (default 10000)
  --runs N           a repetition (default 100000)
  --batches N,N,…    runs a commit (default 1,100,500; a hundredth of the runs where it is 1)
  --repetitions N    (default 3)

runs/s        runs divided by the time in both verbs
plan, settle  runs a second of each verb
µs CPU        of this process for a run: what is left of the figure on a machine that does other things too
p50, p99      ms of one verb, which is how long the loop stands still
bare          prepared statements, three indexes, no figures, policies, fences or history: the floor`

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '10000' },
    runs: { type: 'string', default: '100000' },
    batches: { type: 'string', default: '1,100,500' },
    repetitions: { type: 'string', default: '3' },
    help: { type: 'boolean' },
  },
})

interface Size {
  readonly jobs: number
  readonly runs: number
  readonly batch: number
}

const EVERY = 10_000

async function measureEngine(size: Size): Promise<Figures> {
  const log = { info() {}, warn() {}, error: (fields: object, message: string) => console.error(message, fields) }
  const engine = await openEngine({ databaseUrl: `file:${join(temporaryDirectory(), 'bench.db')}`, instanceId: 'ins_bench', log })
  const begun: BegunAttempt[] = []
  const deliver = (attempts: readonly BegunAttempt[]) => void begun.push(...attempts)
  try {
    const jobs = await createJobs(engine.store, size.jobs)
    engine.queue.start({ instanceId: 'ins_bench', free: () => 1_000_000, leaseUntil: (now) => now + 30_000, handlers: () => null, deliver })
    return await planAndSettle(engine.store, jobs, begun, size)
  } finally {
    await engine.close()
  }
}

type Jobs = Awaited<ReturnType<typeof createJobs>>

async function createJobs(store: Store, count: number) {
  const jobs = [await createJob(store), ...Array.from({ length: count - 1 }, () => newJobOf().job)]
  for (let i = 1; i < jobs.length; i += 500) await store.createJobs(jobs.slice(i, i + 500).map((job) => newJobOf(job)))
  return Promise.all(jobs.map(async (job) => ({ job, position: await positionOf(store, job.id) })))
}

async function planAndSettle(store: Store, jobs: Jobs, begun: BegunAttempt[], { runs, batch }: Size): Promise<Figures> {
  const planTimes: number[] = []
  const settleTimes: number[] = []
  let done = 0
  const cpuBefore = process.cpuUsage()
  for (let lap = 1; done < runs; lap++) {
    for (let from = 0; from < jobs.length && done < runs; from += batch) {
      const plans = jobs.slice(from, from + batch).map(({ job, position }) => {
        const plannedUntil = position.plannedUntil + lap * EVERY
        const run = runOf(job, { occurrence: plannedUntil })
        return planOf({ ...position, plannedUntil: plannedUntil - EVERY }, [runEntry(run)], {
          position: { plannedUntil, wakeAt: plannedUntil + EVERY },
        })
      })
      planTimes.push(await timed(() => store.commitPlans(plans, Date.now())))
      if (begun.length !== plans.length) throw new Error(`${begun.length} of ${plans.length} runs began`)
      const now = Date.now()
      const reports = begun.splice(0).map(({ runId, attempt }) => ({ runId, attempt, outcome: succeeded, now, random: 0 }))
      settleTimes.push(await timed(() => store.settle(reports)))
      done += plans.length
    }
  }
  const { user, system } = process.cpuUsage(cpuBefore)
  const [plan, settle] = [sum(planTimes), sum(settleTimes)]
  const times = [...planTimes, ...settleTimes].sort((a, b) => a - b)
  return {
    'runs/s': (done / (plan + settle)) * 1_000,
    'plan/s': (done / plan) * 1_000,
    'settle/s': (done / settle) * 1_000,
    'µs CPU': (user + system) / done,
    'p50 ms': percentile(times, 0.5),
    'p99 ms': percentile(times, 0.99),
  }
}

async function measureBare(size: Size): Promise<Figures> {
  const { seconds, cpu } = await bareSqlite(size)
  return { 'bare runs/s': size.runs / seconds, 'bare µs CPU': cpu / size.runs }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

function sum(times: readonly number[]): number {
  return times.reduce((total, time) => total + time, 0)
}

async function main(jobs: number, runs: number, batches: readonly number[], repetitions: number): Promise<void> {
  const lines: Line[] = []
  for (const batch of batches) {
    const size: Size = { jobs, runs: batch === 1 ? Math.ceil(runs / 100) : runs, batch }
    const figures: Figures[] = []
    for (let i = 1; i <= repetitions; i++) {
      progress(`batches of ${batch}, repetition ${i} of ${repetitions}`)
      figures.push({ ...(await measureEngine(size)), ...(await measureBare(size)) })
    }
    lines.push({ setting: `batches of ${batch}`, summary: summarize(figures) })
  }
  report('engine', repetitions, lines)
}

if (values.help) console.log(HELP)
else await main(Number(values.jobs), Number(values.runs), values.batches.split(',').map(Number), Number(values.repetitions))
