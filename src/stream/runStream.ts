import type { Instant } from '../domain/instant.ts'
import { SECOND } from '../domain/instant.ts'
import type { RunTrigger } from '../domain/run.ts'
import type { Bus } from '../engine/bus/bus.ts'
import type { RunRow, Store } from '../engine/store/store.ts'
import { decodeCursor, encodeCursor } from './cursor.ts'
import { StreamError } from './errors.ts'
import { Hub, type HubLog } from './hub.ts'
import { type ReaderLimits, type RunChange, RunReader } from './runReader.ts'

export interface RunStreamQuery {
  readonly jobIds: readonly string[] | null
  /** All of these, on the run's job. */
  readonly tags: readonly string[] | null
  /** Any of these. */
  readonly trigger: readonly RunTrigger[] | null
  /** Only runs that have ended. */
  readonly finalOnly: boolean
  /** A cursor to go on from, or null for what happens next. */
  readonly after: string | null
  /** Whether to be told the cursor when caught up, and every 30 s. */
  readonly checkpoints: boolean
}

/** A run as it stands, at least as new as the cursor; or null: a checkpoint. */
export interface RunEvent {
  readonly cursor: string
  readonly at: Instant
  readonly run: RunRow | null
}

/** Live executions: what changed since a cursor, then what changes, until the reader leaves. */
export interface RunStream {
  /**
   * The place to start from is fixed by this call, not by the first `next()`. An `after` that cannot be resumed from rejects the first
   * `next()` with a StreamError. Cursors rise; the latest state of every matching run is seen, states in between may be collapsed.
   */
  jobRuns(query: RunStreamQuery): AsyncIterableIterator<RunEvent>
  /** The newest cursor. */
  position(): Promise<string>
  /** How many readers listen now. */
  readonly readers: number
}

export interface RunStreamDeps {
  readonly store: Store
  readonly bus: Bus
  readonly log: HubLog
  /** The reader of changes, where other streams share it. */
  readonly hub?: Hub
  /** The wall clock, for `at` of checkpoints. */
  readonly now?: () => Instant
  /** How often the store is asked although no hint came, in milliseconds. */
  readonly pollInterval?: number
  readonly limits?: Partial<ReaderLimits>
}

const LIMITS: ReaderLimits = { pending: 1_000, bytes: 1_048_576, page: 100, checkpointInterval: 30 * SECOND }

export function createRunStream({ store, bus, log, now = Date.now, pollInterval = SECOND, limits, ...deps }: RunStreamDeps): RunStream {
  const hub = deps.hub ?? new Hub(store, bus, log, pollInterval)
  const reading = { store, hub, limits: { ...LIMITS, ...limits }, now: () => performance.now() }

  function jobRuns({ after, checkpoints, ...filter }: RunStreamQuery): AsyncIterableIterator<RunEvent> {
    const start = after === null ? store.streamHead() : resumeFrom(store, after)
    return asEvents(new RunReader(reading, filter, checkpoints, start), store.databaseId, now)
  }

  return {
    jobRuns,
    position: async () => encodeCursor(store.databaseId, await store.streamHead()),
    get readers() {
      return hub.size
    },
  }
}

async function resumeFrom(store: Store, cursor: string): Promise<number> {
  const position = decodeCursor(store.databaseId, cursor)
  const [head, floor] = await Promise.all([store.streamHead(), store.streamFloor()])
  if (position > head) {
    throw new StreamError(
      'CURSOR_INVALID',
      'The cursor is ahead of the stream: the database was put back to an earlier state. Read anew, then subscribe from `streamPosition`.',
    )
  }
  if (position < floor) {
    const oldest = encodeCursor(store.databaseId, floor)
    throw new StreamError('CURSOR_EXPIRED', `The cursor is older than what is kept. The oldest good one is "${oldest}".`, oldest)
  }
  return position
}

/** Written by hand: a generator would not clean up where `return()` comes before the first `next()`. */
function asEvents(reader: RunReader, databaseId: string, now: () => Instant): AsyncIterableIterator<RunEvent> {
  const toEvent = ({ position, run }: RunChange): RunEvent => ({
    cursor: encodeCursor(databaseId, position),
    at: run?.changedAt ?? now(),
    run,
  })
  return {
    async next() {
      const result = await reader.next()
      return result.done === true ? { done: true, value: undefined } : { done: false, value: toEvent(result.value) }
    },
    async return() {
      await reader.return()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
