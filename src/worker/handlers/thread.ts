import { Worker } from 'node:worker_threads'
import type { AbortCause } from '../runContext.ts'
import { type Task, type TaskFailure, type ThreadData, type ThreadOrder, type ThreadTold, UNCLAIMED, withdrawTask } from './protocol.ts'

/** V8's own limit, in MB. The pool ends a thread well before: V8 may end the whole process at its limit. */
const V8_HEAP_MB = 1024

const ENTRY = new URL('./threadEntry.ts', import.meta.url)

export interface ThreadEvents {
  told(thread: HandlerThread, told: Exclude<ThreadTold, { kind: 'pong' | 'fault' }>): void
  /** It answers, for the first time or after a silence. */
  answered(): void
  /** It ended without having been asked to. `fault` is what it said last, if it said why. */
  died(thread: HandlerThread, fault: { readonly id: number | null; readonly failure: TaskFailure } | null, reason: string): void
}

/**
 * One worker thread, seen from the host process. A task that was sent is not thereby started: the thread claims it when it comes to
 * it, and until then it can be withdrawn.
 */
export class HandlerThread {
  readonly #worker: Worker
  readonly #claims = new Map<number, Int32Array>()
  readonly #linesAhead = new Int32Array(new SharedArrayBuffer(4))
  #ended = false
  #opened = false
  #unanswered = 0
  #fault: { readonly id: number | null; readonly failure: TaskFailure } | null = null

  constructor(events: ThreadEvents) {
    const data: ThreadData = { linesAhead: this.#linesAhead }
    this.#worker = new Worker(ENTRY, { workerData: data, execArgv: [], resourceLimits: { maxOldGenerationSizeMb: V8_HEAP_MB } })
    this.#worker.on('message', (told: ThreadTold) => this.#hear(told, events))
    let reason = ''
    this.#worker.on('error', (error) => {
      reason = error.message
    })
    this.#worker.on('exit', (code) => {
      if (this.#ended) return
      this.#ended = true
      events.died(this, this.#fault, reason || `it exited with code ${code}`)
    })
  }

  /** Tasks sent and not ended, started or not. */
  get load(): number {
    return this.#claims.size
  }

  /** Whether it ever answered. */
  get opened(): boolean {
    return this.#opened
  }

  /** How many looks in a row found a ping unanswered, or the thread not yet open. It may talk all the while, and listen to nothing. */
  get silence(): number {
    return this.#unanswered
  }

  send(id: number, task: Task): void {
    const claim = new Int32Array(new SharedArrayBuffer(4)).fill(UNCLAIMED)
    this.#claims.set(id, claim)
    this.#post({ kind: 'start', id, task, claim })
  }

  abort(id: number, cause: AbortCause): void {
    this.#post({ kind: 'abort', id, cause })
  }

  /** Takes a task back that has not started. False: it has. */
  withdraw(id: number): boolean {
    const claim = this.#claims.get(id)
    if (claim === undefined || !withdrawTask(claim)) return false
    this.#claims.delete(id)
    return true
  }

  /** The task has ended, one way or another. */
  forget(id: number): void {
    this.#claims.delete(id)
  }

  /** Asks for a sign of life, unless one is still due. Called at a regular pace. */
  look(): void {
    if (this.#unanswered === 0) this.#post({ kind: 'ping' })
    this.#unanswered += 1
  }

  /** A line of it has been passed on. */
  lineTaken(): void {
    Atomics.sub(this.#linesAhead, 0, 1)
    Atomics.notify(this.#linesAhead, 0)
  }

  /** Bytes that its JavaScript holds, buffers included. Never answers while it runs certain loops. */
  async memory(): Promise<number> {
    const { used_heap_size, external_memory } = await this.#worker.getHeapStatistics()
    return used_heap_size + external_memory
  }

  /** Ends it. Resolves when it is gone, which may be never: V8 cannot interrupt every loop. */
  async end(): Promise<void> {
    this.#ended = true
    await this.#worker.terminate()
  }

  #hear(told: ThreadTold, events: ThreadEvents): void {
    if (this.#ended) return
    if (told.kind === 'fault') {
      this.#fault = told
    } else if (told.kind === 'pong') {
      const waitedFor = !this.#opened || this.#unanswered > 1
      this.#opened = true
      this.#unanswered = 0
      if (waitedFor) events.answered()
    } else {
      events.told(this, told)
    }
  }

  #post(order: ThreadOrder): void {
    this.#worker.postMessage(order)
  }
}
