import { setTimeout as delay } from 'node:timers/promises'
import { streamPosition } from '../jobs.ts'
import { becomesQuiet, brokenPromises, stopFiring, undelivered, unheard } from './aftermath.ts'
import { type Acknowledged, nothingAcknowledged, RandomCaller } from './callers.ts'
import { Follower } from './follower.ts'
import type { Kinds } from './jobs.ts'
import { KilledProcess } from './killedProcess.ts'
import { countLedger, type LedgerCount, unexplainedRuns } from './ledger.ts'
import { askProduct, type ProductsWord } from './productsWord.ts'
import { Receiver } from './receiver.ts'
import { type Random, seeded } from './seeded.ts'
import { readTables } from './tables.ts'
import { COMMANDS, HANDLERS, randomTarget } from './targets.ts'

export interface ChaosOptions {
  readonly seed: number
  readonly jobs: number
  /** How long commands are given and processes killed, in ms. */
  readonly span: number
  /** It goes on for longer until so many runs were acknowledged, as on a busy machine. */
  readonly leastRuns?: number
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
  const over = () => Date.now() >= ends && acknowledged.runs.size >= (options.leastRuns ?? 0)
  await Promise.all([...callers.map((caller) => caller.call(over, 250)), killAgainAndAgain(process, random, options, over, follower)])

  const url = await process.url()
  await stopFiring(url)
  const quiet = await becomesQuiet(url, options)
  const word = await askProduct(url)
  await follower.reaches(await streamPosition(url), 60_000).catch((error: Error) => follower.problems.push(error.message))
  await follower.stop()
  const stopsAt = Date.now()
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
      ...unexplainedRuns(tables, stopsAt, CONCURRENCY),
      ...brokenPromises(tables, acknowledged),
      ...unheard(tables, follower),
      ...undelivered(tables, receiver),
      ...follower.problems,
      ...acknowledged.problems,
      ...process.problems,
    ],
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
