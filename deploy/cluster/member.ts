import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { type Backoff, Pause } from './backoff.ts'
import { type Guard, startGuard } from './guard.ts'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const READY = /^orrery ready on (\S+)/
/** Beyond what the process itself waits for attempts under way. */
const STOP_GRACE = 15_000

export interface MemberOptions {
  /** `worker-2`, say. */
  readonly name: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** How long the process waits for attempts under way when it is told to stop. */
  readonly drainTimeout: number
  /** How long to wait before it is started again, by how often it has ended shortly after its start. */
  readonly backoff: Backoff
  /** A line that it wrote. */
  readonly write: (line: string) => void
  /** What is to be said of it. */
  readonly say: (text: string) => void
}

/** One process of the product, which is started again whenever it ends by itself. */
export class Member {
  readonly name: string
  readonly #options: MemberOptions
  readonly #stopping = new AbortController()
  readonly #everReady = Promise.withResolvers<string>()
  #child: ChildProcess | null = null
  #supervision: Promise<void> | null = null
  #wasReady = false

  constructor(options: MemberOptions) {
    this.name = options.name
    this.#options = options
  }

  /** Null between an end and the next start. */
  get pid(): number | null {
    return this.#child?.pid ?? null
  }

  /**
   * Resolves with its address when it is ready for the first time; from then on it is kept running. Rejects where it ends before: that
   * is a mistake in the configuration, which repetition would not mend.
   */
  start(): Promise<string> {
    this.#supervision = this.#supervise()
    return this.#everReady.promise
  }

  /** Has it finish what it does, and waits for its end. One that takes too long is killed. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#child?.kill('SIGTERM')
    const patience = setTimeout(() => {
      this.#options.say(`${this.name} did not stop in time and is killed`)
      this.#child?.kill('SIGKILL')
    }, this.#options.drainTimeout + STOP_GRACE)
    await this.#supervision
    clearTimeout(patience)
  }

  kill(): void {
    this.#stopping.abort()
    this.#child?.kill('SIGKILL')
  }

  async #supervise(): Promise<void> {
    const { say, backoff } = this.#options
    const { signal } = this.#stopping
    const pause = new Pause(backoff)
    for (;;) {
      const end = await this.#run()
      if (!this.#wasReady) this.#everReady.reject(new Error(`${this.name} ended with ${end} before it was ready.`))
      if (signal.aborted || !this.#wasReady) return
      if (!(await pause.wait((seconds) => say(`${this.name} ended with ${end}; it is started again in ${seconds} s`), signal))) return
    }
  }

  /** From the start of a process to its end, which it answers in words. */
  #run(): Promise<string> {
    const { env, drainTimeout, write, say } = this.#options
    const child = spawn(process.execPath, [MAIN], {
      env: env as NodeJS.ProcessEnv,
      stdio: ['ignore', 'pipe', 'pipe'],
      // Out of reach of what a terminal sends to the whole group: the cluster is stopped in order.
      detached: true,
    })
    this.#child = child
    const guard: Guard = startGuard({ signal: 'TERM', patience: Math.ceil((drainTimeout + STOP_GRACE) / 1000) })
    if (child.pid !== undefined) {
      guard.watch(child.pid)
      // For whoever wants to see what happens when it is killed.
      say(`${this.name} is process ${child.pid}`)
    }
    eachLine(child.stderr, write)
    eachLine(child.stdout, (line) => {
      write(line)
      const url = READY.exec(line)?.[1]
      if (url === undefined) return
      if (this.#wasReady) say(`${this.name} is ready again`)
      this.#wasReady = true
      this.#everReady.resolve(url)
    })
    return new Promise((resolve) => {
      const ended = (how: string): void => {
        this.#child = null
        guard.dismiss()
        resolve(how)
      }
      child.once('error', (error) => ended(error.message))
      child.once('close', (code, signal) => ended(signal ?? `code ${code}`))
    })
  }
}

function eachLine(stream: Readable, take: (line: string) => void): void {
  createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', take)
}
