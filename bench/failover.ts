// How long until the work of a process that was killed goes on elsewhere? Processes on Postgres with the product's own settings.
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createJobs, triggerJob } from '../test/support/jobs.ts'
import { startOnPostgres } from './product.ts'
import { type Figures, type Line, percentile, progress, report, summarize } from './report.ts'

const HELP = `What the death of a process costs (kill -9), with a process for each role on an embedded Postgres.

  --repetitions N    (default 3)
  --lease S          ORRERY_LEASE in seconds (default: the product's own 30)
  --runs N           a third of the runs under way when it dies: what it had must find room elsewhere (default 30)
  --jobs N           jobs that fire every second while one of two schedulers is killed (default 1000)

worker       from the kill of one of three workers until its runs are under way elsewhere: the first, the median, the last
scheduler    from the kill of one of two schedulers: how late the latest fire of the next 10 s was, until all fires are on time again, and
             how many of 1,000 fires a second were planned by neither in time (later than 2 s)`

const { values } = parseArgs({
  options: {
    repetitions: { type: 'string', default: '3' },
    lease: { type: 'string', default: '30' },
    runs: { type: 'string', default: '30' },
    jobs: { type: 'string', default: '1000' },
    help: { type: 'boolean' },
  },
})

async function killWorker(runs: number): Promise<Figures> {
  const product = await startOnPostgres(
    { api: 1, scheduler: 1, worker: 3 },
    { LOG_LEVEL: 'warn', ORRERY_LEASE: `${values.lease}s`, ORRERY_ALLOW_COMMANDS: '/bin/sleep' },
  )
  try {
    const ids = await createJobs(
      product.url,
      Array.from({ length: runs * 3 }, (_, i) => ({
        name: `long ${i}`,
        schedule: { once: { at: new Date(Date.now() + 86_400_000).toISOString() } },
        target: { command: { executable: '/bin/sleep', args: ['120'] } },
      })),
    )
    await Promise.all(ids.map((id) => triggerJob(product.url, id)))
    const running = () =>
      product.rows<{ id: string; instanceId: string; attempt: number; startedAt: number }>(
        `SELECT id, "instanceId", attempt, "attemptStartedAt" AS "startedAt" FROM "Run" WHERE status = 'RUNNING'`,
      )
    while ((await running()).length < ids.length) await delay(100)
    const [victim] = product.cluster.of('worker')
    // Somewhere between two renewals, as a death is.
    await delay(Math.random() * 10_000)
    const { pid } = await victim!.process
    const instances = new Map(
      Object.entries(Object.groupBy(await running(), ({ instanceId }) => instanceId)).map(([id, rows]) => [id, rows!.length]),
    )
    const killedAt = Date.now()
    await victim!.kill()
    progress(`killed a worker (process ${pid}); runs by worker: ${JSON.stringify([...instances.values()])}`)
    const again = () =>
      product.rows<{ at: number }>(`SELECT "attemptStartedAt" AS at FROM "Run" WHERE status = 'RUNNING' AND attempt = 2 ORDER BY 1`)
    const lost = () => product.rows<{ id: string }>(`SELECT id FROM "Run" WHERE status = 'RUNNING' AND attempt = 1`)
    const survivors = ids.length - Math.max(...instances.values())
    const deadline = killedAt + 3 * Number(values.lease) * 1_000
    let before = -1
    for (;;) {
      const taken = (await again()).length
      if (taken > 0 && taken === before && (await lost()).length + taken === ids.length) break
      if (Date.now() > deadline) throw new Error(`after ${deadline - killedAt} ms ${taken} runs were taken over; ${survivors} were others'`)
      before = taken
      await delay(1_000)
    }
    const times = (await again()).map(({ at }) => at - killedAt)
    await product.stop()
    return { 'taken over': times.length, 'first ms': times[0]!, 'median ms': percentile(times, 0.5), 'last ms': times.at(-1)! }
  } finally {
    await product.close()
  }
}

async function killScheduler(jobs: number): Promise<Figures> {
  const product = await startOnPostgres(
    { api: 1, scheduler: 2, worker: 1 },
    { LOG_LEVEL: 'warn', ORRERY_LEASE: `${values.lease}s`, ORRERY_CONCURRENCY: '1000' },
  )
  try {
    const anchor = Math.ceil(Date.now() / 1000) * 1000
    await createJobs(
      product.url,
      Array.from({ length: jobs }, (_, i) => ({
        name: `every second ${i}`,
        schedule: { interval: { every: '1s', anchor: new Date(anchor + (i % 1_000)).toISOString() } },
        target: { handler: { handler: 'noop' } },
      })),
    )
    await delay(10_000)
    const killedAt = Date.now()
    await product.cluster.of('scheduler')[0]!.kill()
    progress('killed a scheduler')
    await delay(15_000)
    await product.stop()
    const rows = await product.rows<{ dueAt: number; queuedAt: number }>('SELECT "dueAt", "queuedAt" FROM "Run" ORDER BY "dueAt"')
    const lagsBetween = (from: number, to: number) =>
      rows
        .filter(({ dueAt }) => dueAt >= from && dueAt < to)
        .map(({ dueAt, queuedAt }) => queuedAt - dueAt)
        .sort((a, b) => a - b)
    const before = lagsBetween(killedAt - 5_000, killedAt)
    const after = lagsBetween(killedAt - 1_000, killedAt + 10_000)
    const normal = Math.max(50, percentile(before, 0.99))
    const late = rows.filter(({ dueAt, queuedAt }) => dueAt >= killedAt - 1_000 && queuedAt > killedAt && queuedAt - dueAt > normal)
    return {
      'before p50 ms': percentile(before, 0.5),
      'before p99 ms': percentile(before, 0.99),
      'latest fire ms': after.at(-1)!,
      'late fires': late.length,
      'on time again after ms': Math.max(0, ...late.map(({ queuedAt }) => queuedAt - killedAt)),
      'over 2 s': after.filter((lag) => lag > 2_000).length,
    }
  } finally {
    await product.close()
  }
}

async function main(repetitions: number): Promise<void> {
  const lines: Line[] = []
  const schedulers: Figures[] = []
  const workers: Figures[] = []
  for (let i = 1; i <= repetitions; i++) {
    progress(`repetition ${i} of ${repetitions}`)
    schedulers.push(await killScheduler(Number(values.jobs)))
    workers.push(await killWorker(Number(values.runs)))
  }
  lines.push({ setting: `one of two schedulers killed, ${values.jobs} fires a second`, summary: summarize(schedulers) })
  report('failover of a scheduler', repetitions, lines)
  report('failover of a worker', repetitions, [
    { setting: `one of three workers killed, lease ${values.lease} s`, summary: summarize(workers) },
  ])
}

if (values.help) console.log(HELP)
else await main(Number(values.repetitions))
