import { type Instant, SECOND } from '../../domain/instant.ts'

/** The stream hears of a run's progress no more often than this. */
export const EVENT_EVERY: number = SECOND

/**
 * When the stream is told of the progress of runs: at most once a second each, by the caller's clock. A value that came too soon after the
 * last event is told when that second is over, so that the last one before a long silence is seen too.
 */
export class ProgressPace {
  /** By run: when the stream was last told. */
  readonly #told = new Map<string, Instant>()
  /** Runs with a value that the stream has not heard of. */
  readonly #untold = new Set<string>()

  /** Whether a value of now may be told at once; one that may not is remembered as untold. */
  isDue(runId: string, now: Instant): boolean {
    const told = this.#told.get(runId)
    if (told === undefined || Math.abs(now - told) >= EVENT_EVERY) return true
    this.#untold.add(runId)
    return false
  }

  get untold(): ReadonlySet<string> {
    return this.#untold
  }

  /** Those of them of which it may be told now: meanwhile it may have been told of a value that came in between. */
  untoldDue(now: Instant): readonly string[] {
    return [...this.#untold].filter((runId) => this.isDue(runId, now))
  }

  /** The stream was told of it, unless the run no longer goes. */
  told(runId: string, now: Instant, goes = true): void {
    this.#untold.delete(runId)
    this.#told.delete(runId)
    if (!goes) return
    this.#told.set(runId, now)
    // The oldest first, for they are in the order of their events: runs that ended long ago go with them.
    for (const [id, at] of this.#told) {
      if (Math.abs(now - at) < EVENT_EVERY) break
      this.#told.delete(id)
    }
  }
}
