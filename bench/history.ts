// Does a long history leave every page quick? Jobs and runs are stored in bulk; then pages, filters, searches and figures are asked for over
// HTTP, one after the other and many at once, and the server tells how long its loop stood still.
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { DAY } from '../src/domain/instant.ts'
import { request } from '../test/support/graphqlClient.ts'
import { createJob } from '../test/support/jobs.ts'
import { type Orrery, startOrrery } from '../test/support/process.ts'
import { temporaryDirectory } from '../test/support/temporary.ts'
import { writeHistory } from './historyData.ts'
import { type Figures, type Line, percentile, progress, report, summarize } from './report.ts'

const HELP = `Pages, filters, searches and figures over a long history, and the longest stall of the server's loop.

  --jobs N           jobs stored (default 100000); the first thousand of them have runs
  --runs N           runs stored (default 2000000)
  --of-one N         of these, the runs of one job (default 1000000)
  --requests N       of each kind, one after the other (default 200; a twentieth where an answer walks the whole history)
  --at-once N        the same with so many at once (default 20)
  --repetitions N    (default 3)
  --only WORD        only questions whose name contains it

p50, p99     ms of an answer, asked one after the other
stall        the longest time that the server's loop stood still meanwhile, in ms
at once      p99 and stall with many questions at once`

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '100000' },
    runs: { type: 'string', default: '2000000' },
    'of-one': { type: 'string', default: '1000000' },
    requests: { type: 'string', default: '200' },
    'at-once': { type: 'string', default: '20' },
    repetitions: { type: 'string', default: '3' },
    only: { type: 'string', default: '' },
    help: { type: 'boolean' },
  },
})

/** Removal must not take away what is measured. */
const KEEP_ALL = { ORRERY_RETENTION_MAX: '100000000', ORRERY_RETENTION_SUCCEEDED: 'P3650D', ORRERY_RETENTION_FAILED: 'P3650D' }

interface Question {
  readonly name: string
  readonly query: string
  /** Of the nth time it is asked: an answer that is remembered until the next commit is to another question. */
  readonly variables?: (n: number) => Readonly<Record<string, unknown>>
  /** It looks at many rows: seconds, but never at once. */
  readonly long?: boolean
}

async function main(): Promise<void> {
  const repetitions = Number(values.repetitions)
  const directory = temporaryDirectory()
  const env = { LOG_LEVEL: 'warn', ...KEEP_ALL }
  const before = await startOrrery({ directory, env })
  const template = await createJob(before.url, {
    name: 'template',
    tags: ['bench'],
    schedule: { interval: { every: 'PT2400H' } },
    target: { handler: { handler: 'noop' } },
  })
  await before.kill('SIGTERM')
  progress(`storing ${values.jobs} jobs and ${values.runs} runs`)
  writeHistory(directory, template.id, { jobs: Number(values.jobs), runs: Number(values.runs), runsOfOne: Number(values['of-one']) })
  const watch = pathToFileURL(join(import.meta.dirname, 'loopDelay.ts')).href
  const orrery = await startOrrery({ directory, env: { ...env, NODE_OPTIONS: `--import=${watch}` } })
  const lines: Line[] = []
  for (const question of (await questions(orrery)).filter(({ name }) => name.includes(values.only))) {
    const results: Figures[] = []
    for (let i = 1; i <= repetitions; i++) {
      progress(`${question.name}, repetition ${i} of ${repetitions}`)
      results.push(await measure(orrery, question))
    }
    lines.push({ setting: question.name, summary: summarize(results) })
  }
  await orrery.kill('SIGTERM')
  report('history', repetitions, lines)
}

const PAGE = 'nodes { id status trigger scheduledFor startedAt finishedAt lag duration } pageInfo { hasNextPage hasPreviousPage }'

async function questions({ url }: Orrery): Promise<readonly Question[]> {
  const { jobs } = await request<{ jobs: { nodes: { id: string }[] } }>(url, '{ jobs(first: 1) { nodes { id } } }')
  const id = jobs.nodes[0]!.id
  const middle = Date.now() - 11 * DAY
  const { job } = await request<{ job: { runs: { edges: { cursor: string }[] } } }>(
    url,
    'query ($id: ID!, $middle: DateTime!) { job(by: { id: $id }) { runs(first: 1, filter: { scheduledTo: $middle }) { edges { cursor } } } }',
    { id, middle: new Date(middle).toISOString() },
  )
  const { cursor } = job.runs.edges[0]!
  const ofOne = (args: string) => `query ($id: ID!) { job(by: { id: $id }) { runs(${args}) { ${PAGE} } } }`
  const ofAll = (filter: string) =>
    `query ($since: DateTime!) { runs(first: 50, filter: { scheduledFrom: $since, ${filter} }) { ${PAGE} } }`
  const window = `query ($to: DateTime!) {
    runs(first: 50, filter: { scheduledTo: $to }, orderBy: { field: SCHEDULED_FOR, direction: DESC }) { ${PAGE} } }`
  const one = () => ({ id })
  const since = (n: number) => ({ since: new Date(n).toISOString() })
  return [
    {
      name: '50 jobs, lastRun and runs(first: 5)',
      query: '{ jobs(first: 50) { nodes { lastRun { status } runs(first: 5) { nodes { id } } } } }',
    },
    { name: 'runs of one: first page', query: ofOne('first: 50'), variables: one },
    { name: 'runs of one: deep page', query: ofOne(`first: 50, after: "${cursor}"`), variables: one },
    { name: 'runs of one: back from there', query: ofOne(`last: 50, before: "${cursor}"`), variables: one },
    { name: 'runs of one: last page', query: ofOne('last: 50'), variables: one },
    { name: 'runs: failed', query: ofAll('status: [FAILED]'), variables: since },
    { name: 'runs: of a tag', query: ofAll('tags: ["bench"]'), variables: since },
    { name: 'runs: of a window', query: window, variables: (n) => ({ to: new Date(middle + n).toISOString() }) },
    { name: 'runs: by hand, 1 in 100,000', query: ofAll('trigger: [MANUAL]'), variables: since, long: true },
    {
      name: 'jobs: search that finds nothing',
      query: 'query ($text: String!) { jobs(filter: { search: $text }) { nodes { id } } }',
      variables: (n) => ({ text: `nowhere ${n}` }),
      long: true,
    },
    { name: 'jobs: paused', query: '{ jobs(filter: { state: [PAUSED] }) { nodes { id } } }', long: true },
    { name: 'stats, 1 h', query: '{ stats { jobs active paused queued running total lagP99 timeline { succeeded lagP99 } } }' },
    { name: 'stats, 90 days', query: '{ stats(window: "P90D") { total lagP99 timeline { succeeded lagP99 } } }', long: true },
    {
      name: 'stats of one, 24 h',
      query: 'query ($id: ID!) { job(by: { id: $id }) { stats { total durationP95 lagP99 } } }',
      variables: one,
    },
  ]
}

async function measure(orrery: Orrery, question: Question): Promise<Figures> {
  const requests = Math.max(3, Math.round(Number(values.requests) / (question.long === true ? 20 : 1)))
  await answers(orrery, question, 2, 1)
  await longestStall(orrery)
  const single = await answers(orrery, question, requests, 1)
  const stall = await longestStall(orrery)
  const many = await answers(orrery, question, Math.max(requests, Number(values['at-once'])), Number(values['at-once']))
  return {
    'p50 ms': percentile(single, 0.5),
    'p99 ms': percentile(single, 0.99),
    'stall ms': stall,
    'at once p99 ms': percentile(many, 0.99),
    'at once stall ms': await longestStall(orrery),
  }
}

let questioned = 0

/** Times of so many answers, sorted. */
async function answers({ url }: Orrery, { query, variables }: Question, count: number, atOnce: number): Promise<readonly number[]> {
  const times: number[] = []
  let left = count
  const ask = async () => {
    while (left-- > 0) {
      const began = performance.now()
      await request(url, query, variables?.(++questioned))
      times.push(performance.now() - began)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, ask))
  return times.sort((a, b) => a - b)
}

let asked = 0

/** How long the server's loop stood still at most since this was asked before. */
async function longestStall({ pid, logs }: Orrery): Promise<number> {
  const number = ++asked
  process.kill(pid, 'SIGUSR2')
  const line = await logs.first('the loop delay', ({ loopDelay }) => loopDelay === number)
  return Number(line.longest)
}

if (values.help) console.log(HELP)
else await main()
