import { AsyncTask, SimpleIntervalJob, ToadScheduler } from 'toad-scheduler'
import type { Bus } from '../engine/bus/bus.ts'
import type { JobEventRow, JobRow, Store } from '../engine/store/store.ts'
import type { HubLog } from './hub.ts'
import { SharedLooks } from './pullReader.ts'

/** One who follows the changes of jobs. */
export interface JobFollower {
  wake(): void
  /** Called at every poll, for what is due by time. */
  tick(): void
}

/** A job as it stands, and whether it lives; null where nothing is left of it. */
export interface KnownJob {
  readonly row: JobRow
  readonly lives: boolean
}

/**
 * Wakes those who follow the changes of jobs. The sequence of changes is mostly runs, so one small look of the hub tells whether it
 * moved for a job at all before anybody else looks; those who then read the same place share their looks. It holds no row.
 */
export class JobHub {
  readonly #store: Store
  readonly #bus: Bus
  readonly #log: HubLog
  readonly #pollInterval: number
  readonly #pageSize: number
  readonly #followers = new Set<JobFollower>()
  readonly #pages = new SharedLooks<readonly JobEventRow[]>()
  readonly #jobs = new SharedLooks<KnownJob | null>()
  #stop: (() => void) | null = null
  /** No job has changed between what the followers were last woken for and here. */
  #position = 0
  #looking = false
  #again = false

  constructor(store: Store, bus: Bus, log: HubLog, { pollInterval, page }: { readonly pollInterval: number; readonly page: number }) {
    this.#store = store
    this.#bus = bus
    this.#log = log
    this.#pollInterval = pollInterval
    this.#pageSize = page
  }

  get size(): number {
    return this.#followers.size
  }

  /** From now on the follower is woken for every change behind what it can read now. */
  add(follower: JobFollower): void {
    this.#followers.add(follower)
    if (this.#stop === null) this.#start()
  }

  remove(follower: JobFollower): void {
    this.#followers.delete(follower)
    if (this.#followers.size > 0) return
    this.#stop?.()
    this.#stop = null
  }

  /** A page of changes in (after, upTo]. */
  page(after: number, upTo: number): Promise<readonly JobEventRow[]> {
    return this.#pages.answer(`${after} ${upTo}`, () => this.#store.jobChanges({ after, upTo, limit: this.#pageSize }))
  }

  job(id: string): Promise<KnownJob | null> {
    return this.#jobs.answer(id, async () => {
      const living = await this.#store.job({ id })
      if (living !== null) return { row: living, lives: true }
      const [gone] = await this.#store.jobRows([id])
      return gone ? { row: gone, lives: false } : null
    })
  }

  #start(): void {
    const unsubscribe = this.#bus.subscribe((hint) => {
      if (hint.kind === 'changes') this.#look()
    })
    const scheduler = new ToadScheduler({ unref: true })
    const poll = new AsyncTask(
      'poll of the changes of jobs',
      async () => {
        this.#look()
        for (const follower of this.#followers) follower.tick()
      },
      (error) => this.#log.error({ err: error }, 'the poll of the changes of jobs failed'),
    )
    scheduler.addSimpleIntervalJob(new SimpleIntervalJob({ milliseconds: this.#pollInterval }, poll, { preventOverrun: true }))
    this.#stop = () => {
      unsubscribe()
      scheduler.stop()
    }
  }

  #look(): void {
    // What was read before this moment is not what is there now.
    this.#pages.forget()
    this.#jobs.forget()
    this.#again = true
    if (this.#looking) return
    this.#looking = true
    void this.#lookOn()
  }

  async #lookOn(): Promise<void> {
    try {
      while (this.#again && this.#stop !== null) {
        this.#again = false
        const head = await this.#store.streamHead()
        const [change] = await this.#store.jobChanges({ after: this.#position, upTo: head, limit: 1 })
        this.#position = head
        if (change !== undefined) for (const follower of this.#followers) follower.wake()
      }
    } catch (error) {
      // The poll tries again; nothing is lost, for the position has not moved.
      this.#log.error({ err: error }, 'looking for changes of jobs failed')
    } finally {
      this.#looking = false
    }
    if (this.#again && this.#stop !== null) this.#look()
  }
}
