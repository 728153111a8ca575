import { Lookout, type LookoutOptions } from './lookout.ts'
import type { Queue } from './queue.ts'

/** One process: whoever makes runs ready and whoever begins them hear the same hints, and nothing else is needed. */
export function localQueue(options: LookoutOptions): Queue {
  const lookout = new Lookout(options)
  return {
    start: (consumer) => lookout.start(consumer),
    pull: () => lookout.pull(),
    // No other process holds the file: one that is dead has left nothing but rows.
    async release() {},
    stop: () => lookout.stop(),
  }
}
