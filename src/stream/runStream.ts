import type { Instant } from '../domain/instant.ts'
import { SECOND } from '../domain/instant.ts'
import type { RunTrigger } from '../domain/run.ts'
import type { Bus } from '../engine/bus/bus.ts'
import type { RunRow, Store } from '../engine/store/store.ts'
import { encodeCursor } from './cursor.ts'
import { Hub, type HubLog } from './hub.ts'
import { asSource, type Live, type LiveReader, type Source } from './liveSource.ts'
import { positionOf, startAt } from './resume.ts'
import { type ReaderLimits, type RunChange, type RunFilter, RunReader } from './runReader.ts'

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
   * Whoever wants equal subscriptions told together takes its `[LIVE]` and does not iterate.
   */
  jobRuns(query: RunStreamQuery): RunSource
  /** The newest cursor. */
  position(): Promise<string>
  /** How many readers listen now. Equal subscriptions that are told together have one. */
  readonly readers: number
}

export type RunSource = Source<RunEvent>

export interface RunStreamDeps {
  readonly store: Store
  readonly bus: Bus
  readonly log: HubLog
  /** The reader of changes, where other streams share it. */
  readonly hub?: Hub
  /** The wall clock, for `at` of checkpoints. */
  readonly now?: () => Instant
  /** A monotonic clock in milliseconds, for what grows old in a reader. */
  readonly elapsed?: () => number
  /** How often the store is asked although no hint came, in milliseconds. */
  readonly pollInterval?: number
  readonly limits?: Partial<ReaderLimits>
}

const LIMITS: ReaderLimits = { pending: 1_000, bytes: 1_048_576, page: 100, checkpointInterval: 30 * SECOND }

export function createRunStream({ store, bus, log, now = Date.now, pollInterval = SECOND, limits, ...deps }: RunStreamDeps): RunStream {
  const hub = deps.hub ?? new Hub(store, bus, log, pollInterval)
  const reading = { store, hub, limits: { ...LIMITS, ...limits }, now: deps.elapsed ?? (() => performance.now()) }

  function jobRuns({ after, checkpoints, ...filter }: RunStreamQuery): RunSource {
    const start = startAt(store, after, () => store.streamFloor())
    // Where nobody ever reads, nobody hears of a cursor that is not good either.
    start.catch(() => {})
    const open = () => asLiveReader(new RunReader(reading, filter, { checkpoints, caughtUp: false }, positionOf(start)), toEvent)
    return asSource(open, { start, startArgument: 'after', checkpoints, read: readFrom(filter, checkpoints) })
  }

  function readFrom(filter: RunFilter, checkpoints: boolean): Live<RunEvent>['read'] {
    return (after) => asLiveReader(new RunReader(reading, filter, { checkpoints, caughtUp: true }, Promise.resolve(after)), toEvent)
  }

  function toEvent({ position, run }: RunChange): RunEvent {
    return { cursor: encodeCursor(store.databaseId, position), at: run?.changedAt ?? now(), run }
  }

  return {
    jobRuns,
    position: async () => encodeCursor(store.databaseId, await store.streamHead()),
    get readers() {
      return hub.size
    },
  }
}

function asLiveReader(reader: RunReader, toEvent: (change: RunChange) => RunEvent): LiveReader<RunEvent> {
  return {
    async next() {
      const result = await reader.next()
      if (result.done === true) return { done: true, value: undefined }
      const { kind, position } = result.value
      return { done: false, value: kind === 'CAUGHT_UP' ? { kind, position } : { kind, position, event: toEvent(result.value) } }
    },
    return: () => void reader.return(),
    get position() {
      return reader.position
    },
    get caughtUp() {
      return reader.caughtUp
    },
  }
}
