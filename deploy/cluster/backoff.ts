import { setTimeout as delay } from 'node:timers/promises'

/** Waits between starts, in milliseconds. They double with every end that comes soon. */
export interface Backoff {
  readonly first: number
  readonly most: number
  /** What has run for so long before it ended begins anew. */
  readonly forgottenAfter: number
}

/** The waits of one process that is started again and again. */
export class Pause {
  readonly #backoff: Backoff
  #failures = 0
  #since = performance.now()

  constructor(backoff: Backoff) {
    this.#backoff = backoff
  }

  /** Waits before the next start, and tells how long that is. False: it was aborted, and there shall be none. */
  async wait(tell: (seconds: string) => void, signal: AbortSignal): Promise<boolean> {
    const { first, most, forgottenAfter } = this.#backoff
    if (performance.now() - this.#since > forgottenAfter) this.#failures = 0
    const length = Math.min(first * 2 ** this.#failures++, most)
    tell((length / 1000).toFixed(1))
    const waited = await delay(length, true, { signal }).catch(() => false)
    this.#since = performance.now()
    return waited
  }
}
