import type { Instant, Milliseconds } from '../domain/instant.ts'
import type { NewInstance, Store } from '../engine/store/store.ts'
import type { Log } from '../log.ts'
import type { Service } from '../services.ts'

export interface PresenceDeps {
  readonly store: Pick<Store, 'registerInstance' | 'beatInstances' | 'removeInstances'>
  readonly log: Pick<Log, 'info' | 'warn'>
  readonly now: () => Instant
  readonly instance: Pick<NewInstance, 'id' | 'roles' | 'host' | 'version' | 'capacity' | 'handlers'>
  /** Attempts under way. */
  readonly running: () => number
  /** How far this machine's clock is ahead of the database's. */
  readonly skew: () => Milliseconds | null
  /** No other process can hold the database: whoever else is still written there is dead. */
  readonly alone: boolean
}

/**
 * Tells everybody that this process is up, from before its first work until after its last. It is told for information alone: a process
 * that cannot tell (the disk is full) works all the same, and tells with a later beat.
 */
export class Presence implements Service {
  readonly name = 'presence'
  readonly #deps: PresenceDeps
  #startedAt: Instant = 0
  #registered = false

  constructor(deps: PresenceDeps) {
    this.#deps = deps
  }

  async start(): Promise<void> {
    this.#startedAt = this.#deps.now()
    await this.beat().catch((error: unknown) => this.#deps.log.warn({ err: error }, 'could not tell that this process is up'))
  }

  /** Run every third of the lease, like the renewal of leases, so that both speak of the same life. */
  async beat(): Promise<void> {
    const { store, log, now, instance, running, skew, alone } = this.#deps
    const life = { lastSeenAt: now(), running: running(), skew: skew() }
    if (this.#registered) {
      const known = await store.beatInstances([{ id: instance.id, ...life }])
      if (known.length > 0) return
      log.info({}, 'this process was taken for dead; it is up, and says so')
    }
    await store.registerInstance({ ...instance, startedAt: this.#startedAt, ...life }, { alone })
    this.#registered = true
  }

  async stop(): Promise<void> {
    await this.#deps.store.removeInstances([this.#deps.instance.id])
  }
}
