import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Bus, Hint } from '../../src/engine/bus/bus.ts'
import type { JobEventRow, JobRow, Store } from '../../src/engine/store/store.ts'
import { decodeCursor, encodeCursor } from '../../src/stream/cursor.ts'
import { createJobStream, type JobEvent, type JobStream, type JobStreamQuery } from '../../src/stream/jobStream.ts'
import { turns } from './members.ts'

const DATABASE = 'db_test'
const NO_FILTER = { state: null, search: null, tags: null, handler: null, lastRunStatus: null }
const JOBS = 6
const SERVERS = 2

/**
 * Jobs and their changes, for several servers that each hear of them or not. Each answer is of some moment between question and answer, and
 * comes late, or not at all while the database is away. A job's `version` is the position of its last change.
 */
class JobStore {
  readonly databaseId = DATABASE
  readonly events: JobEventRow[] = []
  readonly versions = new Map<string, number>()
  head = 0
  away = false
  /** How many turns the next answers take, before the moment that they are of and after it. */
  delay: () => number = () => 0
  readonly #listeners = Array.from({ length: SERVERS }, () => new Set<(hint: Hint) => void>())

  commit(jobs: readonly number[], heardBy: readonly number[]): void {
    for (const job of jobs) {
      // A change of a run before each.
      this.head += 2
      this.events.push({ cursor: this.head, jobId: `job_${job}`, change: 'UPDATED', at: this.head, before: null })
      this.versions.set(`job_${job}`, this.head)
    }
    for (const server of heardBy) this.hint(server)
  }

  hint(server: number): void {
    for (const listener of this.#listeners[server]!) listener({ kind: 'changes', upTo: this.head })
  }

  get listening(): number {
    return this.#listeners.reduce((sum, listeners) => sum + listeners.size, 0)
  }

  streamHead(): Promise<number> {
    return this.#answer(() => this.head)
  }

  streamGiven(): Promise<number> {
    return this.#answer(() => this.head)
  }

  jobStreamFloor(): Promise<number> {
    return this.#answer(() => 0)
  }

  jobChanges({ after, upTo, limit }: Parameters<Store['jobChanges']>[0]): Promise<readonly JobEventRow[]> {
    return this.#answer(() => this.events.filter(({ cursor }) => cursor > after && cursor <= upTo).slice(0, limit))
  }

  job({ id }: { readonly id: string }): Promise<JobRow> {
    return this.#answer(() => {
      const tags = Number(id.slice(4)) % 2 === 0 ? ['even'] : []
      const job = { id, name: id, description: null, tags, target: { kind: 'handler', handler: 'noop' }, pause: null }
      const row = { job: { ...job, version: this.versions.get(id) }, position: { completed: false }, lastRunStatus: null, lastRunAt: null }
      return row as unknown as JobRow
    })
  }

  bus(server: number): Bus {
    const listeners = this.#listeners[server]!
    return {
      publish: () => {},
      subscribe: (listener) => {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
      close: async () => {},
    }
  }

  async #answer<T>(of: () => T): Promise<T> {
    await turns(this.delay())
    const answer = of()
    // None comes in the turn of its question: that is SQLite's way, where no hint is ever lost.
    await turns(1 + this.delay())
    if (this.away) throw new Error('the database is away')
    return answer
  }
}

/** Follows for ever: whatever ends its stream, it resumes from the cursor that it was told last, at whichever server. */
class Client {
  readonly query: JobStreamQuery
  readonly told: JobEvent[] = []
  readonly #servers: readonly JobStream[]
  #server = 0
  #position = 0
  #events: AsyncIterator<JobEvent>
  #waiting: Promise<IteratorResult<JobEvent>> | null = null

  constructor(servers: readonly JobStream[], query: JobStreamQuery) {
    this.#servers = servers
    this.query = query
    this.#events = this.#resume()
  }

  /** Pulls once; false where nothing comes for a while. The pull stays open and is taken up by the next call. */
  async pull(patience: number): Promise<boolean> {
    this.#waiting ??= this.#events.next()
    const none = Symbol('none')
    try {
      const result = await Promise.race([this.#waiting, turns(patience).then(() => none)])
      if (typeof result === 'symbol') return false
      this.#waiting = null
      assert.equal(result.done ?? false, false)
      this.#see(result.value as JobEvent)
    } catch (error) {
      orThrow(error)
      this.#waiting = null
      this.#events = this.#resume()
    }
    return true
  }

  async cut(server: number): Promise<void> {
    await this.#events.return?.()
    // An event, or a failure, that was on its way when the line was cut is lost.
    await this.#waiting?.catch(orThrow)
    this.#waiting = null
    this.#server = server
    this.#events = this.#resume()
  }

  async close(): Promise<void> {
    await this.#events.return?.()
    await this.#waiting?.catch(orThrow)
  }

  #resume(): AsyncIterator<JobEvent> {
    return this.#servers[this.#server]!.jobChanges({ ...this.query, after: encodeCursor(DATABASE, this.#position) })
  }

  #see(event: JobEvent): void {
    const position = decodeCursor(DATABASE, event.cursor)
    if (event.change === null) assert.ok(position >= this.#position, 'a checkpoint goes back')
    else {
      assert.ok(position > this.#position, `cursor ${position} after ${this.#position}`)
      assert.ok((event.job?.job.version ?? 0) >= position, 'the job is older than its cursor')
      this.told.push(event)
    }
    this.#position = position
  }
}

/** Accepts the one failure that there is. */
function orThrow(error: unknown): void {
  if (!(error instanceof Error) || error.message !== 'the database is away') throw error
}

const client = fc.nat(2)
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('commit' as const),
      jobs: fc.array(fc.nat(JOBS - 1), { minLength: 1, maxLength: 5 }),
      heardBy: fc.subarray([0, 1]),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('pull' as const),
      client,
      times: fc.integer({ min: 1, max: 4 }),
      patience: fc.constantFrom(3, 30),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cut' as const), client, server: fc.nat(SERVERS - 1) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('pause' as const), turns: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('away' as const, 'back' as const) }) },
)

test('however commits, lost hints, failures, cuts and resumes at other servers interleave: each change is told once, with its job as it stands', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.array(fc.nat(3), { minLength: 1, maxLength: 20 }), async (steps, delays) => {
      const store = new JobStore()
      let asked = 0
      store.delay = () => delays[asked++ % delays.length] ?? 0
      const servers = Array.from({ length: SERVERS }, (_, server) =>
        createJobStream({
          store: store as unknown as Store,
          bus: store.bus(server),
          log: { error: () => {} },
          pollInterval: 60_000,
          page: 3,
        }),
      )
      const clients = [
        new Client(servers, { filter: null, after: null, checkpoints: false }),
        new Client(servers, { filter: null, after: null, checkpoints: true }),
        new Client(servers, { filter: { ...NO_FILTER, tags: ['even'] }, after: null, checkpoints: true }),
      ]
      for (const one of steps) {
        if (one.do === 'commit') store.commit(one.jobs, one.heardBy)
        else if (one.do === 'pause') await turns(one.turns)
        else if (one.do === 'cut') await clients[one.client]!.cut(one.server)
        else if (one.do === 'pull') for (let time = 0; time < one.times; time++) await clients[one.client]!.pull(one.patience)
        else store.away = one.do === 'away'
      }
      store.away = false
      for (let server = 0; server < SERVERS; server++) store.hint(server)
      // Then each waits for what happens, and hears of it.
      for (const job of [null, 0, 1, 0, 2]) {
        if (job !== null) store.commit([job], [0, 1])
        for (const [index, each] of clients.entries()) {
          while (await each.pull(150));
          const wanted = store.events.filter(({ jobId }) => index < 2 || Number(jobId.slice(4)) % 2 === 0)
          assert.deepEqual(
            each.told.map(({ cursor }) => decodeCursor(DATABASE, cursor)),
            wanted.map(({ cursor }) => cursor),
          )
        }
      }
      for (const each of clients) await each.close()
      assert.deepEqual([servers.map(({ readers }) => readers), store.listening], [[0, 0], 0])
    }),
    { numRuns: 150 },
  )
})
