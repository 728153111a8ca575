import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { RunStatus } from '../../src/domain/run.ts'
import { encodeCursor } from '../../src/stream/cursor.ts'
import type { RunStreamQuery } from '../../src/stream/runStream.ts'
import { ChangeStore, EVERYTHING, streamOf } from './changeStore.ts'
import { checkTold, type FakeSink, Office, turns } from './members.ts'

// Limits so small that groups and members fall behind, join and fall behind again within a few changes.
const TINY = { pending: 6, bytes: 1_048_576, page: 3, checkpointInterval: 1e9 }
const RUNS = 30
const CLIENTS = 8

const QUERIES: readonly RunStreamQuery[] = [
  EVERYTHING,
  { ...EVERYTHING, jobIds: ['job_0', 'job_1'], checkpoints: true },
  { ...EVERYTHING, tags: ['x'], finalOnly: true },
]
const WANTED = [[0, 1, 2], [0, 1], [0]] as const

type Step =
  | { readonly do: 'commit'; readonly runs: readonly number[]; readonly hint: boolean }
  | { readonly do: 'stall'; readonly client: number; readonly room: number }
  | { readonly do: 'release' | 'cut' | 'leave' | 'come'; readonly client: number }
  | { readonly do: 'pause'; readonly turns: number }
  | { readonly do: 'standStill' }

const client = fc.nat(CLIENTS - 1)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('commit' as const),
      runs: fc.array(fc.nat(RUNS - 1), { minLength: 1, maxLength: 5 }),
      hint: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('stall' as const), client, room: fc.nat(3) }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constantFrom('release' as const, 'cut' as const, 'leave' as const, 'come' as const), client }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('pause' as const), turns: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('standStill' as const) }) },
)

/** A client of one subscription that is cut off, leaves, comes back, and resumes from the last cursor it was told. */
class Client {
  readonly #office: Office
  readonly #query: RunStreamQuery
  readonly ends: string[] = []
  readonly jobs = new Set<string>()
  #position = 0
  #here: { sink: FakeSink; life: AsyncIterableIterator<never> } | null = null

  constructor(office: Office, query: RunStreamQuery) {
    this.#office = office
    this.#query = query
  }

  come(): void {
    if (this.#here !== null) return
    this.#here = this.#office.join({ ...this.#query, after: encodeCursor('db_test', this.#position) })
    void this.#here.life.next()
  }

  async leave(): Promise<void> {
    if (this.#here === null) return
    await this.#here.life.return?.()
    const { told } = this.#here.sink
    this.ends.push(...checkTold(told, this.#position))
    for (const { jobId } of told) if (jobId !== null) this.jobs.add(jobId)
    this.#position = told.at(-1)?.position ?? this.#position
    this.#here = null
  }

  stall(room: number): void {
    if (this.#here !== null) Object.assign(this.#here.sink, { stalled: true, room })
  }

  release(): void {
    this.#here?.sink.release()
  }

  get told(): number {
    return this.#here?.sink.told.length ?? 0
  }
}

test('however members join, stall, are cut, leave and resume: each is told every end once, its cursors rise, and nothing that it did not ask for', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 30, maxLength: 150 }),
      fc.array(fc.nat(3), { minLength: 1, maxLength: 20 }),
      fc.array(fc.nat(2), { minLength: 1, maxLength: 7 }),
      async (steps, delays, slowness) => {
        const store = new ChangeStore()
        let asked = 0
        let elapsed = 0
        store.delay = () => turns(delays[asked++ % delays.length] ?? 0)
        for (let job = 0; job < 3; job++) store.jobTags.set(`job_${job}`, job === 0 ? ['x'] : [])
        const stream = streamOf(store, { limits: TINY, elapsed: () => elapsed })
        const office = new Office(stream, 1)
        let rendered = 0
        office.delay = () => turns(slowness[rendered++ % slowness.length] ?? 0)
        const clients = Array.from({ length: CLIENTS }, (_, index) => new Client(office, QUERIES[index % 3]!))
        for (const each of clients) each.come()

        for (const one of steps) {
          if (one.do === 'pause') await turns(one.turns)
          // As where the process is frozen, and thawed.
          else if (one.do === 'standStill') elapsed += 5_000
          else if (one.do === 'commit')
            store.commit(
              one.runs.map((run) => advance(store, run)).filter((change) => change !== null),
              { hint: one.hint },
            )
          else if (one.do === 'stall') clients[one.client]?.stall(one.room)
          else if (one.do === 'release') clients[one.client]?.release()
          else {
            if (one.do !== 'come') await clients[one.client]?.leave()
            if (one.do !== 'leave') clients[one.client]?.come()
          }
        }
        // The end: every run ends, everybody is there and reads until nothing comes.
        for (const each of clients) {
          each.come()
          each.release()
        }
        for (let run = 0; run < RUNS; run++)
          for (let change = advance(store, run); change !== null; change = advance(store, run)) store.commit([change])
        for (let told = -1; told !== sum(clients); ) {
          told = sum(clients)
          await turns(60)
        }

        for (const [index, each] of clients.entries()) {
          await each.leave()
          const wanted: readonly number[] = WANTED[index % 3]!
          const expected = Array.from({ length: RUNS }, (_, run) => run).filter((run) => wanted.includes(run % 3))
          assert.deepEqual(each.ends.toSorted(), expected.map((run) => `run_${run}`).sort())
          assert.deepEqual(
            [...each.jobs].sort(),
            wanted.map((job) => `job_${job}`),
          )
        }
        await turns(5)
        assert.deepEqual([office.groups.size, stream.readers, store.listeners.size], [0, 0, 0])
      },
    ),
    { numRuns: 300 },
  )
})

function sum(clients: readonly Client[]): number {
  return clients.reduce((total, { told }) => total + told, 0)
}

/** A run's next state, or null where it has ended. */
function advance(store: ChangeStore, run: number): { id: string; jobId: string; status: RunStatus } | null {
  const id = `run_${run}`
  const path: RunStatus[] = ['QUEUED', 'RUNNING', 'RETRYING', 'SUCCEEDED']
  const before = store.rows.get(id)
  const next = before === undefined ? path[0] : path[path.indexOf(before.status) + 1]
  return next === undefined ? null : { id, jobId: `job_${run % 3}`, status: next }
}
