// Requests a second on the GraphQL API over HTTP. Server, client (autocannon) and driver are three processes.
import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { parseArgs } from 'node:util'
import { ask, request } from '../test/support/graphqlClient.ts'
import { createJobs } from '../test/support/jobs.ts'
import { startPostgres } from '../test/support/postgresServer.ts'
import { type Orrery, startOrrery } from '../test/support/process.ts'
import { temporaryDirectory } from '../test/support/temporary.ts'
import { type Figures, type Line, progress, report, summarize } from './report.ts'

const HELP = `Requests a second: list 20 of many jobs (10 fields each), get one, create one. Lists and single jobs are asked for in the same words,
which the server may answer once for all, and in words of their own ("unshared").

  --jobs N           jobs stored (default 10000)
  --connections N    (default 50)
  --seconds N        for each measurement (default 6)
  --repetitions N    (default 3)
  --postgres         on an embedded Postgres with its default durability
  --only WORD        only operations whose name contains it`

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '10000' },
    connections: { type: 'string', default: '50' },
    seconds: { type: 'string', default: '6' },
    repetitions: { type: 'string', default: '3' },
    postgres: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    help: { type: 'boolean' },
  },
})
const FIELDS = 'id name description tags state payload nextRunAt version createdAt updatedAt'

interface Operation {
  readonly name: string
  readonly query: string
  readonly variables: Readonly<Record<string, unknown>>
}

async function main(): Promise<void> {
  const jobs = Number(values.jobs)
  const repetitions = Number(values.repetitions)
  const postgres = values.postgres ? await startPostgres() : null
  const env = { LOG_LEVEL: 'warn', ...(postgres && { DATABASE_URL: postgres.url }) }
  const orrery = await startOrrery({ directory: temporaryDirectory(), env })
  progress(`creating ${jobs} jobs`)
  const ids = await createJobs(
    orrery.url,
    Array.from({ length: jobs }, (_, i) => input(`bench ${String(i).padStart(6, '0')}`)),
  )
  const list = `query ($first: Int) { jobs(first: $first) { nodes { ${FIELDS} } } }`
  const get = `query ($by: JobBy!) { job(by: $by) { ${FIELDS} } }`
  const by = { id: ids[Math.floor(jobs / 2)] }
  // A variable that the operation does not have changes nothing but whose question it is.
  const own = { asker: '[<id>]' }
  const operations: Operation[] = [
    { name: `list 20 of ${jobs}`, query: list, variables: { first: 20 } },
    { name: `list 20 of ${jobs}, unshared`, query: list, variables: { first: 20, ...own } },
    { name: 'get one', query: get, variables: { by } },
    { name: 'get one, unshared', query: get, variables: { by, ...own } },
    {
      name: 'create',
      query: `mutation ($input: CreateJobInput!) { createJob(input: $input) { job { id } errors { code message path } } }`,
      variables: { input: input('created [<id>]') },
    },
  ].filter(({ name }) => name.includes(values.only))

  const lines: Line[] = []
  for (const operation of operations) {
    const results: Figures[] = []
    for (let i = 1; i <= repetitions; i++) {
      progress(`${operation.name}, repetition ${i} of ${repetitions}`)
      results.push(await measure(orrery, operation))
    }
    lines.push({ setting: `${operation.name}, ${values.connections} connections`, summary: summarize(results) })
  }
  await orrery.kill('SIGTERM')
  await postgres?.remove()
  report('api', repetitions, lines)
}

/** A job that does not fire while it is measured. */
function input(name: string): Readonly<Record<string, unknown>> {
  return {
    name,
    description: 'what this job is there for',
    tags: ['bench', 'nightly'],
    schedule: { interval: { every: 'PT24H' } },
    target: { handler: { handler: 'noop' } },
    payload: { tenant: 7, kind: 'report' },
  }
}

async function measure(orrery: Orrery, { query, variables }: Operation): Promise<Figures> {
  const first = await ask(orrery.url, query, JSON.parse(JSON.stringify(variables).replace('[<id>]', `first ${Date.now()}`)))
  if (JSON.stringify(first).includes('"errors":[{')) throw new Error(JSON.stringify(first))
  const storedBefore = await countJobs(orrery)
  const body = JSON.stringify({ query, variables })
  await load(orrery.url, body, 2)
  const before = orrery.usage()
  const begun = performance.now()
  const result = await load(orrery.url, body, Number(values.seconds))
  const elapsed = performance.now() - begun
  const after = orrery.usage()
  if (query.startsWith('mutation') && (await countJobs(orrery)) < storedBefore + result['2xx'])
    throw new Error('some creates were answered but not stored')
  return {
    'requests/s': result.requests.average,
    'p50 ms': result.latency.p50,
    'p99 ms': result.latency.p99,
    bytes: JSON.stringify(first).length,
    'server CPU %': (100 * (after.cpu - before.cpu)) / elapsed,
    'RSS MB': after.rss / 2 ** 20,
  }
}

/** Counted by pages: totals are exact up to 10,000 only. */
async function countJobs(orrery: Orrery): Promise<number> {
  let count = 0
  let after: string | null = null
  do {
    const { jobs }: { jobs: { nodes: unknown[]; pageInfo: { hasNextPage: boolean; endCursor: string } } } = await request(
      orrery.url,
      'query ($after: String) { jobs(first: 100, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }',
      { after },
    )
    count += jobs.nodes.length
    after = jobs.pageInfo.hasNextPage ? jobs.pageInfo.endCursor : null
  } while (after !== null)
  return count
}

interface LoadResult {
  readonly requests: { readonly average: number }
  readonly latency: { readonly p50: number; readonly p99: number }
  readonly non2xx: number
  readonly errors: number
  readonly '2xx': number
}

/** Runs autocannon in a process of its own. */
function load(url: string, body: string, seconds: number): Promise<LoadResult> {
  const cli = createRequire(import.meta.url).resolve('autocannon/autocannon.js')
  const args = [
    cli,
    '--json',
    '--no-progress',
    '-c',
    values.connections,
    '-d',
    String(seconds),
    '-m',
    'POST',
    '-H',
    'content-type=application/json',
    '-b',
    body,
    '-I',
    url,
  ]
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      if (error !== null) return reject(new Error(stderr, { cause: error }))
      const result = JSON.parse(stdout) as LoadResult
      if (result.non2xx + result.errors > 0)
        return reject(new Error(`${result.non2xx} answers were no success, ${result.errors} requests failed`))
      resolve(result)
    })
  })
}

if (values.help) console.log(HELP)
else await main()
