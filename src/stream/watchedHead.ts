import type { Store } from '../engine/store/store.ts'

export interface WatchedHead {
  /** The store, through which everybody asks for the head who shall be noticed. */
  readonly store: Store
  /** Calls back when a head is answered that is higher than all before, and before anybody has it. Answers a function that ends that. */
  onRise(listener: () => void): () => void
}

/**
 * Notices what this process knows of the stream. Whoever is told of a change, or of a position to follow from, was first told of a head
 * at or above it; so what was read before that head rose is not to be shown to him, whether or not a hint of the change was heard.
 */
export function watchHead(store: Store): WatchedHead {
  const listeners = new Set<() => void>()
  let highest = 0
  return {
    store: {
      ...store,
      async streamHead() {
        const head = await store.streamHead()
        if (head > highest) {
          highest = head
          for (const listener of listeners) listener()
        }
        return head
      },
    },
    onRise(listener) {
      const own = () => listener()
      listeners.add(own)
      return () => void listeners.delete(own)
    },
  }
}
