import type { Caller } from '../commands/inputs.ts'
import type { JobRow, RunRow } from '../engine/store/store.ts'
import { type ApiContext, readAnew } from './context.ts'

/** Who a command is told to be from. Mutations are not reached without a viewer: see scopes.ts. */
export function callerOf({ viewer }: ApiContext): Caller {
  return { name: viewer!.name }
}

/** The job as a command just left it; null where it is gone again already. */
export function freshJob(context: ApiContext, id: string): Promise<JobRow | null> {
  readAnew(context)
  return context.store.job({ id })
}

/** The run as a command just left it; null where it is gone again already. */
export function freshRun(context: ApiContext, id: string): Promise<RunRow | null> {
  readAnew(context)
  return context.store.run(id)
}

/**
 * The events of a subscription, each executed with reads of its own. An error of the stream (an `after` that cannot be resumed from, a
 * database that is away) rejects `next()`: whoever carries the operation answers it, masked, as the operation's error.
 * Written by hand: a generator would not clean up where `return()` comes before the first `next()`.
 */
export function readingAnew<Event>(events: AsyncIterableIterator<Event>, context: ApiContext): AsyncIterableIterator<Event> {
  return {
    async next() {
      const result = await events.next()
      readAnew(context)
      return result
    },
    async return() {
      await events.return?.()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
