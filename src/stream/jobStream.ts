import { type Instant, SECOND } from '../domain/instant.ts'
import type { JobChange } from '../domain/job.ts'
import { factsOf, type JobFilter, type KnownFacts, mayMatch } from '../domain/jobFilter.ts'
import type { Bus } from '../engine/bus/bus.ts'
import type { JobEventRow, JobRow, Store } from '../engine/store/store.ts'
import { encodeCursor } from './cursor.ts'
import type { HubLog } from './hub.ts'
import { JobHub, type KnownJob } from './jobHub.ts'
import { PullReader } from './pullReader.ts'
import { resumeFrom } from './resume.ts'

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
   */
  jobChanges(query: JobStreamQuery): AsyncIterableIterator<JobEvent>
  /** How many readers follow now. */
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
}

export function createJobStream(deps: JobStreamDeps): JobStream {
  const { store, bus, log, now = Date.now, pollInterval = SECOND, checkpointInterval = 30 * SECOND } = deps
  const hub = new JobHub(store, bus, log, pollInterval)
  return {
    jobChanges(query) {
      const start = query.after === null ? store.streamHead() : resumeFrom(store, query.after, store.jobStreamFloor())
      return new JobReader({ store, hub, now, checkpointInterval }, query, start)
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

/** A row of the store, or a checkpoint that is due. */
type Told = JobEventRow | 'CHECKPOINT'

class JobReader extends PullReader<Told, JobEvent> {
  readonly #deps: Reading
  readonly #query: JobStreamQuery
  readonly #start: Promise<number>
  /** All changes up to here have been read. */
  #position = 0
  #checkpointOwed: boolean
  #checkpointAt = 0

  constructor(deps: Reading, query: JobStreamQuery, start: Promise<number>) {
    super()
    this.#deps = deps
    this.#query = query
    this.#start = start
    this.#checkpointOwed = query.checkpoints
    // Where nobody ever pulls, nobody hears of a cursor that is not good either.
    start.catch(() => {})
  }

  tick(): void {
    if (!this.#query.checkpoints || performance.now() - this.#checkpointAt < this.#deps.checkpointInterval) return
    this.#checkpointOwed = true
    this.wake()
  }

  protected async open(): Promise<void> {
    this.#position = await this.#start
    // Before the first read: no change falls between.
    if (!this.ended) this.#deps.hub.add(this)
  }

  protected async read(): Promise<readonly Told[]> {
    const head = await this.#deps.store.streamHead()
    const rows = head > this.#position ? await this.#deps.hub.page(this.#position, head) : []
    this.#position = rows.at(-1)?.cursor ?? Math.max(head, this.#position)
    if (rows.length > 0 || !this.#checkpointOwed) return rows
    this.#checkpointOwed = false
    this.#checkpointAt = performance.now()
    return ['CHECKPOINT']
  }

  protected async deliver(told: Told): Promise<JobEvent | null> {
    if (told === 'CHECKPOINT') {
      return { cursor: this.#cursor(this.#position), at: this.#deps.now(), change: null, jobId: null, job: null, matches: null }
    }
    const known = await this.#deps.hub.job(told.jobId)
    const verdict = judge(told, known, this.#query.filter, this.#deps.now())
    if (verdict === 'NOTHING_OF_IT') return null
    const { cursor, at, change, jobId } = told
    return { cursor: this.#cursor(cursor), at, change, jobId, job: known?.lives ? known.row : null, matches: verdict === 'MATCHES' }
  }

  protected close(): void {
    this.#deps.hub.remove(this)
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
