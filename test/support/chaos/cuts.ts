import { setTimeout as delay } from 'node:timers/promises'
import { request } from '../graphqlClient.ts'
import { createJobs, streamPosition, triggerJob } from '../jobs.ts'
import { CuttingProxy } from './cuttingProxy.ts'
import { Follower, type StreamFilter } from './follower.ts'
import { KilledProcess } from './killedProcess.ts'
import { activeRuns } from './productsWord.ts'
import { type Random, seeded } from './seeded.ts'
import { type RunRecord, readTables, type Tables } from './tables.ts'

export interface CutsOptions {
  readonly seed: number
  /** Of the client that sees everything; the others are cut a fifth as often. */
  readonly cuts: number
  /** At least. */
  readonly runs: number
  /** Jobs that fire every second. */
  readonly jobs: number
  readonly kills: number
  readonly directory: string
  readonly tell: (text: string) => void
}

export interface CutClient {
  readonly filter: StreamFilter
  readonly cuts: number
  readonly connections: number
  readonly events: number
  readonly repeats: number
  readonly expected: number
}

export interface CutsOutcome {
  readonly runs: number
  readonly kills: number
  readonly clients: readonly CutClient[]
  readonly problems: readonly string[]
}

const TAGS = ['red', 'even']
/** A connection lives so long at most before it is cut, in ms. */
const LONGEST_LIFE = 150

/**
 * Clients with filters follow the runs of a busy product, and their connections are cut all the time: from their own side, by a network
 * that resets or swallows them, in the middle of catching up, by a process that is killed. Each must have been told every end that the
 * tables hold and its filter wants, and nothing else.
 */
export async function followThroughCuts(options: CutsOptions): Promise<CutsOutcome> {
  const random = seeded(options.seed)
  const process = new KilledProcess({ directory: options.directory, env: { LOG_LEVEL: 'warn', ORRERY_CONCURRENCY: '500' } })
  // Before the jobs: the first of them fire while the others are created.
  const after = await streamPosition(await process.url())
  const jobs = await createBusyJobs(await process.url(), options.jobs)
  const filters: StreamFilter[] = [
    {},
    { jobIds: jobs.slice(0, Math.ceil(jobs.length / 3)) },
    { tags: ['red'], finalOnly: true },
    { trigger: ['MANUAL'] },
    { tags: TAGS, trigger: ['SCHEDULE'], finalOnly: true },
  ]
  const clients = filters.map((filter) => new Cut(filter, after, process, seeded(random.int(0, 2 ** 31))))
  await Promise.all(clients.map((client) => client.start()))

  const [first] = clients
  const busy = () => first!.cuts < options.cuts || first!.follower.finals.size < options.runs
  const triggering = triggerUntil(() => !busy(), process, jobs, random)
  const cutting = clients.map((client, i) => client.cutUntil(() => !busy(), i === 0 ? LONGEST_LIFE : 5 * LONGEST_LIFE))
  await Promise.all([triggering, ...cutting, killMeanwhile(process, options, () => first!.cuts), telling(busy, first!, options.tell)])

  const url = await process.url()
  await request(url, 'mutation { pauseScheduling(input: { note: "The end." }) { errors { code } } }')
  while ((await activeRuns(url)).length > 0) await delay(100)
  const head = await streamPosition(url)
  for (const { follower } of clients) await follower.reaches(head, 30_000).catch((error: Error) => follower.problems.push(error.message))
  await Promise.all(clients.map((client) => client.stop()))
  await process.stop()

  const tables = readTables(options.directory)
  return {
    runs: tables.runs.length,
    kills: process.kills,
    clients: clients.map(({ filter, cuts, follower: { connections, events, repeats } }) => {
      return { filter, cuts, connections, events, repeats, expected: wantedBy(filter, tables).length }
    }),
    problems: [...clients.flatMap((client) => client.compare(tables)), ...process.problems],
  }
}

/** A client whose connections are cut. */
class Cut {
  readonly filter: StreamFilter
  readonly follower: Follower
  readonly #random: Random
  readonly #proxy: CuttingProxy
  cuts = 0

  constructor(filter: StreamFilter, after: string, process: KilledProcess, random: Random) {
    this.filter = filter
    this.#random = random
    this.#proxy = new CuttingProxy(process.url)
    this.follower = new Follower({ url: process.url, via: () => (random.chance(0.6) ? this.#proxy.url : null), after, filter })
  }

  async start(): Promise<void> {
    await this.#proxy.start()
    this.follower.start()
  }

  async stop(): Promise<void> {
    await this.follower.stop()
    this.#proxy.close()
  }

  async cutUntil(over: () => boolean, longestLife: number): Promise<void> {
    while (!over()) {
      await delay(this.#random.int(0, longestLife))
      // Only a connection that stands can be cut.
      if (!this.follower.connected) continue
      await this.#cut()
      this.cuts += 1
    }
  }

  async #cut(): Promise<void> {
    switch (this.#random.weighted({ hangUp: 4, reset: 4, stall: 1, amid: 3 })) {
      case 'hangUp':
        return this.follower.cut()
      case 'stall':
        this.#proxy.stall()
        await delay(this.#random.int(10, 200))
        if (this.#proxy.cut() === 0) this.follower.cut()
        return
      case 'reset':
        if (this.#proxy.cut() === 0) this.follower.cut()
        return
      case 'amid': {
        const { connections } = this.follower
        this.follower.cutAfter(this.#random.int(1, 30))
        for (let waited = 0; this.follower.connections === connections && waited < 300; waited += 5) await delay(5)
        this.follower.cutAfter(Number.POSITIVE_INFINITY)
        if (this.follower.connections === connections) this.follower.cut()
      }
    }
  }

  /** What it was told against what the tables hold. */
  compare(tables: Tables): string[] {
    const { finals, position, problems } = this.follower
    const who = JSON.stringify(this.filter).slice(0, 60)
    const wanted = new Map(wantedBy(this.filter, tables).map((run) => [run.id, run]))
    const unheard = [...wanted.values()].filter(({ id, status, cursor }) => cursor <= position && finals.get(id) !== status)
    const unwanted = [...finals.keys()].filter((id) => !wanted.has(id))
    return [
      ...unheard.map(({ id, status }) => `${who}: ${id} is ${status}, and the stream told ${finals.get(id) ?? 'nothing'}`),
      ...unwanted.map((id) => `${who}: ${id} is not wanted by the filter, and the stream told ${finals.get(id)}`),
      ...problems.map((problem) => `${who}: ${problem}`),
    ]
  }
}

/** Every third job is red, every second even. */
const tagsOf = (i: number): string[] => [...(i % 3 === 0 ? ['red'] : []), ...(i % 2 === 0 ? ['even'] : [])]

function createBusyJobs(url: string, jobs: number): Promise<string[]> {
  return createJobs(
    url,
    Array.from({ length: jobs }, (_, i) => ({
      name: `busy ${i}`,
      tags: tagsOf(i),
      schedule: { interval: { every: '1s' } },
      target: { handler: { handler: 'noop' } },
      policies: { overlap: 'ALLOW_ALL', misfire: 'ALL' },
    })),
  )
}

function wantedBy({ jobIds, tags, trigger }: StreamFilter, tables: Tables): RunRecord[] {
  const names = new Map(tables.jobs.map(({ id, name }) => [id, name]))
  const tagged = (jobId: string) => tagsOf(Number(names.get(jobId)!.split(' ')[1]))
  return tables.runs.filter(
    (run) =>
      run.finishedAt !== null &&
      (jobIds === undefined || jobIds.includes(run.jobId)) &&
      (trigger === undefined || trigger.includes(run.trigger)) &&
      (tags === undefined || tags.every((tag) => tagged(run.jobId).includes(tag))),
  )
}

async function triggerUntil(over: () => boolean, process: KilledProcess, jobs: readonly string[], random: Random): Promise<void> {
  while (!over()) {
    const url = await process.url()
    // The process may be killed under it: then it is tried again, and whether a run came of it the tables will tell.
    await triggerJob(url, random.pick(jobs)).catch(() => delay(20))
    await delay(random.int(0, 20))
  }
}

/** Kills the process at even distances, counted in cuts. */
async function killMeanwhile(process: KilledProcess, { kills, cuts }: CutsOptions, made: () => number): Promise<void> {
  for (let kill = 1; kill <= kills; kill++) {
    while (made() < (cuts * kill) / (kills + 1)) await delay(20)
    await process.restart('SIGKILL')
  }
}

async function telling(busy: () => boolean, { follower }: Cut, tell: (text: string) => void): Promise<void> {
  for (let turn = 1; busy(); turn++) {
    await delay(50)
    if (turn % 200 === 0)
      tell(`${follower.connections} connections, ${follower.finals.size} runs seen to their end, ${follower.repeats} repeats`)
  }
}
