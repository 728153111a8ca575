import type { Instant } from '../../domain/instant.ts'
import type { BegunAttempt } from '../store/store.ts'

/** The worker, as the queue sees it. */
export interface Consumer {
  readonly instanceId: string
  /** How many more attempts it takes now. Asked again after each delivery. */
  free(): number
  /** The end of a claim made at `now` without renewal. */
  leaseUntil(now: Instant): Instant
  /** What it can perform; null: any. The same set as long as nothing changes. */
  handlers(): ReadonlySet<string> | null
  /** Attempts that have durably begun. Takes all of them, at once, and never throws. */
  deliver(attempts: readonly BegunAttempt[]): void
}

/** Brings runs that may start to the worker of this process. The QUEUED rows are the truth; the queue only finds them sooner. */
export interface Queue {
  /** Starts delivering. One consumer a process. */
  start(consumer: Consumer): void
  /** Room may have become free: look again. */
  pull(): void
  /** Frees what dead processes still hold of the queue itself. Their attempts are for `lostAttempts` to find. */
  release(instanceIds: readonly string[]): Promise<void>
  /** Stops taking new runs; resolves when a look under way has ended. */
  stop(): Promise<void>
}
