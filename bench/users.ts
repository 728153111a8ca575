// Ten thousand users on one machine: as many sockets that are told of something each second, a hundred requests a second, and ten thousand
// jobs that fire once a minute, on two processes of each role and a Postgres that share the machine with those who ask.
import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { request, type Variables } from '../test/support/graphqlClient.ts'
import { createJob, createJobs } from '../test/support/jobs.ts'
import type { SubscribersOptions } from './fanSubscribers.ts'
import { startOnPostgres } from './product.ts'
import { type Figures, percentile, progress, report, summarize } from './report.ts'

const HELP = `Ten thousand users on one machine, with two api, two scheduler and two worker processes on an embedded Postgres.

  --sockets N        WebSockets that follow one job, which fires every second (default 10000)
  --jobs N           jobs that fire once a minute, spread over it (default 10000)
  --requests N       requests a minute: of ten, six ask for a list of 20 jobs, three for one job, one triggers one (default 6000)
  --window SECONDS   how long (default 30)
  --repetitions N    (default 1)

request   from the moment it is due to its answer, whether or not the ones before are answered
lag       startedAt - dueAt of the runs of the window
told      share of the events that all sockets of a process had been told of by the end
CPU       of the product's processes; 200 % is all of a machine with two processors, of which the sockets' ends and Postgres take theirs`

const { values } = parseArgs({
  options: {
    sockets: { type: 'string', default: '10000' },
    jobs: { type: 'string', default: '10000' },
    requests: { type: 'string', default: '6000' },
    window: { type: 'string', default: '30' },
    repetitions: { type: 'string', default: '1' },
    help: { type: 'boolean' },
  },
})

const LIST = '{ jobs(first: 20) { nodes { id name state nextRunAt lastRun { status startedAt duration } } } }'
const ONE = 'query ($id: ID!) { job(by: { id: $id }) { id name state nextRunAt policies { overlap } } }'
const TRIGGER = 'mutation ($id: ID!) { triggerJob(input: { id: $id }) { run { id } errors { code } } }'

async function measure(sockets: number, jobs: number, perMinute: number, window: number): Promise<Figures> {
  const product = await startOnPostgres({ api: 2, scheduler: 2, worker: 2 }, { LOG_LEVEL: 'warn', ORRERY_CONCURRENCY: '200' })
  const subscribers: ChildProcess[] = []
  try {
    const apis = await Promise.all(product.cluster.of('api').map((member) => member.process))
    const anchor = Date.now()
    const ids = await createJobs(
      product.url,
      Array.from({ length: jobs }, (_, i) => ({
        name: `minutely ${i}`,
        schedule: { interval: { every: '60s', anchor: new Date(anchor + Math.floor((i / jobs) * 60_000)).toISOString() } },
        target: { handler: { handler: 'noop' } },
      })),
    )
    const followed = await createJob(product.url, {
      name: 'followed',
      schedule: { interval: { every: '1s' } },
      target: { handler: { handler: 'noop' } },
    })
    progress(`${jobs} jobs created; opening ${sockets} sockets`)
    const query = `subscription { jobRuns(filter: { jobIds: ["${followed.id}"], finalOnly: true }) { cursor at run { id status startedAt finishedAt duration } } }`
    let told = 0
    for (const api of apis) {
      const options: SubscribersOptions = { port: Number(new URL(api.origin).port), count: Math.floor(sockets / apis.length), query }
      const child = fork(join(import.meta.dirname, 'fanSubscribers.ts'), [JSON.stringify(options)])
      subscribers.push(child)
      await new Promise<void>((resolve) =>
        child.on('message', (message: { kind: string }) => (message.kind === 'ready' ? resolve() : told++)),
      )
    }
    await delay(3_000)
    progress(`asking for ${window / 1000} s`)
    const before = await product.usage()
    const toldBefore = told
    const from = Date.now()
    const latencies = await askSteadily(
      apis.map(({ url }) => url),
      ids,
      perMinute,
      window,
    )
    const to = Date.now()
    const events = told - toldBefore
    const after = await product.usage()
    for (const child of subscribers) child.disconnect()
    await product.stop()
    const rows = await product.rows<{ dueAt: number; startedAt: number | null }>('SELECT "dueAt", "startedAt" FROM "Run"')
    const due = rows.filter(({ dueAt }) => dueAt >= from && dueAt < to)
    const lags = due.flatMap(({ dueAt, startedAt }) => (startedAt === null ? [] : [startedAt - dueAt])).sort((a, b) => a - b)
    return {
      'requests/min': (latencies.length * 60_000) / (to - from),
      'request p50 ms': percentile(latencies, 0.5),
      'request p99 ms': percentile(latencies, 0.99),
      'lag p50 ms': percentile(lags, 0.5),
      'lag p99 ms': percentile(lags, 0.99),
      'runs/s': (1000 * due.length) / (to - from),
      'told %': (100 * events) / (apis.length * Math.floor((to - from) / 1000)),
      'CPU %': (100 * (after.cpu - before.cpu)) / (to - from),
      'RSS MB': after.rss / 2 ** 20,
    }
  } finally {
    for (const child of subscribers) if (child.connected) child.disconnect()
    await product.close()
  }
}

/** Sends requests at their due moments, without waiting for those before. Answers how long each took, sorted. */
async function askSteadily(urls: readonly string[], ids: readonly string[], perMinute: number, window: number): Promise<number[]> {
  const latencies: number[] = []
  const began = performance.now()
  const underWay: Promise<void>[] = []
  for (let n = 0; ; n++) {
    const due = began + (n * 60_000) / perMinute
    if (due > began + window) break
    await delay(Math.max(0, due - performance.now()))
    const url = urls[n % urls.length]!
    const variables: Variables = { id: ids[(n * 37) % ids.length]! }
    const query = n % 10 < 6 ? LIST : n % 10 < 9 ? ONE : TRIGGER
    underWay.push(request(url, query, query === LIST ? {} : variables).then(() => void latencies.push(performance.now() - due)))
  }
  await Promise.all(underWay)
  return latencies.sort((a, b) => a - b)
}

if (values.help) console.log(HELP)
else {
  const repetitions = Number(values.repetitions)
  const figures: Figures[] = []
  for (let i = 0; i < repetitions; i++)
    figures.push(await measure(Number(values.sockets), Number(values.jobs), Number(values.requests), Number(values.window) * 1000))
  report('users', repetitions, [
    {
      setting: `${values.sockets} sockets, ${values.requests} requests a minute, ${values.jobs} jobs a minute`,
      summary: summarize(figures),
    },
  ])
}
