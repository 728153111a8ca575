import { setImmediate as yieldToLoop } from 'node:timers/promises'
import { isFinal } from '../domain/run.ts'
import type { Bus } from '../engine/bus/bus.ts'
import type { LogLineRow, RunRow, Store } from '../engine/store/store.ts'
import type { Hub, Listener } from './hub.ts'
import { SharedLooks } from './pullReader.ts'

/** One who follows the log of a run. */
export interface LogFollower {
  readonly runId: string
  wake(): void
}

/** What a look at the store found of a run's log after a line. */
export interface LogLook {
  readonly lines: readonly LogLineRow[]
  /** The run has ended, or is gone: after these lines there will be none. */
  readonly last: boolean
}

/** Lines that one look asks for, and how many characters of them are kept: a reader that is not read from holds no more. */
const PAGE = 250
const PAGE_CHARACTERS = 262_144

interface Watched {
  readonly followers: Set<LogFollower>
  readonly looks: SharedLooks<LogLook>
}

/**
 * Wakes those who follow logs: a hint of the bus tells which runs have new lines, the hub of changes tells which have ended, and its
 * poll backs both. It holds no line. Followers of one run who stand at the same line share one look at the store.
 */
export class LogHub implements Listener {
  readonly jobIds = null
  readonly wantsTags = false
  readonly #store: Store
  readonly #bus: Bus
  readonly #hub: Hub
  readonly #watched = new Map<string, Watched>()
  #size = 0
  #unsubscribe: () => void = () => {}
  #started: Promise<void> | null = null
  #polling = false

  constructor(store: Store, bus: Bus, hub: Hub) {
    this.#store = store
    this.#bus = bus
    this.#hub = hub
  }

  get size(): number {
    return this.#size
  }

  /** Resolves when it hears of everything that happens from then on. */
  add(follower: LogFollower): Promise<void> {
    let watched = this.#watched.get(follower.runId)
    if (watched === undefined) {
      watched = { followers: new Set(), looks: new SharedLooks() }
      this.#watched.set(follower.runId, watched)
    }
    watched.followers.add(follower)
    this.#size += 1
    this.#started ??= this.#start()
    return this.#started
  }

  remove(follower: LogFollower): void {
    const watched = this.#watched.get(follower.runId)
    if (watched === undefined || !watched.followers.delete(follower)) return
    this.#size -= 1
    if (watched.followers.size === 0) this.#watched.delete(follower.runId)
    if (this.#size === 0) this.#stop()
  }

  /** What the log of a run holds after the line `after`. */
  look(runId: string, after: number): Promise<LogLook> {
    const ask = () => this.#look(runId, after)
    return this.#watched.get(runId)?.looks.answer(after, ask) ?? ask()
  }

  offer({ id, status }: RunRow): void {
    if (isFinal(status)) this.#wake(id)
  }

  tick(): void {
    if (this.#polling) return
    this.#polling = true
    void this.#poll()
  }

  async #start(): Promise<void> {
    this.#unsubscribe = this.#bus.subscribe((hint) => {
      if (hint.kind !== 'logs') return
      if (hint.runIds === null) this.tick()
      else for (const runId of hint.runIds) this.#wake(runId)
    })
    // Where that fails, whoever waits is told and leaves, and so ends this start.
    await this.#hub.add(this)
  }

  #stop(): void {
    this.#started = null
    this.#unsubscribe()
    this.#hub.remove(this)
  }

  /** All runs in turn, a few at a time: so many looks at once would hold the loop. */
  async #poll(): Promise<void> {
    let woken = 0
    for (const runId of [...this.#watched.keys()]) {
      this.#wake(runId)
      if (++woken % 50 === 0) await yieldToLoop()
    }
    this.#polling = false
  }

  #wake(runId: string): void {
    const watched = this.#watched.get(runId)
    if (watched === undefined) return
    watched.looks.forget()
    for (const follower of watched.followers) follower.wake()
  }

  async #look(runId: string, after: number): Promise<LogLook> {
    // The run first: its lines are stored before it ends, so one that has ended then has no line that is not there now.
    const run = await this.#store.run(runId)
    const lines = await this.#store.logLines({ runId, after, before: null, fromEnd: false, limit: PAGE })
    const kept = within(lines)
    const whole = kept.length === lines.length && lines.length < PAGE
    return { lines: kept, last: whole && (run === null || isFinal(run.status)) }
  }
}

/** The first lines that together stay within PAGE_CHARACTERS, at least one. */
function within(lines: readonly LogLineRow[]): readonly LogLineRow[] {
  let sum = 0
  const end = lines.findIndex(({ message, fields }, index) => {
    sum += message.length + (fields?.length ?? 0)
    return index > 0 && sum > PAGE_CHARACTERS
  })
  return end === -1 ? lines : lines.slice(0, end)
}
