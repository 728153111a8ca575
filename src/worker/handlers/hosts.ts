import { availableParallelism } from 'node:os'
import { HandlerHost, type HostLog, type Telling } from './host.ts'
import { failure, type Task, type TaskEnd } from './protocol.ts'

/** Threads that the shared host keeps. */
const THREADS = Math.min(4, Math.max(2, availableParallelism()))
/** Processes for runs that go alone. */
const MAX_ALONE = 4
/** So many ends of its thread that nobody can be blamed for, and a run is blamed. */
const MAX_UNEXPLAINED = 3
/** Runs whose interruptions are remembered. */
const REMEMBERED = 10_000

/**
 * Performs tasks in host processes: in one that all share, or in one of their own. A run that was interrupted goes alone the next time,
 * while there is room: there it is safe from its neighbours, and what happens there is its own doing.
 */
export class HandlerHosts {
  readonly #log: HostLog
  #shared: HandlerHost | null = null
  readonly #alone = new Set<HandlerHost>()
  /** How often runs were interrupted, by the run's id. */
  readonly #interruptions = new Map<string, number>()
  #closed = false

  constructor(log: HostLog) {
    this.#log = log
  }

  /** Never rejects. Resolves within 6 s of an abort. */
  async perform(task: Task, signal: AbortSignal, telling: Telling): Promise<TaskEnd> {
    if (this.#closed) return { kind: 'interrupted', culpritKnown: true }
    if (task.kind !== 'run') return this.#sharedHost().perform(task, signal, telling)
    const { runId } = task.facts
    const before = this.#interruptions.get(runId) ?? 0
    const end =
      before > 0 && this.#alone.size < MAX_ALONE
        ? await this.#performAlone(task, signal, telling)
        : await this.#sharedHost().perform(task, signal, telling)
    this.#interruptions.delete(runId)
    if (end.kind !== 'interrupted') return end
    if (!end.culpritKnown && before + 1 >= MAX_UNEXPLAINED) return { kind: 'failed', failure: UNEXPLAINED }
    this.#remember(runId, before + 1)
    return end
  }

  /** Ends all processes at once. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([this.#shared, ...this.#alone].map((host) => host?.close()))
  }

  #sharedHost(): HandlerHost {
    if (this.#shared === null || !this.#shared.alive) this.#shared = new HandlerHost({ threads: THREADS, alone: false, log: this.#log })
    return this.#shared
  }

  async #performAlone(task: Task, signal: AbortSignal, telling: Telling): Promise<TaskEnd> {
    const host = new HandlerHost({ threads: 1, alone: true, log: this.#log })
    this.#alone.add(host)
    const end = await host.perform(task, signal, telling)
    await host.close()
    this.#alone.delete(host)
    return end
  }

  #remember(runId: string, count: number): void {
    const [oldest] = this.#interruptions.keys()
    if (this.#interruptions.size >= REMEMBERED && oldest !== undefined) this.#interruptions.delete(oldest)
    this.#interruptions.set(runId, count)
  }
}

const UNEXPLAINED = failure(
  'HANDLER_CRASHED',
  `The handler's thread ended under it ${MAX_UNEXPLAINED} times, and it is not known which of the runs that shared it was at fault.`,
  true,
)
