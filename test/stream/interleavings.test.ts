import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { RunStatus } from '../../src/domain/run.ts'
import { isFinal } from '../../src/domain/run.ts'
import { decodeCursor } from '../../src/stream/cursor.ts'
import type { RunEvent, RunStream, RunStreamQuery } from '../../src/stream/runStream.ts'
import { ChangeStore, EVERYTHING, streamOf } from './changeStore.ts'

// Limits so small that every reader falls behind, joins and falls behind again within a few changes.
const TINY = { pending: 6, bytes: 1_048_576, page: 3, checkpointInterval: 1e9 }
const RUNS = 12

type Step =
  | { readonly do: 'commit'; readonly runs: readonly number[]; readonly heardBy: readonly number[] }
  | { readonly do: 'pull'; readonly reader: number; readonly times: number; readonly patience: number }
  | { readonly do: 'cut'; readonly reader: number; readonly server: number }
  | { readonly do: 'pause'; readonly turns: number }
  | { readonly do: 'standStill' | 'away' | 'back' }
  | { readonly do: 'leavePage'; readonly reader: number; readonly runs: readonly number[] }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('commit' as const),
      runs: fc.array(fc.nat(RUNS - 1), { minLength: 1, maxLength: 8 }),
      heardBy: fc.subarray([0, 1]),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('pull' as const),
      reader: fc.nat(2),
      times: fc.integer({ min: 1, max: 6 }),
      // Of those that are left waiting, and of those that leave something unread.
      patience: fc.constantFrom(3, 20),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cut' as const), reader: fc.nat(2), server: fc.nat(1) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('pause' as const), turns: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('standStill' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('away' as const, 'back' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('leavePage' as const), reader: fc.nat(2), runs: fc.array(fc.nat(RUNS - 1), { maxLength: 3 }) }),
  },
)

/** A client: keeps its last cursor, is cut off now and then, or told that the database is away, and resumes at whichever server. */
class Client {
  readonly finals = new Map<string, number>()
  /** The position of the newest state of each run that it was told. */
  readonly newest = new Map<string, number>()
  readonly query: RunStreamQuery
  lastCursor: string
  position: number
  readonly #servers: readonly RunStream[]
  #server = 0
  #events: AsyncIterableIterator<RunEvent>
  #waiting: Promise<IteratorResult<RunEvent>> | null = null

  constructor(servers: readonly RunStream[], query: RunStreamQuery, start: string) {
    this.#servers = servers
    this.query = query
    this.lastCursor = start
    this.position = decodeCursor('db_test', start)
    this.#events = this.#resume()
  }

  /** Pulls once; answers false where nothing comes for a while. The pull stays open and is taken up by the next call. */
  async pull(patience: number): Promise<boolean> {
    this.#waiting ??= this.#events.next()
    const none = Symbol('none')
    const result = await Promise.race([this.#waiting, turns(patience).then(() => none)]).catch(orThrow)
    if (result === null) {
      this.#waiting = null
      this.#events = this.#resume()
      return true
    }
    if (typeof result === 'symbol') return false
    this.#waiting = null
    assert.equal(result.done ?? false, false)
    this.#see(result.value as RunEvent)
    return true
  }

  async cut(server: number): Promise<void> {
    await this.#events.return?.()
    const late = this.#waiting === null ? null : await this.#waiting.catch(orThrow)
    // An event that was on its way when the line was cut: the client may have got it or not.
    if (late !== null && late.done !== true && this.position % 2 === 0) this.#see(late.value)
    this.#waiting = null
    this.#server = server
    this.#events = this.#resume()
  }

  #resume(): AsyncIterableIterator<RunEvent> {
    return this.#servers[this.#server]!.jobRuns({ ...this.query, after: this.lastCursor })
  }

  #see({ cursor, run }: RunEvent): void {
    const position = decodeCursor('db_test', cursor)
    if (run === null) assert.ok(position >= this.position, 'a checkpoint goes back')
    else {
      assert.ok(position > this.position, `cursor ${position} after ${this.position}`)
      assert.ok(run.cursor >= position, 'the run is older than its cursor')
      this.newest.set(run.id, run.cursor)
      if (isFinal(run.status)) this.finals.set(run.id, (this.finals.get(run.id) ?? 0) + 1)
    }
    this.position = position
    this.lastCursor = cursor
  }

  async close(): Promise<void> {
    await this.#events.return?.()
  }
}

test('however commits, slow readers, failures, cuts and resumes at other servers interleave: every final state is seen once, and cursors rise', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 20, maxLength: 80 }),
      fc.array(fc.nat(3), { minLength: 1, maxLength: 20 }),
      fc.boolean(),
      // A page of all that is missed, and one of a part of it.
      fc.constantFrom(3, 9),
      // The fewer there are, the more often a server has none, and begins anew with the next.
      fc.integer({ min: 1, max: 3 }),
      async (steps, delays, lateHeads, page, count) => {
        const store = new ChangeStore()
        store.lateHeads = lateHeads
        let elapsed = 0
        let asked = 0
        store.delay = () => turns(delays[asked++ % delays.length] ?? 0)
        for (let job = 0; job < 3; job++) store.jobTags.set(`job_${job}`, job === 0 ? ['x'] : [])
        let hearing: readonly number[] = [0, 1]
        const servers = [0, 1].map((server) =>
          streamOf(store, {
            limits: { ...TINY, page },
            elapsed: () => elapsed,
            bus: { ...store.bus, subscribe: (listener) => store.bus.subscribe((hint) => hearing.includes(server) && listener(hint)) },
          }),
        )
        const start = await servers[0]!.position()
        const queries: RunStreamQuery[] = [
          EVERYTHING,
          { ...EVERYTHING, jobIds: ['job_0', 'job_1'], checkpoints: true },
          { ...EVERYTHING, tags: ['x'], finalOnly: true },
        ]
        const wanted = [[0, 1, 2], [0, 1], [0]]
        const clients = queries.slice(0, count).map((query) => new Client(servers, query, start))

        for (const one of steps) {
          if (one.do === 'commit') {
            hearing = one.heardBy
            store.commit(one.runs.map((run) => advance(store, run)).filter((change) => change !== null))
            hearing = [0, 1]
          }
          if (one.do === 'pause') await turns(one.turns)
          // As where the process is frozen, and thawed.
          if (one.do === 'standStill') elapsed += 5_000
          if (one.do === 'cut') await clients[one.reader]?.cut(one.server)
          if (one.do === 'away') store.failure = new Error(AWAY)
          if (one.do === 'back') store.failure = null
          // One change is taken, the rest of its page lies, and what comes meanwhile is heard of.
          if (one.do === 'leavePage') {
            await clients[one.reader]?.pull(20)
            elapsed += 5_000
            store.commit(one.runs.map((run) => advance(store, run)).filter((change) => change !== null))
            await turns(12)
          }
          if (one.do === 'pull') for (let time = 0; time < one.times; time++) await clients[one.reader]?.pull(one.patience)
        }
        // Where nothing happens any more: the newest state of each run was told, whatever follows.
        store.failure = null
        store.hint()
        for (const [index, client] of clients.entries()) {
          while (await client.pull(60));
          for (const row of store.rows.values()) {
            if (!wanted[index]?.includes(Number(row.jobId.at(-1))) || (client.query.finalOnly && !isFinal(row.status))) continue
            assert.equal(client.newest.get(row.id), row.cursor, `${row.id} ${row.status} was not told`)
          }
        }
        // The end: every run ends, everybody reads on until nothing comes.
        for (let run = 0; run < RUNS; run++)
          for (let change = advance(store, run); change !== null; change = advance(store, run)) store.commit([change])
        for (const client of clients) while (await client.pull(60));

        for (const [index, client] of clients.entries()) {
          const expected = Array.from({ length: RUNS }, (_, run) => run).filter((run) => wanted[index]?.includes(run % 3))
          assert.deepEqual([...client.finals.keys()].sort(), expected.map((run) => `run_${run}`).sort())
          assert.deepEqual(
            [...client.finals.values()],
            expected.map(() => 1),
          )
          await client.close()
        }
        assert.deepEqual(
          servers.map(({ readers }) => readers),
          [0, 0],
        )
        assert.equal(store.listeners.size, 0)
      },
    ),
    { numRuns: 400 },
  )
})

const AWAY = 'the database is away'

/** Accepts the one failure that there is. */
function orThrow(error: unknown): null {
  if (!(error instanceof Error) || error.message !== AWAY) throw error
  return null
}

/** A run's next state, or null where it has ended. */
function advance(store: ChangeStore, run: number): { id: string; jobId: string; status: RunStatus } | null {
  const id = `run_${run}`
  const path: RunStatus[] = ['QUEUED', 'RUNNING', 'RETRYING', 'SUCCEEDED']
  const before = store.rows.get(id)
  const next = before === undefined ? path[0] : path[path.indexOf(before.status) + 1]
  return next === undefined ? null : { id, jobId: `job_${run % 3}`, status: next }
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate)
}
