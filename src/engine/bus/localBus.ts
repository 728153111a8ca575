import type { Log } from '../ports.ts'
import type { Bus, Hint } from './bus.ts'

/** Hints within one process: listeners hear them in the same turn of the loop, in the order of their subscription. */
export function localBus(log: Log): Bus {
  const listeners = new Set<(hint: Hint) => void>()
  return {
    publish(hint) {
      for (const listener of [...listeners]) {
        try {
          listener(hint)
        } catch (error) {
          log.error({ err: error, hint: hint.kind }, 'a listener of the bus failed')
        }
      }
    },
    subscribe(listener) {
      // A function of its own, so that one who subscribes the same listener twice hears twice and ends each by itself.
      const own = (hint: Hint) => listener(hint)
      listeners.add(own)
      return () => {
        listeners.delete(own)
      }
    },
    async close() {
      listeners.clear()
    },
  }
}
