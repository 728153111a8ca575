import type { Instant } from '../../domain/instant.ts'
import type { Consumer } from './queue.ts'

/** What a queue needs of its store beside the port: within a process the two know each other. */
export interface RunStarter {
  /** From now on runs of a plan begin in the commit that stores them, as far as this worker has room. */
  attach(consumer: Consumer): void
  detach(): void
  /** Begins up to `limit` runs that may start, as many as the attached worker has room for, and delivers them. Answers how many. */
  beginForConsumer(now: Instant, limit: number): Promise<number>
  /** When the next waiting run may start, after `after`. */
  nextReadyAt(after: Instant): Promise<Instant | null>
}
