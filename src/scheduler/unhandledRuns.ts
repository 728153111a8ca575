import type { Instant, Milliseconds } from '../domain/instant.ts'
import { instanceLifetime, type Store } from '../engine/store/store.ts'
import type { Log } from '../log.ts'
import { Watch } from './watch.ts'

/** Runs marked in one transaction, and in one round: the next one goes on. */
const BATCH = 200
const MOST_OF_ROUND = 5_000
/** After a round there is rest for so many times the time that it took: runs that say so already are walked over, however many wait. */
const REST_TIMES = 20

export interface UnhandledRunsDeps {
  readonly store: Pick<Store, 'handlers' | 'markUnhandled'>
  readonly log: Pick<Log, 'warn'>
  readonly now: () => Instant
  readonly lease: Milliseconds
  /** A clock that never jumps, in ms. */
  readonly elapsed?: () => number
}

/** How long a run waits for a handler before it says that nobody has it: a minute with the usual lease. */
export function unhandledAfter(lease: Milliseconds): Milliseconds {
  return 2 * lease
}

/**
 * Has runs say so that wait for a handler which no worker had for so long. Who has just begun to look does not know what workers had
 * before, and some may be starting like itself: it marks nothing until it has looked for as long. So does one that could not look.
 */
export class UnhandledRuns {
  readonly #deps: Required<UnhandledRunsDeps>
  /** When a living worker last had a handler, by its name. */
  readonly #had = new Map<string, Instant>()
  readonly #watch: Watch
  #restsUntil = Number.NEGATIVE_INFINITY

  constructor({ elapsed = () => performance.now(), ...deps }: UnhandledRunsDeps) {
    this.#deps = { ...deps, elapsed }
    this.#watch = new Watch(deps.lease)
  }

  /** One round. `mark`: whether this process is the one that does it. Answers how many runs say so from now on. */
  async runOnce({ mark }: { readonly mark: boolean }): Promise<number> {
    const { log, now, lease, store, elapsed } = this.#deps
    const moment = now()
    const wait = unhandledAfter(lease)
    for (const { name } of await store.handlers(moment - instanceLifetime(lease))) this.#had.set(name, moment)
    const watched = this.#watch.looked(moment)
    for (const [name, at] of this.#had) if (at < moment - wait) this.#had.delete(name)
    const began = elapsed()
    if (!mark || watched < wait || began < this.#restsUntil) return 0
    let marked = 0
    for (let batch = BATCH; batch === BATCH && marked < MOST_OF_ROUND; marked += batch) {
      batch = await store.markUnhandled({ handlers: new Set(this.#had.keys()), since: moment - wait, now: moment, limit: BATCH })
    }
    const ended = elapsed()
    this.#restsUntil = ended + REST_TIMES * (ended - began)
    if (marked > 0) log.warn({ runs: marked }, 'runs wait for a handler that no worker has')
    return marked
  }
}
