import { type Instant, type Milliseconds, SECOND } from '../domain/instant.ts'
import type { NewInstance, Store } from '../engine/store/store.ts'
import type { Log } from '../log.ts'
import type { Service } from '../services.ts'

/** Clocks that are further apart are worth a line of the log. */
const SKEW_TOLD: Milliseconds = SECOND

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
  /** The skew that the log was told of; 0: none worth telling. */
  #toldSkew: Milliseconds = 0

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
    this.#tellSkew(life.skew ?? 0)
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

  /** Once for every change: a clock that is wrong is so for long. */
  #tellSkew(skew: Milliseconds): void {
    const { log } = this.#deps
    if (Math.abs(skew) > SKEW_TOLD) {
      if (Math.abs(skew - this.#toldSkew) < SKEW_TOLD) return
      this.#toldSkew = skew
      const side = skew > 0 ? 'ahead of' : 'behind'
      log.warn({ skewMs: skew }, `the clock of this machine is ${side} that of the database, whose instants count; set it right`)
    } else if (this.#toldSkew !== 0) {
      this.#toldSkew = 0
      log.info({ skewMs: skew }, 'the clock of this machine agrees with that of the database again')
    }
  }
}
