import type { Bus } from '../engine/bus/bus.ts'
import type { LogLineRow, Store } from '../engine/store/store.ts'
import { decodeLogCursor, encodeLogCursor } from './cursor.ts'
import { StreamError } from './errors.ts'
import type { Hub } from './hub.ts'
import { LogHub } from './logHub.ts'
import { PullReader } from './pullReader.ts'

export interface LogStreamQuery {
  readonly runId: string
  /** A cursor of this run's log to go on from, or null for all lines. */
  readonly after: string | null
}

/** A line, and the cursor that goes on behind it. */
export interface LogEvent {
  readonly cursor: string
  readonly line: LogLineRow
}

/** Logs as they are written. */
export interface LogStream {
  /**
   * The lines of a run so far, then those that come, in order and each once; done when the run has ended, or is gone. The first
   * `next()` rejects with a StreamError where there is no such run, or `after` cannot be resumed from.
   */
  runLogs(query: LogStreamQuery): AsyncIterableIterator<LogEvent>
  /** How many follow logs now. */
  readonly readers: number
}

export function createLogStream({ store, bus, hub }: { readonly store: Store; readonly bus: Bus; readonly hub: Hub }): LogStream {
  const logs = new LogHub(store, bus, hub)
  return {
    runLogs: ({ runId, after }) => new LogReader(store, logs, runId, after),
    get readers() {
      return logs.size
    },
  }
}

/** One follower of a run's log: reads pages of lines from the store, from the last line it has told. */
class LogReader extends PullReader<LogLineRow, LogEvent> {
  readonly runId: string
  readonly #store: Store
  readonly #logs: LogHub
  readonly #after: string | null
  #seq = 0
  #last = false

  constructor(store: Store, logs: LogHub, runId: string, after: string | null) {
    super()
    this.#store = store
    this.#logs = logs
    this.runId = runId
    this.#after = after
  }

  protected async open(): Promise<void> {
    if ((await this.#store.run(this.runId)) === null) {
      throw new StreamError('NOT_FOUND', `There is no run "${this.runId.slice(0, 100)}", or it was removed by age or with its job.`)
    }
    if (this.#after !== null) this.#seq = await this.#resumeFrom(this.#after)
    if (!this.ended) await this.#logs.add(this)
  }

  protected async read(): Promise<readonly LogLineRow[] | null> {
    if (this.#last) return null
    const { lines, last } = await this.#logs.look(this.runId, this.#seq)
    const end = lines.at(-1)
    if (end !== undefined) this.#seq = end.seq
    this.#last = last
    return last && lines.length === 0 ? null : lines
  }

  protected deliver(line: LogLineRow): LogEvent {
    return { cursor: encodeLogCursor(this.#store.databaseId, this.runId, line.seq), line }
  }

  protected close(): void {
    this.#logs.remove(this)
  }

  async #resumeFrom(cursor: string): Promise<number> {
    const seq = decodeLogCursor(this.#store.databaseId, this.runId, cursor)
    const [newest] = await this.#store.logLines({ runId: this.runId, after: null, before: null, fromEnd: true, limit: 1 })
    if (seq <= (newest?.seq ?? 0)) return seq
    throw new StreamError(
      'CURSOR_INVALID',
      'The cursor is ahead of the log: the database was put back to an earlier state. Read the log anew, without `after`.',
    )
  }
}
