import type { AbortCause } from '../runContext.ts'
import { failure, type Order, type Task, type TaskEnd, type TaskFailure, type Told } from './protocol.ts'
import { HandlerThread, type ThreadEvents } from './thread.ts'

/** How long a task may go on after it was told to end; then its thread is ended. */
const GRACE = 5_000
const LOOK_EVERY = 100
/** So many looks without an answer (300 ms), and a thread gets no tasks, and those that it has not started go elsewhere. */
const SILENT = 3
/** So many (10 s), and a thread is ended that several tasks share, of which one holds up the others, or that none is left on. */
const STALLED = 100
/** So many (30 s), and a thread will never start. */
const NEVER_STARTED = 300
const MEASURE_EVERY = 5
/** Bytes. Measured from outside every half second, because V8, at its own limit, may end the whole process. */
const MEMORY_LIMIT = 384 * 1024 * 1024
/** Tasks that share a thread while another can still be started. */
const SHARE = 64
/** How long a thread may take to end that was told to; see `unending`. */
const TERMINATION = 2_000

const HELD_UP = failure('HANDLER_CRASHED', 'The handler held up its thread.', true)
const OUT_OF_MEMORY = failure('HANDLER_OUT_OF_MEMORY', `The handler's thread held more than ${MEMORY_LIMIT / 1024 / 1024} MB.`, true)

export interface PoolOptions {
  /** Threads that are kept. While threads are silent or full, up to four times as many are started. */
  readonly threads: number
  /** `taken` says that the server has taken it; threads wait for that when they log too fast. */
  readonly tell: (told: Told, taken?: () => void) => void
  /** A thread cannot be ended: the whole process must be. */
  readonly unending: () => void
}

interface PooledTask {
  readonly id: number
  readonly task: Task
  thread: HandlerThread | null
  aborted: boolean
  grace: NodeJS.Timeout | undefined
}

/**
 * Who is at fault for the end of a thread: a task; one that has ended (`gone`); one of those on it, or the only one there (`unknown`);
 * one of those on it or one that has just ended (`shared`).
 */
type Culprit = PooledTask | 'gone' | 'unknown' | 'shared'

/**
 * Shares out tasks among threads. A task goes to the least busy thread that answers, never behind one that does not. A thread ends when
 * one of its tasks breaks it, fills its memory, or does not end when told to; the tasks that shared it are then `interrupted`.
 */
export class HandlerPool {
  readonly #options: PoolOptions
  readonly #threads = new Set<HandlerThread>()
  readonly #tasks = new Map<number, PooledTask>()
  /** Tasks that no thread can take now. */
  #waiting: PooledTask[] = []
  #looks = 0

  constructor(options: PoolOptions) {
    this.#options = options
    setInterval(() => this.#look(), LOOK_EVERY)
  }

  order(order: Order): void {
    if (order.kind === 'abort') {
      this.#abort(order.id, order.cause)
      return
    }
    const task: PooledTask = { id: order.id, task: order.task, thread: null, aborted: false, grace: undefined }
    this.#tasks.set(task.id, task)
    this.#place(task)
  }

  /** Ends all tasks, because the process will end for what one of them did that is known. */
  interruptAll(): void {
    for (const task of [...this.#tasks.values()]) this.#settle(task, { kind: 'interrupted', culpritKnown: true })
  }

  #place(task: PooledTask): void {
    const answering = [...this.#threads].filter((thread) => thread.silence < SILENT || !thread.opened)
    const best = answering.reduce<HandlerThread | null>(
      (least, thread) => (least === null || thread.load < least.load ? thread : least),
      null,
    )
    const { threads } = this.#options
    const another = best === null || best.load >= SHARE ? this.#threads.size < threads * 4 : best.load > 0 && this.#threads.size < threads
    task.thread = another ? this.#startThread() : best
    if (task.thread === null) this.#waiting.push(task)
    else task.thread.send(task.id, task.task)
  }

  #placeWaiting(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const task of waiting) this.#place(task)
  }

  #startThread(): HandlerThread {
    const thread = new HandlerThread(this.#events)
    this.#threads.add(thread)
    return thread
  }

  readonly #events: ThreadEvents = {
    told: (thread, told) => {
      if (told.kind === 'end') {
        const task = this.#tasks.get(told.id)
        if (task) this.#settle(task, told.end)
        this.#retire(thread)
      } else if (told.kind === 'stray' || this.#tasks.has(told.id)) {
        this.#options.tell(told, told.kind === 'progress' ? undefined : () => thread.lineTaken())
      } else if (told.kind === 'log') {
        thread.lineTaken()
      }
    },
    answered: () => this.#placeWaiting(),
    died: (thread, said, reason) => {
      const fault = said?.failure ?? failure('HANDLER_CRASHED', `The handler's thread ended: ${reason}`, true)
      const culprit = said === null || said.id === null ? 'unknown' : (this.#tasks.get(said.id) ?? 'gone')
      this.#scatter(thread, culprit, fault)
    },
  }

  #abort(id: number, cause: AbortCause): void {
    const task = this.#tasks.get(id)
    if (task === undefined || task.aborted) return
    task.aborted = true
    if (task.thread === null || task.thread.withdraw(id)) {
      this.#settle(task, { kind: 'ended' })
      return
    }
    task.thread.abort(id, cause)
    task.grace = setTimeout(() => {
      const { thread } = task
      this.#settle(task, { kind: 'ended' })
      // A thread that answers holds a task that does not listen. One that does not may be held up by this task or another.
      if (thread !== null) this.#end(thread, thread.silence < SILENT || thread.load === 0 ? 'gone' : 'shared', HELD_UP)
    }, GRACE)
  }

  /** One look at all threads; called every 100 ms, so that a count of looks is a time in which this process did run. */
  #look(): void {
    this.#looks += 1
    for (const thread of [...this.#threads]) {
      thread.look()
      const { silence, load, opened } = thread
      if (!opened) {
        if (silence >= NEVER_STARTED)
          this.#end(thread, 'unknown', failure('HANDLER_CRASHED', "The handler's thread did not start within 30 s.", true))
        continue
      }
      if (silence === SILENT) this.#withdrawAll(thread)
      if (silence >= STALLED && load !== 1) this.#end(thread, 'unknown', HELD_UP)
      else if (this.#looks % MEASURE_EVERY === 0) this.#measure(thread)
    }
  }

  #measure(thread: HandlerThread): void {
    thread.memory().then(
      (bytes) => {
        if (bytes <= MEMORY_LIMIT || !this.#threads.has(thread)) return
        this.#end(thread, 'unknown', OUT_OF_MEMORY)
      },
      // It has just ended.
      () => {},
    )
  }

  /** Tasks that a silent thread has not started go elsewhere. */
  #withdrawAll(thread: HandlerThread): void {
    for (const task of this.#tasksOf(thread)) if (thread.withdraw(task.id)) this.#place(task)
  }

  #end(thread: HandlerThread, culprit: Culprit, fault: TaskFailure): void {
    if (!this.#threads.has(thread)) return
    this.#terminate(thread)
    this.#scatter(thread, culprit, fault)
  }

  #terminate(thread: HandlerThread): void {
    this.#threads.delete(thread)
    const overdue = setTimeout(this.#options.unending, TERMINATION)
    void thread.end().finally(() => clearTimeout(overdue))
  }

  /** A thread is gone. What it had started has ended; what it had not goes elsewhere. */
  #scatter(thread: HandlerThread, culprit: Culprit, fault: TaskFailure): void {
    this.#threads.delete(thread)
    const tasks = this.#tasksOf(thread)
    const started = thread.opened ? tasks.filter((task) => !thread.withdraw(task.id)) : tasks
    // What was alone on its thread is at fault for what befell it. A thread that never opened would not open for others either.
    const guilty = culprit === 'unknown' && (started.length === 1 || !thread.opened) ? started : [culprit]
    for (const task of tasks) {
      if (!started.includes(task)) this.#place(task)
      else if (task.aborted) this.#settle(task, { kind: 'ended' })
      else if (guilty.includes(task)) this.#settle(task, { kind: 'failed', failure: fault })
      else this.#settle(task, { kind: 'interrupted', culpritKnown: culprit !== 'unknown' && culprit !== 'shared' })
    }
    this.#placeWaiting()
  }

  /** A thread beyond those that are kept goes when it has nothing to do. */
  #retire(thread: HandlerThread): void {
    if (thread.load === 0 && this.#threads.size > this.#options.threads && this.#threads.has(thread)) this.#terminate(thread)
  }

  #settle(task: PooledTask, end: TaskEnd): void {
    if (!this.#tasks.delete(task.id)) return
    clearTimeout(task.grace)
    task.thread?.forget(task.id)
    this.#waiting = this.#waiting.filter((each) => each !== task)
    this.#options.tell({ kind: 'end', id: task.id, end })
  }

  #tasksOf(thread: HandlerThread): PooledTask[] {
    return [...this.#tasks.values()].filter((task) => task.thread === thread)
  }
}
