import { isFinal, type RunTrigger } from '../domain/run.ts'
import type { RunRow, Store } from '../engine/store/store.ts'
import type { Hub, JobTags, Listener } from './hub.ts'
import { loopShare, PAGE_READ } from './loopShare.ts'
import { refuseExpired } from './resume.ts'

/** What a reader wants to see. */
export interface RunFilter {
  readonly jobIds: readonly string[] | null
  /** All of these, on the run's job. */
  readonly tags: readonly string[] | null
  /** Any of these. */
  readonly trigger: readonly RunTrigger[] | null
  readonly finalOnly: boolean
}

/** A position with the run that changed there; or a position alone. */
export type RunChange =
  | { readonly kind: 'EVENT'; readonly position: number; readonly run: RunRow }
  | { readonly kind: 'CHECKPOINT' | 'CAUGHT_UP'; readonly position: number; readonly run: null }

/** What a reader tells besides changes. */
export interface ReaderNotices {
  /** A checkpoint, when it has caught up and at every interval. */
  readonly checkpoints: boolean
  /** That it has caught up, where no checkpoint says so. */
  readonly caughtUp: boolean
}

/** Bounds of what one reader may hold while it is not read from. Beyond them it holds a position and nothing else. */
export interface ReaderLimits {
  readonly pending: number
  readonly bytes: number
  /** Rows asked from the store at once. */
  readonly page: number
  /** Between two checkpoints, in milliseconds. */
  readonly checkpointInterval: number
}

/**
 * One subscription's place in the stream. It is pulled: nothing is sent to it, and a reader that never pulls costs a bounded set of rows.
 *
 *   BEHIND ──pull: joins at the hub's position, reads the store up to there──▶ JOINING ──page was the last──▶ LIVE
 *     ▲                                                                          │                              │
 *     └────────────── page was full, or too much is pending ─────────────────────┴──────────────────────────────┘
 *
 * BEHIND it ignores the hub and reads pages of the store from its cursor. JOINING and LIVE it collects what the hub offers in a map by
 * run, so that unread states of a run collapse to its latest. The map is in the order of the cursors, so whatever it yields next, all
 * matching changes before that cursor have been yielded: every cursor is a safe place to resume from.
 */
export class RunReader implements Listener, AsyncIterableIterator<RunChange> {
  readonly jobIds: readonly string[] | null
  readonly wantsTags: boolean
  readonly #filter: RunFilter
  readonly #store: Store
  readonly #hub: Hub
  readonly #limits: ReaderLimits
  readonly #now: () => number
  readonly #start: Promise<number>

  #mode: 'UNSTARTED' | 'BEHIND' | 'JOINING' | 'LIVE' | 'ENDED' = 'UNSTARTED'
  /** All matching changes up to here have been yielded. */
  #position = 0
  #pending = new Map<string, RunRow>()
  #pendingBytes = 0
  #page: RunRow[] = []
  /** What it took to get the page, the wait for room included. */
  #pageTook = 0
  /** When it answered last. */
  #answeredAt = 0
  readonly #notices: ReaderNotices
  #checkpointOwed = false
  #noticeOwed = false
  #checkpointAt = 0
  #wake: (() => void) | null = null
  #turn: Promise<unknown> = Promise.resolve()

  /** `start`: the position after which it reads. `now`: a monotonic clock in milliseconds. */
  constructor(
    deps: { store: Store; hub: Hub; limits: ReaderLimits; now: () => number },
    filter: RunFilter,
    notices: ReaderNotices,
    start: Promise<number>,
  ) {
    this.#store = deps.store
    this.#hub = deps.hub
    this.#limits = deps.limits
    this.#now = deps.now
    this.#filter = filter
    this.jobIds = filter.jobIds
    this.wantsTags = filter.tags !== null && filter.tags.length > 0
    this.#notices = notices
    this.#start = start
    // Where nobody ever pulls, nobody hears of a cursor that is not good either.
    start.catch(() => {})
  }

  /** All matching changes up to here have been yielded. */
  get position(): number {
    const idle = this.caughtUp && this.#pending.size === 0
    return idle ? Math.max(this.#position, this.#hub.position) : this.#position
  }

  /** Whether what comes next comes from the hub. */
  get caughtUp(): boolean {
    return this.#mode === 'LIVE' && this.#page.length === 0
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Calls that overlap are answered in their order, as a generator would. */
  next(): Promise<IteratorResult<RunChange>> {
    const turn = this.#turn.then(() => this.#next())
    this.#turn = turn.catch(() => {})
    return turn
  }

  /** Leaves the hub at once, also before the first `next()`; a `next()` under way answers that the stream is done. */
  async return(): Promise<IteratorResult<RunChange>> {
    this.#end()
    return { done: true, value: undefined }
  }

  offer(row: RunRow, tags: JobTags): void {
    if (this.#mode !== 'LIVE' && this.#mode !== 'JOINING') return
    // A cursor may be newer than what the hub has read so far.
    if (row.cursor <= this.#position || !this.#wants(row, tags)) return
    const older = this.#pending.get(row.id)
    if (older !== undefined) {
      // Deleted and set again: a map keeps the place of a key that is only overwritten, and the order must be that of the cursors.
      this.#pending.delete(row.id)
      this.#pendingBytes -= bytesOf(older)
    }
    this.#pending.set(row.id, row)
    this.#pendingBytes += bytesOf(row)
    if (this.#pending.size > this.#limits.pending || this.#pendingBytes > this.#limits.bytes) this.#fallBehind()
    this.#wake?.()
  }

  tick(): void {
    if (!this.#notices.checkpoints || this.#now() - this.#checkpointAt < this.#limits.checkpointInterval) return
    this.#checkpointOwed = true
    this.#wake?.()
  }

  async #next(): Promise<IteratorResult<RunChange>> {
    try {
      if (this.#mode === 'UNSTARTED') await this.#begin()
      this.#dropOldPage()
      while (this.#mode !== 'ENDED') {
        // Asked before it is taken: while it waits, states collapse.
        const room = loopShare.ask(1)
        if (room !== null) await room
        if (this.#ended()) break
        const change = this.#take()
        if (change !== null) return this.#answer(change)
        if (this.#mode === 'BEHIND') await this.#readPage()
        else await this.#somethingHappens()
      }
      return { done: true, value: undefined }
    } catch (error) {
      // Whoever has left is told of no failure.
      if (this.#ended()) return { done: true, value: undefined }
      this.#end()
      throw error
    }
  }

  #answer(value: RunChange): IteratorResult<RunChange> {
    this.#answeredAt = this.#now()
    return { done: false, value }
  }

  async #begin(): Promise<void> {
    this.#mode = 'BEHIND'
    this.#position = await this.#start
    if (this.#mode !== 'BEHIND') return
    this.#oweNotices()
    await this.#hub.add(this)
  }

  /** What can be answered now, or null. */
  #take(): RunChange | null {
    const row = this.#page.shift() ?? this.#shiftPending()
    if (row !== undefined) {
      this.#position = row.cursor
      return { kind: 'EVENT', position: row.cursor, run: row }
    }
    if (this.#mode !== 'LIVE') return null
    this.#position = Math.max(this.#position, this.#hub.position)
    return this.#takeNotice()
  }

  #takeNotice(): RunChange | null {
    if (!this.#checkpointOwed && !this.#noticeOwed) return null
    const kind = this.#checkpointOwed ? 'CHECKPOINT' : 'CAUGHT_UP'
    if (this.#checkpointOwed) this.#checkpointAt = this.#now()
    this.#checkpointOwed = false
    this.#noticeOwed = false
    return { kind, position: this.#position, run: null }
  }

  #oweNotices(): void {
    this.#checkpointOwed ||= this.#notices.checkpoints
    this.#noticeOwed ||= this.#notices.caughtUp
  }

  #shiftPending(): RunRow | undefined {
    if (this.#mode !== 'LIVE') return undefined
    const [first] = this.#pending.values()
    if (first === undefined) return undefined
    this.#pending.delete(first.id)
    this.#pendingBytes -= bytesOf(first)
    return first
  }

  /** Reads on from its position up to the hub's, which feeds it from there: no gap, and nothing twice. */
  async #readPage(): Promise<void> {
    const began = this.#now()
    if (this.#hub.position > this.#position) await loopShare.wait(PAGE_READ)
    if (this.#mode !== 'BEHIND') return
    const upTo = this.#hub.position
    if (upTo <= this.#position) {
      this.#mode = 'LIVE'
      return
    }
    this.#mode = 'JOINING'
    const { page: limit } = this.#limits
    const rows = await this.#store.runChanges({ after: this.#position, upTo, jobIds: this.jobIds, limit })
    // After the rows: what was removed before they were read is not among them, and who cannot be told it must not go on as if it had been.
    refuseExpired(this.#store, this.#position, await this.#store.streamFloor())
    const tags = this.wantsTags ? await this.#hub.tagsOf(rows) : NO_TAGS
    if (this.#ended()) return

    const kept = within(rows, this.#limits.bytes)
    const last = kept.length === rows.length && rows.length < limit
    this.#page = kept.filter((row) => this.#wants(row, tags))
    this.#pageTook = this.#now() - began
    if (this.#page.length === 0) this.#position = last ? upTo : (kept.at(-1)?.cursor ?? upTo)
    if (!last) this.#fallBehind()
    else if (this.#mode === 'JOINING') this.#mode = 'LIVE'
  }

  /** Forgets what is pending: it lies in the store, behind the position. */
  #fallBehind(): void {
    const [first] = this.#pending.values()
    // All before it has been told, or did not match: a reader that seldom finds a match is not as far behind as the last one.
    if (first !== undefined && this.caughtUp) this.#position = Math.max(this.#position, first.cursor - 1)
    this.#pending.clear()
    this.#pendingBytes = 0
    if (this.#mode === 'LIVE' || this.#mode === 'JOINING') this.#mode = 'BEHIND'
    this.#oweNotices()
  }

  /**
   * A page that nobody asked for the rest of is read anew, so that a run is as it stands when it is delivered. Where many catch up at once,
   * to get a page takes seconds, and so may everything else: then it is kept for longer, or all would read and drop and tell nothing.
   * What is dropped has not been told, so nothing that is pending may move the position: it falls behind while it still has the page.
   */
  #dropOldPage(): void {
    if (this.#page.length === 0 || this.#now() - this.#answeredAt <= Math.max(UNREAD_FOR, 2 * this.#pageTook)) return
    this.#fallBehind()
    this.#page = []
  }

  async #somethingHappens(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    await promise
    this.#wake = null
  }

  #wants(row: RunRow, tags: JobTags): boolean {
    const { trigger, finalOnly, tags: wanted } = this.#filter
    if (finalOnly && !isFinal(row.status)) return false
    if (trigger !== null && !trigger.includes(row.trigger)) return false
    if (!this.wantsTags) return true
    const ofJob = tags.get(row.jobId)
    return ofJob !== undefined && (wanted ?? []).every((tag) => ofJob.has(tag))
  }

  #ended(): boolean {
    return this.#mode === 'ENDED'
  }

  #end(): void {
    if (this.#mode === 'ENDED') return
    this.#mode = 'ENDED'
    this.#hub.remove(this)
    this.#pending.clear()
    this.#pendingBytes = 0
    this.#page = []
    this.#wake?.()
  }
}

const NO_TAGS: JobTags = new Map()
/** A page is kept for so long, in milliseconds. */
const UNREAD_FOR = 1_000

/** The first rows that together stay within `bytes`, at least one. */
function within(rows: readonly RunRow[], bytes: number): readonly RunRow[] {
  let sum = 0
  const end = rows.findIndex((row, index) => {
    sum += bytesOf(row)
    return index > 0 && sum > bytes
  })
  return end === -1 ? rows : rows.slice(0, end)
}

/** About what a row holds in memory. */
function bytesOf(row: RunRow): number {
  return (
    1_000 +
    2 * ((row.payload?.length ?? 0) + (row.output?.length ?? 0) + (row.error?.message.length ?? 0) + (row.error?.stack?.length ?? 0))
  )
}
