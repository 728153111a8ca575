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
import { activeRuns, askProduct, type ProductsWord } from './productsWord.ts'
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
  /** What the product says of itself. */
  readonly word: ProductsWord
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
  await stopFiring(url)
  const quiet = await becomesQuiet(url, options)
  const word = await askProduct(url)
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
    word,
    problems: [
      ...quiet,
      ...word.problems,
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

/** Ends the firing, so that what is under way can end. */
async function stopFiring(url: string): Promise<void> {
  await request(url, 'mutation { pauseScheduling(input: { note: "The end." }) { errors { code } } }')
}

/** Waits for the active runs to end, cancels those that do not in time, and tells of those that do not even then. */
async function becomesQuiet(url: string, { patience, tell }: ChaosOptions): Promise<string[]> {
  const settles = async (limit: number) => {
    const deadline = Date.now() + limit
    while ((await activeRuns(url)).length > 0 && Date.now() < deadline) await delay(250)
    return activeRuns(url)
  }
  const left = await settles(patience)
  if (left.length > 0) tell(`${left.length} runs are active still and are cancelled now`)
  for (const { id } of left) await request(url, 'mutation ($id: ID!) { cancelRun(input: { id: $id }) { errors { code } } }', { id })
  return (await settles(15_000)).map(({ id, status }) => `${id} is ${status} 15 s after it was cancelled`)
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

/** Final states that the stream never told its one faithful reader. What came after its last cursor (a jitter's late run) it may not know. */
function unheard(tables: Tables, { finals, position }: Follower): string[] {
  const living = new Set(tables.jobs.filter(({ deletedAt }) => deletedAt === null).map(({ id }) => id))
  return tables.runs
    .filter(({ jobId, finishedAt, cursor }) => living.has(jobId) && finishedAt !== null && cursor <= position)
    .filter(({ id, status }) => finals.get(id) !== status)
    .map(({ id, status }) => `${id} is ${status}, and the stream told ${finals.get(id) ?? 'nothing'}`)
}

/** Runs said to have succeeded whose request never came. */
function undelivered(tables: Tables, { requests }: Receiver): string[] {
  const http = new Set(tables.jobs.filter(({ targetKind }) => targetKind === 'http').map(({ id }) => id))
  return tables.runs
    .filter(({ id, jobId, status }) => http.has(jobId) && status === 'SUCCEEDED' && !requests.has(id))
    .map(({ id }) => `${id} is SUCCEEDED, and its request never came`)
}
