import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isFinal } from '../../src/domain/run.ts'
import type { Bus, Hint } from '../../src/engine/bus/bus.ts'
import type { LogLineRow, RunRow, Store } from '../../src/engine/store/store.ts'
import { Hub } from '../../src/stream/hub.ts'
import { createLogStream, type LogEvent, type LogStream } from '../../src/stream/logStream.ts'
import { ChangeStore } from './changeStore.ts'
import { turns } from './members.ts'

const RUNS = ['run_0', 'run_1']
const AWAY = 'the database is away'

/** Runs with their logs. Each answer is of some moment between question and answer. */
class LogStore extends ChangeStore {
  readonly lines = new Map<string, LogLineRow[]>()

  /** Lines of a run that has not ended; a hint tells of them, or it is lost. */
  write(runId: string, count: number): void {
    if (this.ended(runId)) return
    const lines = this.lines.get(runId) ?? []
    this.lines.set(runId, lines)
    for (let line = 0; line < count; line++)
      lines.push({ runId, seq: lines.length + 1, at: 0, attempt: 1, level: 'INFO', message: `${lines.length + 1}`, fields: null })
    for (const listener of this.listeners) listener({ kind: 'logs', runIds: [runId] })
  }

  end(runId: string): void {
    if (!this.ended(runId)) this.commit([{ id: runId, status: 'SUCCEEDED' }])
  }

  ended(runId: string): boolean {
    return isFinal(this.rows.get(runId)!.status)
  }

  run(id: string): Promise<RunRow | null> {
    return this.#of(() => this.rows.get(id) ?? null)
  }

  logLines({ runId, after, fromEnd, limit }: Parameters<Store['logLines']>[0]): Promise<readonly LogLineRow[]> {
    return this.#of(() => {
      const lines = (this.lines.get(runId) ?? []).filter(({ seq }) => seq > (after ?? 0))
      return fromEnd ? lines.slice(-limit) : lines.slice(0, limit)
    })
  }

  async #of<T>(answer: () => T): Promise<T> {
    await this.delay()
    const of = answer()
    await turns(1)
    await this.delay()
    if (this.failure !== null) throw this.failure
    return of
  }
}

/** Follows a log to its end: whatever ends its stream before, it resumes at whichever server. */
class Client {
  readonly runId: string
  readonly told: number[] = []
  done = false
  readonly #servers: readonly LogStream[]
  #server = 0
  #cursor: string | null = null
  #events: AsyncIterator<LogEvent>
  #waiting: Promise<IteratorResult<LogEvent>> | null = null

  constructor(servers: readonly LogStream[], runId: string) {
    this.#servers = servers
    this.runId = runId
    this.#events = this.#resume()
  }

  /** Pulls once; false where nothing comes for a while, or ever. */
  async pull(patience: number): Promise<boolean> {
    if (this.done) return false
    this.#waiting ??= this.#events.next()
    const none = Symbol('none')
    const result = await Promise.race([this.#waiting, turns(patience).then(() => none)]).catch(orThrow)
    if (typeof result === 'symbol') return false
    this.#waiting = null
    if (result === null) this.#events = this.#resume()
    else if (result.done === true) this.done = true
    else {
      this.told.push(result.value.line.seq)
      this.#cursor = result.value.cursor
    }
    return true
  }

  /** What was on its way when the line was cut is lost. */
  async cut(server: number): Promise<void> {
    await this.#events.return?.()
    await this.#waiting?.catch(orThrow)
    this.#waiting = null
    this.#server = server
    this.#events = this.#resume()
  }

  #resume(): AsyncIterator<LogEvent> {
    return this.#servers[this.#server]!.runLogs({ runId: this.runId, after: this.#cursor })
  }
}

/** Accepts the one failure that there is. */
function orThrow(error: unknown): null {
  if (!(error instanceof Error) || error.message !== AWAY) throw error
  return null
}

const run = fc.constantFrom(...RUNS)
const client = fc.nat(2)
const heardBy = fc.subarray([0, 1])
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('write' as const), run, lines: fc.integer({ min: 1, max: 4 }), heardBy }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('end' as const), run, heardBy }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('pull' as const),
      client,
      times: fc.integer({ min: 1, max: 4 }),
      patience: fc.constantFrom(3, 30),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cut' as const), client, server: fc.nat(1) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('pause' as const), turns: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('away' as const, 'back' as const) }) },
)

test('however lines, ends, lost hints, failures, cuts and resumes interleave: each line is told once, in order, and the end behind the last', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 15, maxLength: 60 }),
      fc.array(fc.nat(3), { minLength: 1, maxLength: 20 }),
      fc.boolean(),
      async (steps, delays, lateHeads) => {
        const store = new LogStore()
        store.lateHeads = lateHeads
        let asked = 0
        store.delay = () => turns(delays[asked++ % delays.length] ?? 0)
        for (const id of RUNS) store.commit([{ id, status: 'RUNNING' }])
        let hearing: readonly number[] = [0, 1]
        const servers = [0, 1].map((server) => {
          const heard = (listener: (hint: Hint) => void) => store.bus.subscribe((hint) => hearing.includes(server) && listener(hint))
          const bus: Bus = { ...store.bus, subscribe: heard }
          const port = store as unknown as Store
          return createLogStream({ store: port, bus, hub: new Hub(port, bus, { error: () => {} }, 60_000) })
        })
        const clients = ['run_0', 'run_1', 'run_0'].map((runId) => new Client(servers, runId))
        const toldSoFar = async () => {
          for (const each of clients) {
            while (await each.pull(150));
            assert.deepEqual(
              each.told,
              (store.lines.get(each.runId) ?? []).map(({ seq }) => seq),
            )
          }
        }

        for (const one of steps) {
          if ('heardBy' in one) hearing = one.heardBy
          if (one.do === 'write') store.write(one.run, one.lines)
          else if (one.do === 'end') store.end(one.run)
          else if (one.do === 'pause') await turns(one.turns)
          else if (one.do === 'cut') await clients[one.client]!.cut(one.server)
          else if (one.do === 'pull') for (let time = 0; time < one.times; time++) await clients[one.client]!.pull(one.patience)
          else store.failure = one.do === 'away' ? new Error(AWAY) : null
          hearing = [0, 1]
        }
        store.failure = null
        for (const listener of store.listeners) listener({ kind: 'logs', runIds: null })
        store.hint()
        await toldSoFar()
        // Those that wait hear of the next line, and of the end.
        for (const id of RUNS) store.write(id, 1)
        await toldSoFar()
        for (const id of RUNS) store.end(id)
        await toldSoFar()
        assert.ok(clients.every(({ done }) => done))
        assert.deepEqual([servers.map(({ readers }) => readers), store.listeners.size], [[0, 0], 0])
      },
    ),
    { numRuns: 150 },
  )
})
