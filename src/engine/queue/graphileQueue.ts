import type pg from 'pg'
import { type Milliseconds, SECOND } from '../../domain/instant.ts'
import type { PostgresBus } from '../bus/postgresBus.ts'
import { Doorbell } from './doorbell.ts'
import { Lookout, type LookoutOptions } from './lookout.ts'
import type { Consumer, Queue } from './queue.ts'
import type { RunStarter } from './starter.ts'

/** Backs the hints of cancels: one that nobody heard of reaches its attempt so much later at most. */
const CANCELS: Milliseconds = SECOND

/** What this queue asks of the rows beside what starts runs. */
export interface QueueRows extends RunStarter {
  /** Whether any of these runs waits for nothing but a worker. */
  anyReady(runIds: readonly string[]): Promise<boolean>
  /** Runs of this process's attempts under way that were asked to cancel. */
  askedToCancel(instanceId: string): Promise<readonly string[]>
  /** Frees the rings of dead processes, removes those that nobody will hear, and ends what sessions they have left. */
  releaseRings(instanceIds: readonly string[]): Promise<void>
}

export interface GraphileQueue extends Queue {
  /** Stops it, and lets go of all that it has. */
  close(): Promise<void>
}

export interface GraphileQueueOptions extends LookoutOptions {
  readonly store: QueueRows
  readonly bus: PostgresBus
  readonly instanceId: string
  /** Connections for graphile-worker: it closes them itself with its end. */
  readonly openPool: (max: number) => pg.Pool
}

/**
 * The QUEUED rows are the queue here too, and graphile-worker is the doorbell: whoever makes runs ready adds a ring for some of them in the
 * same transaction, and one process hears it. It then begins as many of the runs that wait as the ring speaks of, in the order of claims,
 * whichever they are. Where it has no room for them, or not their handler, it tells all others to look: a ring that was kept until there
 * is room would keep its runs from those who have some.
 */
export function graphileQueue({ openPool, instanceId, ...options }: GraphileQueueOptions): GraphileQueue {
  const { store, bus, log } = options
  const lookout = new Lookout(options)
  const doorbell = new Doorbell({ instanceId, openPool, ring, log })
  let cancels: NodeJS.Timeout | undefined
  let asking: Promise<void> | null = null

  async function ring(runIds: readonly string[]): Promise<void> {
    try {
      await lookout.look(runIds.length)
      if (await store.anyReady(runIds)) bus.publishThere({ kind: 'runs' })
    } catch {
      // The database is away, which others say; what waits is looked for when it is back.
    }
  }

  async function askForCancels(consumer: Consumer): Promise<void> {
    try {
      const runIds = await store.askedToCancel(consumer.instanceId)
      if (runIds.length > 0) bus.publishHere({ kind: 'cancels', runIds })
    } catch {
      // As above: asked again in a second.
    } finally {
      asking = null
    }
  }

  async function stop(): Promise<void> {
    await doorbell.stop()
    await lookout.stop()
  }

  return {
    start(consumer) {
      lookout.start(consumer)
      doorbell.start()
      cancels = setInterval(() => {
        asking ??= askForCancels(consumer)
      }, CANCELS)
    },
    pull: () => lookout.pull(),
    release: (instanceIds) => store.releaseRings(instanceIds),
    stop,
    async close() {
      await stop()
      // Not sooner: attempts that are still under way after the stop can be cancelled as before.
      clearInterval(cancels)
      await asking
    },
  }
}
