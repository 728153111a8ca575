import type { Instant } from '../domain/instant.ts'
import type { InstanceRow, Store } from '../engine/store/store.ts'
import type { Service } from '../services.ts'

export interface PresenceDeps {
  readonly store: Store
  readonly now: () => Instant
  readonly instance: Pick<InstanceRow, 'id' | 'roles' | 'host' | 'version' | 'capacity'>
  /** Attempts under way. */
  readonly running: () => number
  /** No other process can hold the database: whoever else is still written there is dead. */
  readonly alone: boolean
}

/** Tells everybody that this process is up, from before its first work until after its last. */
export class Presence implements Service {
  readonly name = 'presence'
  readonly #deps: PresenceDeps

  constructor(deps: PresenceDeps) {
    this.#deps = deps
  }

  async start(): Promise<void> {
    const { store, now, instance, running, alone } = this.#deps
    const moment = now()
    await store.registerInstance({ ...instance, startedAt: moment, lastSeenAt: moment, running: running() }, { alone })
  }

  /** Run every third of the lease, like the renewal of leases, so that both speak of the same life. */
  async beat(): Promise<void> {
    const { store, now, instance, running } = this.#deps
    await store.beatInstances([{ id: instance.id, lastSeenAt: now(), running: running() }])
  }

  async stop(): Promise<void> {
    await this.#deps.store.removeInstances([this.#deps.instance.id])
  }
}
