import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { LogLevel } from '../../domain/run.ts'
import type { Log } from '../../log.ts'
import type { AbortCause } from '../runContext.ts'
import { tellLines } from '../targets/commandOutput.ts'
import { failure, type Order, type Task, type TaskEnd, type Told } from './protocol.ts'

const ENTRY = fileURLToPath(new URL('./hostEntry.ts', import.meta.url))
/** After an abort the host answers within 5 s and a little; a host that does not is ended. */
const ANSWER_WITHIN = 5_600

export type HostLog = Pick<Log, 'debug' | 'info' | 'warn' | 'error'>

/** Where a task tells of itself. */
export interface Telling {
  log(level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void
  progress(percent: number): void
}

interface Pending {
  readonly telling: Telling
  readonly settle: (end: TaskEnd) => void
}

/** One host process, seen from the server. It is started with the object and gone after `close`, or before by itself. */
export class HandlerHost {
  readonly #child: ChildProcess
  readonly #pending = new Map<number, Pending>()
  readonly #aborted = new Set<number>()
  readonly #log: HostLog
  readonly #alone: boolean
  readonly #gone: Promise<void>
  #ids = 0
  #closing = false
  #alive = true

  /** `alone`: it performs one task only, which is at fault for whatever befalls the process. */
  constructor({ threads, alone, log }: { readonly threads: number; readonly alone: boolean; readonly log: HostLog }) {
    this.#log = log
    this.#alone = alone
    this.#child = fork(ENTRY, [String(threads)], { execArgv: [], stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
    this.#child.on('message', (told: Told) => this.#hear(told))
    if (this.#child.stdout) void tellLines(this.#child.stdout, (line) => log.info({ from: 'handlers' }, line))
    if (this.#child.stderr) void tellLines(this.#child.stderr, (line) => log.warn({ from: 'handlers' }, line))
    this.#gone = new Promise((resolve) => {
      const ended = (reason: string) => {
        this.#lost(reason)
        resolve()
      }
      this.#child.once('error', (error) => ended(error.message))
      this.#child.once('exit', (code, signal) => ended(signal === null ? `it exited with code ${code}` : `it was ended by ${signal}`))
    })
    // A message that cannot be sent is a process that is ending, which is told by its exit.
    this.#child.on('error', () => {})
  }

  /** False: nothing can be performed there any more. */
  get alive(): boolean {
    return this.#alive && !this.#closing
  }

  /** Never rejects. */
  perform(task: Task, signal: AbortSignal, telling: Telling): Promise<TaskEnd> {
    if (signal.aborted || !this.alive)
      return Promise.resolve(signal.aborted ? { kind: 'ended' } : { kind: 'interrupted', culpritKnown: true })
    const id = ++this.#ids
    return new Promise((resolve) => {
      let overdue: NodeJS.Timeout | undefined
      const abort = () => {
        this.#aborted.add(id)
        this.#send({ kind: 'abort', id, cause: String(signal.reason) as AbortCause })
        overdue = setTimeout(() => this.#child.kill('SIGKILL'), ANSWER_WITHIN)
      }
      const settle = (end: TaskEnd) => {
        signal.removeEventListener('abort', abort)
        clearTimeout(overdue)
        this.#pending.delete(id)
        this.#aborted.delete(id)
        resolve(end)
      }
      this.#pending.set(id, { telling, settle })
      signal.addEventListener('abort', abort, { once: true })
      this.#send({ kind: 'start', id, task })
    })
  }

  /** Ends the process at once. What is under way there is interrupted. */
  async close(): Promise<void> {
    this.#closing = true
    this.#child.kill('SIGKILL')
    await this.#gone
  }

  #send(order: Order): void {
    this.#child.send(order, () => {})
  }

  #hear(told: Told): void {
    if (told.kind === 'stray') {
      this.#log[STRAY_LEVELS[told.level]]({ from: 'handlers' }, told.message)
      return
    }
    const pending = this.#pending.get(told.id)
    if (pending === undefined) return
    switch (told.kind) {
      case 'log':
        pending.telling.log(told.level, told.message, told.fields === null ? undefined : JSON.parse(told.fields))
        break
      case 'progress':
        pending.telling.progress(told.percent)
        break
      case 'end':
        pending.settle(told.end)
        break
    }
  }

  #lost(reason: string): void {
    this.#alive = false
    if (!this.#closing) this.#log.error({ tasks: this.#pending.size, reason }, 'the process that performs handlers ended')
    for (const [id, { settle }] of [...this.#pending]) {
      if (this.#aborted.has(id)) settle({ kind: 'ended' })
      else if (this.#alone && !this.#closing)
        settle({ kind: 'failed', failure: failure('HANDLER_CRASHED', `The handler broke its process: ${reason}.`, true) })
      else settle({ kind: 'interrupted', culpritKnown: this.#closing })
    }
  }
}

const STRAY_LEVELS = { DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const
