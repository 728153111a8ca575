// How many runs a second go through the whole path: planned by the scheduler, stored, begun, performed, settled with their history, each
// step durable? The product is stopped for a while with jobs that miss nothing (misfire ALL); at the next start it has all their instants
// to catch up with, and does so as fast as it can.
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import Database from 'better-sqlite3'
import { createJobs } from '../test/support/jobs.ts'
import { startOrrery } from '../test/support/process.ts'
import { temporaryDirectory } from '../test/support/temporary.ts'
import { type Figures, progress, report, summarize } from './report.ts'

const HELP = `Runs a second, from plan to history: the catching up after a stop, with the built-in handler noop.

  --jobs N           jobs that fire every second (default 2000)
  --down SECONDS     how long the product is stopped (default 20): jobs times seconds runs to catch up with, at most 1,000 a job
  --concurrency N    ORRERY_CONCURRENCY (default 1000)
  --repetitions N    (default 3)

runs/s  runs that were due while the product was down, divided by the time from the first begin of one of them to the last end
batch   the time from the start of the process to the last end, its own start included`

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '2000' },
    down: { type: 'string', default: '20' },
    concurrency: { type: 'string', default: '1000' },
    repetitions: { type: 'string', default: '3' },
    help: { type: 'boolean' },
  },
})
async function main(jobs: number, down: number, concurrency: string, repetitions: number): Promise<void> {
  const results: Figures[] = []
  for (let i = 1; i <= repetitions; i++) {
    progress(`repetition ${i} of ${repetitions}: creating ${jobs} jobs`)
    const directory = temporaryDirectory()
    const stoppedAt = await prepare(directory, jobs, concurrency)
    progress(`down for ${down / 1000} s`)
    await delay(down - (Date.now() - stoppedAt))
    progress('catching up')
    results.push(await measure(directory, stoppedAt, concurrency))
  }
  report('throughput', repetitions, [
    { setting: `${jobs} jobs caught up with after ${down / 1000} s, ${concurrency} at once`, summary: summarize(results) },
  ])
}

/** A database whose jobs have an instant every second from now on. */
async function prepare(directory: string, jobs: number, concurrency: string): Promise<number> {
  const orrery = await startOrrery({ directory, env: { LOG_LEVEL: 'warn', ORRERY_CONCURRENCY: concurrency } })
  await createJobs(
    orrery.url,
    Array.from({ length: jobs }, (_, i) => ({
      name: `bench ${i}`,
      schedule: { interval: { every: '1s' } },
      target: { handler: { handler: 'noop' } },
      policies: { misfire: 'ALL', overlap: 'ALLOW_ALL' },
    })),
  )
  await orrery.kill('SIGTERM')
  return Date.now()
}

async function measure(directory: string, stoppedAt: number, concurrency: string): Promise<Figures> {
  const startedAt = Date.now()
  const orrery = await startOrrery({ directory, env: { LOG_LEVEL: 'warn', ORRERY_CONCURRENCY: concurrency } })
  const db = new Database(join(directory, 'orrery.db'), { readonly: true })
  const waiting = db.prepare('SELECT 1 FROM JobPosition WHERE plannedUntil < ? LIMIT 1')
  const open = db.prepare(
    'SELECT 1 FROM Run WHERE finishedAt IS NULL AND scheduledFor > ? AND scheduledFor <= ? ORDER BY scheduledFor DESC LIMIT 1',
  )
  while (waiting.get(startedAt) !== undefined || open.get(stoppedAt, startedAt) !== undefined) await delay(100)
  const { rss } = orrery.usage()
  await orrery.kill('SIGTERM')
  const { runs, first, last, failed } = db
    .prepare(
      `SELECT count(*) AS runs, min(startedAt) AS first, max(finishedAt) AS last, sum(status <> 'SUCCEEDED') AS failed FROM Run WHERE scheduledFor > ? AND scheduledFor <= ?`,
    )
    .get(stoppedAt, startedAt) as { runs: number; first: number; last: number; failed: number }
  db.close()
  if (failed > 0) throw new Error(`${failed} runs did not succeed`)
  return { 'runs/s': (1000 * runs) / (last - first), runs, 'batch ms': last - startedAt, 'RSS MB': rss / 2 ** 20 }
}

if (values.help) console.log(HELP)
else await main(Number(values.jobs), Number(values.down) * 1000, values.concurrency, Number(values.repetitions))
