import type { RunStatus } from '../../src/domain/run.ts'
import type { Bus, Hint } from '../../src/engine/bus/bus.ts'
import type { JobRow, RunRow, Store } from '../../src/engine/store/store.ts'
import { encodeCursor } from '../../src/stream/cursor.ts'
import { createRunStream, type RunEvent, type RunStream, type RunStreamDeps, type RunStreamQuery } from '../../src/stream/runStream.ts'

/** Asked of a run that is to change. */
export interface Change {
  readonly id: string
  readonly jobId?: string
  readonly status?: RunStatus
  readonly trigger?: RunRow['trigger']
  readonly payload?: string | null
}

/** A store that holds nothing but runs and their places in the stream, with `runChanges` as the port describes it. */
export class ChangeStore {
  readonly databaseId = 'db_test'
  readonly rows = new Map<string, RunRow>()
  /** The row of each cursor, as long as it is the newest of its run. */
  readonly #log: (RunRow | undefined)[] = []
  readonly jobTags = new Map<string, readonly string[]>()
  floor = 0
  head = 0
  /** How often the stream was read, and who listens on the bus. */
  reads = 0
  readonly listeners = new Set<(hint: Hint) => void>()
  /** Awaited before each answer: lets a test put a commit between question and answer. */
  delay: () => Promise<void> = () => Promise.resolve()
  failure: Error | null = null
  lateHeads = false

  /** Commits changes, each with the next cursor, and hints at them unless told not to. */
  commit(changes: readonly Change[], { hint = true } = {}): void {
    for (const change of changes) {
      const before = this.rows.get(change.id)
      const row = { ...(before ?? newRow(change.id)), ...change, cursor: ++this.head, changedAt: this.head }
      if (before !== undefined) this.#log[before.cursor - 1] = undefined
      this.rows.set(change.id, row)
      this.#log.push(row)
    }
    if (hint) this.hint()
  }

  hint(): void {
    for (const listener of this.listeners) listener({ kind: 'changes', upTo: this.head })
  }

  /** The head of some moment between question and answer: of the question, where `lateHeads` does not say otherwise. */
  async streamHead(): Promise<number> {
    const { head } = this
    await this.#answer()
    return this.lateHeads ? this.head : head
  }

  async streamGiven(): Promise<number> {
    return this.head
  }

  async streamFloor(): Promise<number> {
    return this.floor
  }

  async runChanges(query: Parameters<Store['runChanges']>[0]): Promise<readonly RunRow[]> {
    this.reads++
    const found: RunRow[] = []
    for (let at = query.after; at < query.upTo && found.length < query.limit; at++) {
      const row = this.#log[at]
      if (row !== undefined && (query.jobIds === null || query.jobIds.includes(row.jobId))) found.push(row)
    }
    await this.#answer()
    return found
  }

  async jobRows(ids: readonly string[]): Promise<readonly (JobRow | null)[]> {
    return ids.map((id) => {
      const tags = this.jobTags.get(id)
      return tags === undefined ? null : ({ job: { id, tags } } as unknown as JobRow)
    })
  }

  readonly bus: Bus = {
    publish: (hint) => {
      for (const listener of this.listeners) listener(hint)
    },
    subscribe: (listener) => {
      this.listeners.add(listener)
      return () => this.listeners.delete(listener)
    },
    close: async () => {},
  }

  async #answer(): Promise<void> {
    await this.delay()
    if (this.failure !== null) throw this.failure
  }
}

/** A stream over the store; polls seldom, so that tests depend on hints unless they ask for polls. */
export function streamOf(store: ChangeStore, options: Partial<RunStreamDeps> = {}): RunStream {
  return createRunStream({ store: store as unknown as Store, bus: store.bus, log: { error: () => {} }, pollInterval: 60_000, ...options })
}

/** The cursor of a position. */
export const at = (position: number): string => encodeCursor('db_test', position)

/** The next `count` events, as `run:STATUS@cursor`; a checkpoint is `-@cursor`. */
export async function take(events: AsyncIterator<RunEvent>, count: number): Promise<string[]> {
  const seen: string[] = []
  while (seen.length < count) {
    const { done, value } = await events.next()
    if (done === true) break
    seen.push(
      `${value.run === null ? '-' : `${value.run.id}:${value.run.status}`}@${Buffer.from(value.cursor, 'base64url').toString().split('.').at(-1)}`,
    )
  }
  return seen
}

/** Until the hub and the readers have done what they can do without a further commit. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
}

export const EVERYTHING: RunStreamQuery = { jobIds: null, tags: null, trigger: null, finalOnly: false, after: null, checkpoints: false }

function newRow(id: string): RunRow {
  return {
    id,
    jobId: 'job_1',
    trigger: 'SCHEDULE',
    status: 'QUEUED',
    occurrence: null,
    scheduledFor: 0,
    dueAt: 0,
    queuedAt: 0,
    startedAt: null,
    finishedAt: null,
    cancelRequestedAt: null,
    heldBy: null,
    priority: 0,
    concurrencyKey: null,
    coalesced: 0,
    payload: null,
    output: null,
    error: null,
    progress: null,
    attempt: 0,
    attemptStatus: null,
    attemptStartedAt: null,
    attemptsUsed: 0,
    nextAttemptAt: null,
    instanceId: null,
    jobVersion: null,
    leaseUntil: null,
    rerunOfId: null,
    triggeredBy: null,
    idempotencyHash: null,
    cursor: 0,
    changedAt: 0,
  }
}
