import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { CreateJobInput } from '../../../src/commands/inputs.ts'
import { request } from '../graphqlClient.ts'
import { streamPosition } from '../jobs.ts'
import { type Acknowledged, nothingAcknowledged, RandomCaller } from './callers.ts'
import { Follower } from './follower.ts'
import type { Kinds } from './jobs.ts'
import { KilledProcess } from './killedProcess.ts'
import { countLedger, type LedgerCount, unexplainedRuns } from './ledger.ts'
import { Receiver } from './receiver.ts'
import { type Random, seeded } from './seeded.ts'
import { readTables, type Tables } from './tables.ts'

export interface ChaosOptions {
  readonly seed: number
  readonly jobs: number
  /** How long commands are given and processes killed, in ms. */
  readonly span: number
  /** Between two kills, in ms. */
  readonly killEvery: number
  /** How long runs are given to end by themselves afterwards. */
  readonly patience: number
  readonly directory: string
  readonly tell: (text: string) => void
}

export interface ChaosOutcome {
  readonly ledger: LedgerCount
  readonly runs: number
  readonly acknowledged: Acknowledged
  readonly kills: number
  readonly stops: number
  /** How long starts took, in ms. */
  readonly starts: readonly number[]
  readonly requests: number
  readonly events: number
  readonly connections: number
  /** What the audits of all jobs say, summed. */
  readonly audit: Audit & { readonly jobs: number }
  readonly problems: readonly string[]
}

const HANDLERS = join(import.meta.dirname, '../../system/fixtures/handlers')
const COMMANDS = ['/bin/echo', '/bin/false', '/bin/sleep']
const CONCURRENCY = 200
const CALLERS = 8

/**
 * The product as a process of its own, killed again and again, with jobs of all kinds, targets that are slow and fail, commands given
 * at random and a client that follows it all. Then the killing ends, and everything that was promised is looked up.
 */
export async function liveThroughChaos(options: ChaosOptions): Promise<ChaosOutcome> {
  const random = seeded(options.seed)
  const receiver = new Receiver()
  await receiver.start()
  const process = new KilledProcess({
    directory: options.directory,
    env: {
      LOG_LEVEL: 'warn',
      ORRERY_HANDLERS: HANDLERS,
      ORRERY_ALLOW_TARGETS: '127.0.0.1',
      ORRERY_ALLOW_COMMANDS: COMMANDS.join(','),
      ORRERY_CONCURRENCY: String(CONCURRENCY),
      ORRERY_DRAIN_TIMEOUT: '2s',
    },
  })
  const follower = new Follower({ url: process.url, after: await streamPosition(await process.url()) })
  follower.start()
  const acknowledged = nothingAcknowledged()
  const kinds: Kinds = { span: options.span, longestInterval: 30_000, hurried: true, target: (from) => randomTarget(from, receiver) }
  const callers = Array.from(
    { length: CALLERS },
    (_, i) => new RandomCaller(`caller ${i}`, { process, follower, random: seeded(random.int(0, 2 ** 31)), kinds, acknowledged }),
  )
  await Promise.all(callers.map((caller) => caller.populate(Math.ceil(options.jobs / CALLERS))))
  options.tell(`${acknowledged.versions.size} jobs created`)

  const ends = Date.now() + options.span
  const over = () => Date.now() >= ends
  await Promise.all([...callers.map((caller) => caller.call(over, 250)), killAgainAndAgain(process, random, options, over, follower)])

  const url = await process.url()
  await pauseAll(url)
  const quiet = await becomesQuiet(url, options)
  const audits = await auditAll(url)
  await follower.reaches(await streamPosition(url), 60_000).catch((error: Error) => follower.problems.push(error.message))
  await follower.stop()
  await process.stop()
  receiver.close()

  const tables = readTables(options.directory)
  const ledger = countLedger(tables)
  return {
    ledger,
    runs: tables.runs.length,
    acknowledged,
    kills: process.kills,
    stops: process.stops,
    starts: process.starts,
    requests: receiver.count,
    events: follower.events,
    connections: follower.connections,
    audit: audits.sum,
    problems: [
      ...quiet,
      ...audits.problems,
      ...ledger.problems,
      ...unexplainedRuns(tables, Date.now(), CONCURRENCY),
      ...brokenPromises(tables, acknowledged),
      ...unheard(tables, follower),
      ...undelivered(tables, receiver),
      ...follower.problems,
      ...acknowledged.problems,
      ...process.problems,
    ],
  }
}

function randomTarget(random: Random, receiver: Receiver): Pick<CreateJobInput, 'target' | 'payload'> {
  switch (random.weighted({ http: 45, noop: 15, log: 8, wait: 12, greet: 4, command: 14, spin: 1 })) {
    case 'http':
      return { target: receiver.target(random), payload: { n: random.int(0, 9) } }
    case 'noop':
      return { target: { handler: { handler: 'noop' } } }
    case 'log':
      return { payload: ['one', 'two', { three: 3 }] }
    case 'wait':
      return { target: { handler: { handler: 'wait' } }, payload: { ms: random.int(10, 1_500) } }
    case 'greet':
      return { target: { handler: { handler: 'greet' } }, payload: { name: 'World' } }
    case 'spin':
      return { target: { handler: { handler: 'spin' } } }
    case 'command':
      return random.pick([
        { target: { command: { executable: '/bin/echo', args: ['hello'] } } },
        { target: { command: { executable: '/bin/false' } } },
        { target: { command: { executable: '/bin/sleep', args: ['0.3'] } } },
        { target: { command: { executable: '/bin/sleep', args: ['20'] } } },
      ])
  }
}

/** Every fourth end is an orderly one; a last kill comes at the end. */
async function killAgainAndAgain(
  process: KilledProcess,
  random: Random,
  { killEvery, span, tell }: ChaosOptions,
  over: () => boolean,
  follower: Follower,
): Promise<void> {
  const began = Date.now()
  for (let ends = 1; began + ends * killEvery <= began + span; ends++) {
    // Somewhere in its interval, so that no kill meets the same second of the schedules as the one before.
    await delay(Math.max(0, began + ends * killEvery - random.int(0, killEvery / 4) - Date.now()))
    await process.restart(ends % 4 === 3 ? 'SIGTERM' : 'SIGKILL')
    const { kills, stops, starts } = process
    tell(
      `${Math.round((Date.now() - began) / 1000)} s: ${kills} kills, ${stops} stops, back in ${Math.round(starts.at(-1)!)} ms, ${follower.events} events seen`,
    )
  }
  while (!over()) await delay(50)
  await process.restart('SIGKILL')
}

const PAGE = 100

async function pages<Node>(url: string, field: string, selection: string, filter: string): Promise<Node[]> {
  const nodes: Node[] = []
  let after: string | null = null
  do {
    const query = `query ($after: String) { page: ${field}(first: ${PAGE}, after: $after${filter}) { nodes { ${selection} } pageInfo { hasNextPage endCursor } } }`
    const { page }: { page: { nodes: Node[]; pageInfo: { hasNextPage: boolean; endCursor: string } } } = await request(url, query, {
      after,
    })
    nodes.push(...page.nodes)
    after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null
  } while (after !== null)
  return nodes
}

/** Ends the firing, so that what is under way can end. */
async function pauseAll(url: string): Promise<void> {
  for (const { id } of await pages<{ id: string }>(url, 'jobs', 'id', ', filter: { state: [ACTIVE] }'))
    await request(url, `mutation ($id: ID!) { pauseJob(input: { id: $id, note: "The end." }) { errors { code } } }`, { id })
}

const ACTIVE = ', filter: { status: [QUEUED, RUNNING, RETRYING] }'

/** Waits for the active runs to end, cancels those that do not in time, and tells of those that do not even then. */
async function becomesQuiet(url: string, { patience, tell }: ChaosOptions): Promise<string[]> {
  const active = () => pages<{ id: string; status: string }>(url, 'runs', 'id status', ACTIVE)
  const settles = async (limit: number) => {
    const deadline = Date.now() + limit
    while ((await active()).length > 0 && Date.now() < deadline) await delay(250)
    return active()
  }
  const left = await settles(patience)
  if (left.length > 0) tell(`${left.length} runs are active still and are cancelled now`)
  for (const { id } of left) await request(url, 'mutation ($id: ID!) { cancelRun(input: { id: $id }) { errors { code } } }', { id })
  return (await settles(15_000)).map(({ id, status }) => `${id} is ${status} 15 s after it was cancelled`)
}

interface Audit {
  readonly planned: number
  readonly accounted: number
  readonly pending: number
  readonly missing: number
  readonly duplicated: number
}

/** Asks the product itself for the audit of every job. */
async function auditAll(url: string): Promise<{ sum: ChaosOutcome['audit']; problems: string[] }> {
  const { type } = await request<{ type: { fields: { name: string }[] } }>(url, '{ type: __type(name: "Job") { fields { name } } }')
  const nothing = { jobs: 0, planned: 0, accounted: 0, pending: 0, missing: 0, duplicated: 0 }
  if (!type.fields.some(({ name }) => name === 'audit')) return { sum: nothing, problems: [] }
  const from = new Date(Date.now() - 86_400_000).toISOString()
  const to = new Date().toISOString()
  const selection = `id name audit(from: "${from}", to: "${to}") { planned accounted pending missing duplicated }`
  const jobs = await pages<{ id: string; name: string; audit: Audit | null }>(url, 'jobs', selection, '')
  const problems = jobs
    .filter(({ audit }) => audit === null || audit.missing !== 0 || audit.duplicated !== 0)
    .map(({ id, name, audit }) => `${name} (${id}): the audit says ${JSON.stringify(audit)}`)
  const total = (of: keyof Audit) => jobs.reduce((sum, { audit }) => sum + (audit?.[of] ?? 0), 0)
  const sum = {
    jobs: jobs.length,
    planned: total('planned'),
    accounted: total('accounted'),
    pending: total('pending'),
    missing: total('missing'),
    duplicated: total('duplicated'),
  }
  return { sum, problems }
}

/** What was acknowledged and is not there. Deleted jobs take their runs along. */
function brokenPromises(tables: Tables, { runs, versions, deleted }: Acknowledged): string[] {
  const jobs = new Map(tables.jobs.map((job) => [job.id, job]))
  const known = new Map(tables.runs.map((run) => [run.id, run]))
  const lostRuns = [...runs]
    .filter(([id, jobId]) => !deleted.has(jobId) && jobs.get(jobId)?.deletedAt === null && known.get(id)?.finishedAt == null)
    .map(
      ([id, jobId]) => `the run ${id} of ${jobId} was acknowledged and ${known.has(id) ? `is ${known.get(id)!.status}` : 'is not there'}`,
    )
  const lostJobs = [...versions]
    .filter(([id, version]) => !deleted.has(id) && (jobs.get(id) === undefined || jobs.get(id)!.version < version))
    .map(
      ([id, version]) =>
        `the job ${id} was acknowledged at version ${version} and ${jobs.has(id) ? `is at ${jobs.get(id)!.version}` : 'is not there'}`,
    )
  const undead = [...deleted]
    .filter((id) => jobs.has(id) && jobs.get(id)!.deletedAt === null)
    .map((id) => `the deletion of ${id} was forgotten`)
  return [...lostRuns, ...lostJobs, ...undead]
}

/** Final states that the stream never told its one faithful reader. */
function unheard(tables: Tables, { finals }: Follower): string[] {
  const living = new Set(tables.jobs.filter(({ deletedAt }) => deletedAt === null).map(({ id }) => id))
  return tables.runs
    .filter(({ id, jobId, status, finishedAt }) => living.has(jobId) && finishedAt !== null && finals.get(id) !== status)
    .map(({ id, status }) => `${id} is ${status}, and the stream told ${finals.get(id) ?? 'nothing'}`)
}

/** Runs said to have succeeded whose request never came. */
function undelivered(tables: Tables, { requests }: Receiver): string[] {
  const http = new Set(tables.jobs.filter(({ targetKind }) => targetKind === 'http').map(({ id }) => id))
  return tables.runs
    .filter(({ id, jobId, status }) => http.has(jobId) && status === 'SUCCEEDED' && !requests.has(id))
    .map(({ id }) => `${id} is SUCCEEDED, and its request never came`)
}
