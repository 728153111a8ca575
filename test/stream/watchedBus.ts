import type { Bus, Hint } from '../../src/engine/bus/bus.ts'

/** A bus that tells who listens. A deaf one loses every hint. */
export function watchedBus(bus: Bus, deaf: boolean): { readonly bus: Bus; readonly listeners: ReadonlySet<(hint: Hint) => void> } {
  const listeners = new Set<(hint: Hint) => void>()
  return {
    listeners,
    bus: {
      ...bus,
      subscribe(listener) {
        const end = deaf ? () => {} : bus.subscribe(listener)
        listeners.add(listener)
        return () => {
          listeners.delete(listener)
          end()
        }
      },
    },
  }
}
