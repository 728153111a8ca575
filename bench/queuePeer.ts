// One worker process of a queue beside which ours is measured: `node bench/queuePeer.ts graphile-worker|pg-boss URL`. Says "ready" when it
// has begun, and with "end" on standard input it stops and says when it performed the first and the last job, and how many.
import { createInterface } from 'node:readline'
import { Logger, run } from 'graphile-worker'
import { PgBoss } from 'pg-boss'

export const TASK = 'noop'

interface Peer {
  stop(): Promise<unknown>
}

const performed = { count: 0, first: 0, last: 0 }

function perform(count = 1): void {
  performed.last = Date.now()
  performed.first ||= performed.last
  performed.count += count
}

/** As its authors recommend for throughput: a local queue, and completion in batches. */
async function graphileWorker(url: string): Promise<Peer> {
  const runner = await run({
    connectionString: url,
    taskList: { [TASK]: () => perform() },
    logger: new Logger(() => () => {}),
    noHandleSignals: true,
    preset: {
      worker: { concurrentJobs: 24, maxPoolSize: 12, localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 },
    },
  })
  return { stop: () => runner.stop() }
}

async function pgBoss(url: string): Promise<Peer> {
  const boss = new PgBoss({ connectionString: url, max: 12, supervise: false, schedule: false })
  boss.on('error', (error) => console.error(error.message))
  await boss.start()
  const options = { batchSize: 500, pollingIntervalSeconds: 0.5, burstWhenBatchFull: true }
  for (let i = 0; i < 2; i++) await boss.work(TASK, options, async (jobs) => perform(jobs.length))
  return { stop: () => boss.stop({ graceful: true }) }
}

if (import.meta.main) {
  const [kind, url] = process.argv.slice(2)
  const peer = await (kind === 'pg-boss' ? pgBoss : graphileWorker)(url!)
  console.log('ready')
  for await (const line of createInterface(process.stdin)) if (line === 'end') break
  await peer.stop()
  console.log(JSON.stringify(performed))
  process.exit(0)
}
