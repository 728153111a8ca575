import { setImmediate as yieldToLoop } from 'node:timers/promises'
import { AsyncTask, SimpleIntervalJob, ToadScheduler } from 'toad-scheduler'
import type { Bus } from '../engine/bus/bus.ts'
import type { RunRow, Store } from '../engine/store/store.ts'

/**
 * The one reader of the stream of changes in this process. A hint of the bus wakes it, a poll backs the hint; it reads what changed from
 * the store ONCE, in the order of the cursors, and offers each row to the listeners that may want it. It keeps no row.
 *
 * It runs only while somebody listens: without listeners it holds no timer and no place on the bus.
 *
 * It is of runs. The changes of jobs move in the same sequence but are few, and have a hub of their own: see jobHub.ts.
 *
 *   idle ──first listener──▶ starting ──head known──▶ running ──last listener leaves──▶ idle
 */
export interface Listener {
  /** The jobs it wants, or null for all. Fixed for its life. */
  readonly jobIds: readonly string[] | null
  /** Whether `offer` wants the tags of the run's job. */
  readonly wantsTags: boolean
  /** A changed run, in the order of the cursors. Must not throw, nor wait. */
  offer(row: RunRow, tags: JobTags): void
  /** Called at every poll, for what is due by time. */
  tick(): void
}

/** Tags by job id. A job that is gone is not in it. */
export type JobTags = ReadonlyMap<string, ReadonlySet<string>>

export interface HubLog {
  error(fields: object, message: string): void
}

const PAGE = 250
/** Offered without a wait between, at most: some 10 ms. */
const OFFERS_A_TURN = 50_000
const NO_TAGS: JobTags = new Map()

export class Hub {
  readonly #store: Store
  readonly #bus: Bus
  readonly #log: HubLog
  readonly #pollInterval: number
  readonly #ofAll = new Set<Listener>()
  readonly #byJob = new Map<string, Set<Listener>>()
  readonly #listeners = new Set<Listener>()
  #tagListeners = 0
  #position = 0
  /** Rises whenever the hub falls idle, so that a read begun before finds out. */
  #era = 0
  #started: Promise<void> | null = null
  #stop: (() => void) | null = null
  #reading = false
  #again = false

  constructor(store: Store, bus: Bus, log: HubLog, pollInterval: number) {
    this.#store = store
    this.#bus = bus
    this.#log = log
    this.#pollInterval = pollInterval
  }

  /** Every change up to here has been offered. Means something only after `add` has resolved. */
  get position(): number {
    return this.#position
  }

  get size(): number {
    return this.#listeners.size
  }

  /** Adds a listener; resolves when the hub runs. From then on nothing behind `position` passes the listener by. */
  add(listener: Listener): Promise<void> {
    this.#listeners.add(listener)
    if (listener.wantsTags) this.#tagListeners++
    if (listener.jobIds === null) this.#ofAll.add(listener)
    else for (const jobId of listener.jobIds) setOf(this.#byJob, jobId).add(listener)
    this.#started ??= this.#start()
    return this.#started
  }

  remove(listener: Listener): void {
    if (!this.#listeners.delete(listener)) return
    if (listener.wantsTags) this.#tagListeners--
    this.#ofAll.delete(listener)
    for (const jobId of listener.jobIds ?? []) {
      const ofJob = this.#byJob.get(jobId)
      ofJob?.delete(listener)
      if (ofJob?.size === 0) this.#byJob.delete(jobId)
    }
    if (this.#listeners.size === 0) this.#idle()
  }

  /** The tags of the jobs of these runs, of deleted jobs too: the last events of their runs are theirs as the others were. */
  async tagsOf(rows: readonly RunRow[]): Promise<JobTags> {
    if (rows.length === 0) return NO_TAGS
    const jobs = await this.#store.jobRows([...new Set(rows.map((row) => row.jobId))])
    return new Map(jobs.flatMap((row) => (row === null ? [] : [[row.job.id, new Set(row.job.tags)]])))
  }

  async #start(): Promise<void> {
    const era = this.#era
    let head: number
    try {
      head = await this.#store.streamHead()
    } catch (error) {
      // Whoever waits is told; the next listener tries again.
      if (era === this.#era) this.#idle()
      throw error
    }
    // A later start may have been answered before this one, and may have told of less.
    if (era !== this.#era) return
    this.#position = head
    const unsubscribe = this.#bus.subscribe((hint) => {
      if (hint.kind === 'changes') this.#wake()
    })
    const scheduler = new ToadScheduler({ unref: true })
    const poll = new AsyncTask(
      'stream poll',
      async () => this.#poll(),
      (error) => this.#log.error({ err: error }, 'the poll of the stream failed'),
    )
    scheduler.addSimpleIntervalJob(new SimpleIntervalJob({ milliseconds: this.#pollInterval }, poll, { preventOverrun: true }))
    this.#stop = () => {
      unsubscribe()
      scheduler.stop()
    }
    // What was committed between the reading of the head and the place on the bus.
    this.#wake()
  }

  #idle(): void {
    this.#era++
    this.#started = null
    this.#stop?.()
    this.#stop = null
  }

  #poll(): void {
    this.#wake()
    for (const listener of this.#listeners) listener.tick()
  }

  #wake(): void {
    this.#again = true
    if (this.#reading) return
    this.#reading = true
    void this.#readOn()
  }

  async #readOn(): Promise<void> {
    try {
      while (this.#again && this.#stop !== null) {
        this.#again = false
        await this.#readUpToHead()
      }
    } catch (error) {
      // The poll tries again; nothing is lost, for the position has not moved.
      this.#log.error({ err: error }, 'reading the stream of changes failed')
    } finally {
      this.#reading = false
    }
    // A new era may have woken in vain while this one was reading.
    if (this.#again && this.#stop !== null) this.#wake()
  }

  async #readUpToHead(): Promise<void> {
    const era = this.#era
    const head = await this.#store.streamHead()
    while (era === this.#era && this.#position < head) {
      const limit = Math.max(1, Math.min(PAGE, Math.floor(OFFERS_A_TURN / this.#listeners.size)))
      const rows = await this.#store.runChanges({ after: this.#position, upTo: head, jobIds: null, limit })
      const tags = this.#tagListeners > 0 ? await this.tagsOf(rows) : NO_TAGS
      if (era !== this.#era) return
      // From here to the end of the dispatch without a wait: whoever joins sees either the old position or the new one, never between.
      this.#position = rows.length < limit ? head : (rows.at(-1)?.cursor ?? head)
      for (const row of rows) this.#dispatch(row, tags)
      await yieldToLoop()
    }
  }

  #dispatch(row: RunRow, tags: JobTags): void {
    for (const listener of this.#ofAll) listener.offer(row, tags)
    const ofJob = this.#byJob.get(row.jobId)
    if (ofJob) for (const listener of ofJob) listener.offer(row, tags)
  }
}

function setOf<T>(map: Map<string, Set<T>>, key: string): Set<T> {
  let set = map.get(key)
  if (set === undefined) {
    set = new Set()
    map.set(key, set)
  }
  return set
}
