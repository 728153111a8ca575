import type { Instant, Milliseconds } from '../domain/instant.ts'
import type { Queue } from '../engine/queue/queue.ts'
import { instanceLifetime, type Store } from '../engine/store/store.ts'
import type { Log } from '../log.ts'
import type { Service } from '../services.ts'
import { Watch } from './watch.ts'

export interface CensusDeps {
  readonly store: Pick<Store, 'instances' | 'deadInstances' | 'removeInstances'>
  readonly queue: Pick<Queue, 'release'>
  readonly log: Pick<Log, 'warn'>
  readonly now: () => Instant
  readonly lease: Milliseconds
  readonly instanceId: string
}

/**
 * Who is up, and who is not any more. What need not be done by every scheduler (keeping house, burying the dead) is done by the oldest
 * of them. That is no leader: where two take themselves for the oldest, or for a moment nobody does, it is done twice, or a little later.
 *
 * Nobody is taken for dead before this process has watched for a lease: when a database comes back, all that live have been silent, and
 * each says that it is up with its next beat. To be taken for dead ends all sessions of a process.
 */
export class Census implements Service {
  readonly name = 'census'
  readonly #deps: CensusDeps
  readonly #watch: Watch
  #oldest = false

  constructor(deps: CensusDeps) {
    this.#deps = deps
    this.#watch = new Watch(deps.lease)
  }

  /** A first round, so that a scheduler which is alone keeps house from its start. */
  async start(): Promise<void> {
    await this.runOnce().catch((error: unknown) => this.#deps.log.warn({ err: error }, 'who else is up could not be found out'))
  }

  async stop(): Promise<void> {}

  /** Whether no other living scheduler is older than this one, as of the last round. */
  get oldest(): boolean {
    return this.#oldest
  }

  /** One round. Answers how many processes were found dead. */
  async runOnce(): Promise<number> {
    const { store, queue, log, now, lease, instanceId } = this.#deps
    const alive = now() - instanceLifetime(lease)
    const schedulers = (await store.instances(alive)).filter(({ roles }) => roles.includes('SCHEDULER'))
    // Ids rise with time. Where even this process is missing, it could not tell that it is up, and others may fare alike.
    this.#oldest = schedulers.every(({ id }) => id >= instanceId)
    if (this.#watch.looked(now()) < lease || !this.#oldest) return 0
    // Not itself: it lives, whatever it could not tell.
    const dead = (await store.deadInstances(alive)).filter((id) => id !== instanceId)
    if (dead.length === 0) return 0
    // Its rows last: whoever dies in between leaves them to be found again.
    await queue.release(dead)
    await store.removeInstances(dead)
    log.warn(
      { instances: dead },
      'processes have not been seen for one and a half leases: they are taken for dead, their runs go on elsewhere',
    )
    return dead.length
  }
}
