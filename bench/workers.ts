// How many runs a second do 1, 2 and 3 worker processes perform on one Postgres, beside bare queues on the same server? Each has a backlog
// that was made before, of jobs that do nothing; what counts is the time from the first that was begun to the last that was ended.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Logger, makeWorkerUtils } from 'graphile-worker'
import { PgBoss } from 'pg-boss'
import { Cluster } from '../test/support/cluster.ts'
import { createJobs } from '../test/support/jobs.ts'
import { postgresRows } from '../test/support/postgresRows.ts'
import { startPostgres } from '../test/support/postgresServer.ts'
import { temporaryDirectory } from '../test/support/temporary.ts'
import { TASK } from './queuePeer.ts'
import { type Figures, type Line, progress, report, summarize } from './report.ts'

const HELP = `Runs a second of 1, 2 and 3 worker processes on one Postgres with its default durability, beside graphile-worker and pg-boss, which keep no
history: each from a backlog of jobs that do nothing.

  --runs N           the backlog (default 40000)
  --workers N,N      how many processes (default 1,2,3)
  --concurrency N    ORRERY_CONCURRENCY of each (default 500)
  --peers P,P        graphile-worker,pg-boss (default both; "none" leaves them out)
  --repetitions N    (default 3)

orrery   runs that a scheduler had planned while no worker was there: begun, performed, settled with their history, all durably
peers    jobs of their own, added before: graphile-worker with a local queue and batched completion, pg-boss with batches of 500
CPU      of all processes that worked, without Postgres; 200 % is all of a machine with two processors`

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '40000' },
    workers: { type: 'string', default: '1,2,3' },
    concurrency: { type: 'string', default: '500' },
    peers: { type: 'string', default: 'graphile-worker,pg-boss' },
    repetitions: { type: 'string', default: '3' },
    help: { type: 'boolean' },
  },
})

/** Jobs whose instants make the backlog: one a second each. */
const JOBS = 2_000
/** A peer that stands still shall not hold up the rest for ever. */
const PEER_TIMEOUT = 120_000

async function main(runs: number, counts: readonly number[], peers: readonly string[], repetitions: number): Promise<void> {
  const postgres = await startPostgres()
  const lines: Line[] = []
  try {
    for (const workers of counts) {
      const measured = new Map<string, Figures[]>()
      for (let i = 1; i <= repetitions; i++) {
        for (const kind of ['orrery', ...peers]) {
          progress(`${kind}, ${workers} processes, repetition ${i} of ${repetitions}`)
          const figures =
            kind === 'orrery' ? await measureOrrery(postgres.url, runs, workers) : await measurePeer(kind, postgres.url, runs, workers)
          measured.set(kind, [...(measured.get(kind) ?? []), figures])
        }
      }
      for (const [kind, figures] of measured)
        lines.push({ setting: `${kind}, ${workers} ${workers === 1 ? 'process' : 'processes'}`, summary: summarize(figures) })
    }
  } finally {
    await postgres.remove()
  }
  report('workers', repetitions, lines)
}

async function measureOrrery(server: string, runs: number, workers: number): Promise<Figures> {
  const databaseUrl = await freshDatabase(server)
  const directory = temporaryDirectory()
  const env = { LOG_LEVEL: 'warn', ORRERY_CONCURRENCY: values.concurrency }
  const planners = new Cluster({ databaseUrl, directory, members: { api: 1, scheduler: 1, worker: 0 }, env })
  await planners.ready()
  await createJobs(
    await planners.url(),
    Array.from({ length: JOBS }, (_, i) => ({
      name: `bench ${i}`,
      schedule: { interval: { every: '1s' } },
      target: { handler: { handler: 'noop' } },
      policies: { misfire: 'ALL', overlap: 'ALLOW_ALL' },
    })),
  )
  while ((await ask<{ n: number }>(databaseUrl, `SELECT count(*)::int AS n FROM "Run"`)).n < runs) await delay(200)
  await planners.stop()
  const { n } = await ask<{ n: number }>(databaseUrl, `SELECT count(*)::int AS n FROM "Run"`)
  await ask(databaseUrl, 'VACUUM ANALYZE "Run"')
  const crew = new Cluster({ databaseUrl, directory, members: { api: 0, scheduler: 0, worker: workers }, env })
  await crew.ready()
  while (
    (await ask<{ n: number }>(databaseUrl, `SELECT count(*)::int AS n FROM (SELECT 1 FROM "Run" WHERE "finishedAt" IS NULL LIMIT 1) r`)).n >
    0
  )
    await delay(50)
  const cpu = (await Promise.all(crew.of('worker').map(async (member) => (await member.process).usage().cpu))).reduce(
    (sum, ms) => sum + ms,
    0,
  )
  await crew.stop()
  const { first, last, failed } = await ask<{ first: number; last: number; failed: number }>(
    databaseUrl,
    `SELECT (extract(epoch FROM min("startedAt")) * 1000)::float8 AS first, (extract(epoch FROM max("finishedAt")) * 1000)::float8 AS last,
       count(*) FILTER (WHERE status <> 'SUCCEEDED')::int AS failed FROM "Run"`,
  )
  if (failed > 0) throw new Error(`${failed} runs did not succeed`)
  const shares = await ask<{ least: number }>(
    databaseUrl,
    `SELECT (min(n) * 100.0 / sum(n))::float8 AS least FROM (SELECT count(*) AS n FROM "Run" GROUP BY "instanceId") shares`,
  )
  return { 'runs/s': (1000 * n) / (last - first), runs: n, seconds: (last - first) / 1000, 'least share %': shares.least, 'CPU ms': cpu }
}

async function measurePeer(kind: string, server: string, runs: number, workers: number): Promise<Figures> {
  const url = await freshDatabase(server)
  await (kind === 'pg-boss' ? fillPgBoss : fillGraphileWorker)(url, runs)
  const processes = await Promise.all(Array.from({ length: workers }, () => startPeer(kind, url)))
  const left =
    kind === 'pg-boss'
      ? `SELECT count(*)::int AS n FROM (SELECT 1 FROM pgboss.job WHERE name = '${TASK}' AND state < 'completed' LIMIT 1) j`
      : 'SELECT count(*)::int AS n FROM (SELECT 1 FROM graphile_worker._private_jobs LIMIT 1) j'
  const deadline = Date.now() + PEER_TIMEOUT
  while ((await ask<{ n: number }>(url, left)).n > 0) {
    if (Date.now() > deadline)
      throw new Error(`${kind} with ${workers} processes had not performed its jobs after ${PEER_TIMEOUT / 1000} s`)
    await delay(50)
  }
  const emptied = Date.now()
  const performed = await Promise.all(processes.map((peer) => peer.end()))
  const count = performed.reduce((sum, each) => sum + each.count, 0)
  const working = performed.filter((each) => each.count > 0)
  const first = Math.min(...working.map((each) => each.first))
  const seconds = (emptied - first) / 1000
  return {
    'runs/s': count / seconds,
    runs: count,
    seconds,
    'least share %': (100 * Math.min(...performed.map((each) => each.count))) / count,
    'CPU ms': Number.NaN,
  }
}

async function fillGraphileWorker(url: string, jobs: number): Promise<void> {
  const utils = await makeWorkerUtils({ connectionString: url, logger: new Logger(() => () => {}) })
  await utils.migrate()
  await utils.withPgClient(async (client) => {
    await client.query(
      `SELECT count(*) FROM (SELECT graphile_worker.add_job('${TASK}', json_build_object('i', i)) FROM generate_series(1, $1::int) i) added`,
      [jobs],
    )
  })
  await utils.release()
}

async function fillPgBoss(url: string, jobs: number): Promise<void> {
  const boss = new PgBoss({ connectionString: url, supervise: false, schedule: false })
  await boss.start()
  await boss.createQueue(TASK, { notify: true })
  for (let from = 0; from < jobs; from += 1_000)
    await boss.insert(
      TASK,
      Array.from({ length: Math.min(1_000, jobs - from) }, (_, i) => ({ data: { i: from + i } })),
    )
  await boss.stop({ graceful: false })
}

interface Performed {
  readonly count: number
  readonly first: number
  readonly last: number
}

async function startPeer(kind: string, url: string): Promise<{ end(): Promise<Performed> }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'queuePeer.ts'), kind, url], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface(child.stdout!)
  await line(lines, child)
  return {
    async end() {
      child.stdin!.write('end\n')
      return JSON.parse(await line(lines, child)) as Performed
    },
  }
}

async function line(lines: Interface, child: ChildProcess): Promise<string> {
  const exited = once(child, 'exit').then(() => Promise.reject(new Error('the peer ended')))
  const [text] = (await Promise.race([once(lines, 'line'), exited])) as [string]
  exited.catch(() => {})
  return text
}

let databases = 0

async function freshDatabase(server: string): Promise<string> {
  const name = `bench_${++databases}`
  await ask(server, `CREATE DATABASE ${name}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  return url.href
}

async function ask<Row>(url: string, sql: string): Promise<Row> {
  const [row] = await postgresRows<Row>(url, sql)
  return row!
}

if (values.help) console.log(HELP)
else
  await main(
    Number(values.runs),
    values.workers.split(',').map(Number),
    values.peers === 'none' ? [] : values.peers.split(','),
    Number(values.repetitions),
  )
