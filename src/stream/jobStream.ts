import { type Instant, SECOND } from '../domain/instant.ts'
import type { JobChange } from '../domain/job.ts'
import { factsOf, type JobFilter, type KnownFacts, mayMatch } from '../domain/jobFilter.ts'
import type { Bus } from '../engine/bus/bus.ts'
import type { JobEventRow, JobRow, Store } from '../engine/store/store.ts'
import { encodeCursor } from './cursor.ts'
import type { HubLog } from './hub.ts'
import { JobHub, type KnownJob } from './jobHub.ts'
import { asSource, type LiveItem, type LiveReader, type Source } from './liveSource.ts'
import { PullReader } from './pullReader.ts'
import { positionOf, refuseExpired, startAt } from './resume.ts'

export interface JobStreamQuery {
  /** Null: all jobs. */
  readonly filter: JobFilter | null
  /** A cursor to go on from, or null for what happens next. */
  readonly after: string | null
  /** Whether to be told the cursor when caught up, and every 30 s. */
  readonly checkpoints: boolean
}

/** A change of a job; or, where `change` is null, a checkpoint. */
export interface JobEvent {
  readonly cursor: string
  readonly at: Instant
  readonly change: JobChange | null
  readonly jobId: string | null
  /** As it stands when it is told. Null once deleted. */
  readonly job: JobRow | null
  /** Whether it lives and passes the filter now. False: it passed before the change, or may have. Null in a checkpoint. */
  readonly matches: boolean | null
}

/** Changes of jobs: what was missed since a cursor, then what happens, until the reader leaves. */
export interface JobStream {
  /**
   * The place to start from is fixed by this call, not by the first `next()`. An `after` that cannot be resumed from rejects the first
   * `next()` with a StreamError. Cursors rise; every event that passes the filter is told.
   * Whoever wants equal subscriptions told together takes its `[LIVE]` and does not iterate.
   */
  jobChanges(query: JobStreamQuery): Source<JobEvent>
  /** How many readers follow now. Equal subscriptions that are told together have one. */
  readonly readers: number
}

export interface JobStreamDeps {
  readonly store: Store
  readonly bus: Bus
  readonly log: HubLog
  /** The wall clock. */
  readonly now?: () => Instant
  /** How often the store is asked although no hint came, in milliseconds. */
  readonly pollInterval?: number
  /** Between two checkpoints, in milliseconds. */
  readonly checkpointInterval?: number
  /** Changes asked from the store at once. */
  readonly page?: number
}

export function createJobStream(deps: JobStreamDeps): JobStream {
  const { store, bus, log, now = Date.now, pollInterval = SECOND, checkpointInterval = 30 * SECOND, page = 100 } = deps
  const hub = new JobHub(store, bus, log, { pollInterval, page })
  const reading = { store, hub, now, checkpointInterval }
  return {
    jobChanges({ filter, after, checkpoints }) {
      const start = startAt(store, after, () => store.jobStreamFloor())
      // Where nobody ever reads, nobody hears of a cursor that is not good either.
      start.catch(() => {})
      const open = () => new JobReader(reading, filter, { checkpoints, caughtUp: false }, positionOf(start))
      const read = (from: number) => new JobReader(reading, filter, { checkpoints, caughtUp: true }, Promise.resolve(from))
      return asSource(open, { start, startArgument: 'after', checkpoints, read })
    },
    get readers() {
      return hub.size
    },
  }
}

interface Reading {
  readonly store: Store
  readonly hub: JobHub
  readonly now: () => Instant
  readonly checkpointInterval: number
}

/** A row of the store, or what is told of the place alone. */
type Told = JobEventRow | 'CHECKPOINT' | 'CAUGHT_UP'

/** What a reader is told besides changes. */
interface Notices {
  /** A checkpoint when caught up, and at every interval. */
  readonly checkpoints: boolean
  /** That it has caught up. */
  readonly caughtUp: boolean
}

class JobReader extends PullReader<Told, LiveItem<JobEvent>> implements LiveReader<JobEvent> {
  readonly #deps: Reading
  readonly #filter: JobFilter | null
  readonly #notices: Notices
  readonly #start: Promise<number>
  #position = 0
  #caughtUp = false
  /** All changes up to here have been read, though perhaps not told. */
  #read = 0
  #noticeOwed: boolean
  #checkpointOwed: boolean
  #checkpointAt = 0

  /** `start`: the position after which it reads. */
  constructor(deps: Reading, filter: JobFilter | null, notices: Notices, start: Promise<number>) {
    super()
    this.#deps = deps
    this.#filter = filter
    this.#notices = notices
    this.#start = start
    this.#noticeOwed = notices.caughtUp
    this.#checkpointOwed = notices.checkpoints
  }

  get position(): number {
    return this.#position
  }

  get caughtUp(): boolean {
    return this.#caughtUp
  }

  tick(): void {
    if (!this.#notices.checkpoints || performance.now() - this.#checkpointAt < this.#deps.checkpointInterval) return
    this.#checkpointOwed = true
    this.wake()
  }

  protected async open(): Promise<void> {
    this.#read = await this.#start
    this.#position = this.#read
    // Before the first read: no change falls between.
    if (!this.ended) this.#deps.hub.add(this)
  }

  protected async read(): Promise<readonly Told[]> {
    const { store, hub } = this.#deps
    const head = await store.streamHead()
    const rows = head > this.#read ? await hub.page(this.#read, head) : []
    // After the rows: one that was not read from for so long must not go on as if what was removed meanwhile had been told.
    if (head > this.#read) refuseExpired(store, this.#read, await store.jobStreamFloor())
    this.#read = rows.at(-1)?.cursor ?? Math.max(head, this.#read)
    if (rows.length > 0) return rows
    // The page before this one was told to its end, and nothing came after it.
    this.#position = this.#read
    this.#caughtUp = true
    if (this.#checkpointOwed) return ['CHECKPOINT']
    return this.#noticeOwed ? ['CAUGHT_UP'] : []
  }

  protected async deliver(told: Told): Promise<LiveItem<JobEvent> | null> {
    if (typeof told === 'string') return this.#notice(told)
    const known = await this.#deps.hub.job(told.jobId)
    const verdict = judge(told, known, this.#filter, this.#deps.now())
    const { cursor, at, change, jobId } = told
    this.#position = cursor
    if (verdict === 'NOTHING_OF_IT') return null
    const job = known?.lives ? known.row : null
    const event = { cursor: this.#cursor(cursor), at, change, jobId, job, matches: verdict === 'MATCHES' }
    return { kind: 'EVENT', position: cursor, event }
  }

  protected close(): void {
    this.#deps.hub.remove(this)
  }

  #notice(kind: 'CHECKPOINT' | 'CAUGHT_UP'): LiveItem<JobEvent> {
    const position = this.#position
    this.#noticeOwed = false
    if (kind === 'CAUGHT_UP') return { kind, position }
    this.#checkpointOwed = false
    this.#checkpointAt = performance.now()
    const event = { cursor: this.#cursor(position), at: this.#deps.now(), change: null, jobId: null, job: null, matches: null }
    return { kind, position, event }
  }

  #cursor(position: number): string {
    return encodeCursor(this.#deps.store.databaseId, position)
  }
}

/**
 * What a change is to one who shows the jobs of a filter. LEFT: the job is not among them, but it was before the change; or so it may
 * have been, where too little is known of a job that is gone.
 */
function judge(
  { change, before }: JobEventRow,
  known: KnownJob | null,
  filter: JobFilter | null,
  now: Instant,
): 'MATCHES' | 'LEFT' | 'NOTHING_OF_IT' {
  const lives = known?.lives === true && change !== 'DELETED'
  if (filter === null) return lives ? 'MATCHES' : 'LEFT'
  const facts: KnownFacts =
    known === null ? {} : { ...factsOf(known.row.job, known.row.position, now), lastRunStatus: known.row.lastRunStatus }
  const factsBefore = { ...facts, ...before }
  // Nothing comes after a deletion: what the job was before it is all that will ever be known.
  const passes = mayMatch(filter, change === 'DELETED' ? factsBefore : facts)
  if (lives && passes) return 'MATCHES'
  return passes || (before !== null && mayMatch(filter, factsBefore)) ? 'LEFT' : 'NOTHING_OF_IT'
}
