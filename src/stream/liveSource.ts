/**
 * What the source of a subscription offers besides being an AsyncIterable: to be told together with others that are equal (see group.ts).
 * A source without it is pulled by each subscription for itself.
 */
export const LIVE: unique symbol = Symbol('live')

export interface LiveSource<Event> extends AsyncIterable<Event> {
  readonly [LIVE]: Live<Event>
}

/** A subscription's place in a stream. Where two differ in `start` alone, `read` of either serves both. */
export interface Live<Event> {
  /** Fixed when the source was made. Rejects where the stream cannot be resumed from there. */
  readonly start: Promise<Start>
  /** The argument that says nothing but where to start: what an event shows must not depend on it. */
  readonly startArgument: string
  /** Whether a subscription is owed a checkpoint as soon as it has caught up, also where it missed nothing. */
  readonly checkpoints: boolean
  /** Reads on from a position, in the stream's order. Holds nothing before its first `next()`. */
  read(after: number): LiveReader<Event>
}

export interface Start {
  /** Told is what comes after it. */
  readonly position: number
  /** Whether something was behind it already, though perhaps nothing that matches. */
  readonly behind: boolean
}

/** One reading of the stream, pulled: while nobody pulls it holds a bounded part of it. */
export interface LiveReader<Event> {
  next(): Promise<IteratorResult<LiveItem<Event>, undefined>>
  /** Ends it at once; a `next()` under way answers that it is done. */
  return(): void
  /** All that matches up to here has been given by `next()`. */
  readonly position: number
  /** Whether it has read what was missed, and is fed by what happens. */
  readonly caughtUp: boolean
}

export type LiveItem<Event> =
  | { readonly kind: 'EVENT' | 'CHECKPOINT'; readonly position: number; readonly event: Event }
  /** Nothing to tell: it has caught up. */
  | { readonly kind: 'CAUGHT_UP'; readonly position: number }

export function isLive(source: object): source is LiveSource<unknown> {
  return LIVE in source
}

/** A source that each may iterate for itself as well. */
export type Source<Event> = AsyncIterableIterator<Event> & LiveSource<Event>

/**
 * Iterated, it is told by a reader of its own, that `open` makes. Nothing is made before the first `next()`: a source that is told together
 * with others is not iterated.
 * Written by hand: a generator would not clean up where `return()` comes before the first `next()`.
 */
export function asSource<Event>(open: () => LiveReader<Event>, live: Live<Event>): Source<Event> {
  let reader: LiveReader<Event> | null = null
  let left = false
  return {
    [LIVE]: live,
    async next() {
      while (!left) {
        reader ??= open()
        const result = await reader.next()
        if (result.done === true) break
        if (result.value.kind !== 'CAUGHT_UP') return { done: false, value: result.value.event }
      }
      return { done: true, value: undefined }
    },
    async return() {
      left = true
      reader?.return()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
