import { setTimeout as delay } from 'node:timers/promises'
import { createClient } from 'graphql-ws'
import { WebSocket } from 'ws'

const WATCH = `subscription ($filter: JobRunStreamFilter, $after: Cursor) {
  jobRuns(filter: $filter, after: $after, checkpoints: true) { cursor run { id status job { id } } }
}`
const FINAL = new Set(['SUCCEEDED', 'FAILED', 'TIMED_OUT', 'CANCELLED'])
/** Runs seen lately, for whoever wants to do something to one. */
const LATELY = 500

interface RunEvent {
  readonly cursor: string
  readonly run: { readonly id: string; readonly status: string; readonly job: { readonly id: string } | null } | null
}

/** As the API's JobRunStreamFilter. */
export interface StreamFilter {
  readonly jobIds?: readonly string[]
  readonly tags?: readonly string[]
  readonly trigger?: readonly string[]
  readonly finalOnly?: boolean
}

export interface FollowerOptions {
  /** Where the product answers now; asked before each connection. */
  readonly url: () => Promise<string>
  /** Where to connect instead of there, such as a proxy; null: straight. */
  readonly via?: () => string | null
  readonly after: string
  readonly filter?: StreamFilter
  /** The database goes away in this world: a stream that ends because of that is resumed like one whose connection was cut. */
  readonly databaseMayGo?: boolean
}

/**
 * A client that follows `jobRuns` for ever: whatever ends its connection, it comes back with the cursor of the last event that it has
 * taken, over graphql-ws's own client. It holds the stream to its word.
 */
export class Follower {
  readonly #options: FollowerOptions
  /** The final states it was told, by run. */
  readonly finals = new Map<string, string>()
  readonly lately: { readonly id: string; readonly jobId: string | null }[] = []
  readonly problems: string[] = []
  events = 0
  /** Events that told a final state again: the run was read at the delivery of an older change. */
  repeats = 0
  connections = 0
  cursor: string
  /** Everything up to here was told. */
  position: number
  #socket: WebSocket | null = null
  #cutAfter = Number.POSITIVE_INFINITY
  #ended = false
  #done: Promise<void> = Promise.resolve()
  #waiting: (() => void)[] = []

  constructor(options: FollowerOptions) {
    this.#options = options
    this.cursor = options.after
    this.position = positionOf(options.after)
  }

  start(): void {
    this.#done = this.#follow()
  }

  async stop(): Promise<void> {
    this.#ended = true
    this.cut()
    await this.#done
  }

  /** Ends the connection as a broken cable would: without a word. */
  cut(): void {
    this.#socket?.terminate()
  }

  /** Ends it so after a few more events: in the middle of what comes at once, such as a catching up. */
  cutAfter(events: number): void {
    this.#cutAfter = events
  }

  get connected(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN
  }

  /** Whether `told` comes to hold by what stands: a stream that fell asleep would be woken by a cut. Answers false after `timeout` ms. */
  async hears(told: () => boolean, timeout: number): Promise<boolean> {
    const deadline = Date.now() + timeout
    while (!told()) {
      if (Date.now() > deadline) return false
      await Promise.race([new Promise<void>((resolve) => this.#waiting.push(resolve)), delay(500)])
    }
    return true
  }

  /** Resolves when everything up to `cursor` was told, or throws after `timeout` ms. */
  async reaches(cursor: string, timeout: number): Promise<void> {
    // A connection that stands is told by a checkpoint every 30 s only; a new one as soon as it has caught up.
    if (this.position < positionOf(cursor)) this.cut()
    const deadline = Date.now() + timeout
    while (this.position < positionOf(cursor)) {
      if (Date.now() > deadline)
        throw new Error(`after ${timeout} ms the stream is at ${this.position} of ${positionOf(cursor)}; ${this.problems.slice(-3)}`)
      await Promise.race([new Promise<void>((resolve) => this.#waiting.push(resolve)), delay(500)])
    }
  }

  async #follow(): Promise<void> {
    while (!this.#ended) {
      try {
        await this.#connect(await this.#options.url())
      } catch (error) {
        // A cut shows in many ways; one that the product would be to blame for shows as an error of the operation.
        if (isRefusal(error) && !(this.#options.databaseMayGo === true && isUnavailable(error)))
          this.problems.push(`the stream was refused: ${JSON.stringify(error)}`)
        await delay(10)
      }
    }
  }

  async #connect(url: string): Promise<void> {
    const opened = (socket: WebSocket): void => {
      this.#socket = socket
    }
    const via = this.#options.via?.() ?? null
    const failed = ({ message }: Error): void => {
      if (!/response: 4\d\d/.test(message)) return
      const refused = () => this.problems.push(`the connection was refused: ${message}`)
      if (via === null) refused()
      // What stands between leads to whoever answers now, and may have led to another process than the one that was meant.
      else void this.#options.url().then((now) => now === url && refused())
    }
    class Ours extends WebSocket {
      constructor(address: string, protocols?: string | string[]) {
        // On the loopback the product answers to its own name alone, whatever stands between.
        super(address, protocols, { headers: { host: new URL(url).host } })
        opened(this)
        this.on('error', failed)
      }
    }
    this.connections += 1
    const client = createClient({
      url: (via ?? url).replace(/^http/, 'ws'),
      webSocketImpl: Ours,
      retryAttempts: 0,
      lazy: true,
    })
    try {
      const variables = { filter: this.#options.filter ?? null, after: this.cursor }
      for await (const { data, errors } of client.iterate<{ jobRuns: RunEvent }>({ query: WATCH, variables })) {
        if (errors !== undefined) throw errors
        this.#take(data!.jobRuns)
        if (this.#ended) return
      }
    } finally {
      this.#socket?.terminate()
      await client.dispose()
    }
  }

  #take({ cursor, run }: RunEvent): void {
    const position = positionOf(cursor)
    // A checkpoint repeats the position that it confirms; a change has one of its own.
    if (position < this.position || (run !== null && position === this.position))
      this.problems.push(`the cursor went from ${this.position} to ${position}${run === null ? '' : ` with ${run.id} ${run.status}`}`)
    this.position = position
    this.cursor = cursor
    if (run !== null) this.#takeRun(run)
    if (--this.#cutAfter <= 0) {
      this.#cutAfter = Number.POSITIVE_INFINITY
      this.cut()
    }
    const waiting = this.#waiting
    this.#waiting = []
    for (const wake of waiting) wake()
  }

  #takeRun({ id, status, job }: NonNullable<RunEvent['run']>): void {
    this.events += 1
    this.lately.push({ id, jobId: job?.id ?? null })
    if (this.lately.length > LATELY) this.lately.shift()
    const known = this.finals.get(id)
    if (known !== undefined && known !== status) this.problems.push(`${id} was ${known} and is ${status}`)
    if (known === status) this.repeats += 1
    if (FINAL.has(status)) this.finals.set(id, status)
    else if (this.#options.filter?.finalOnly === true) this.problems.push(`${id} ${status} was told to a reader of final states`)
  }
}

function isUnavailable(errors: readonly unknown[]): boolean {
  return errors.every((error) => (error as { extensions?: { code?: unknown } }).extensions?.code === 'UNAVAILABLE')
}

/** Errors of the operation itself: a list of GraphQL errors. All else is the connection's. */
function isRefusal(error: unknown): error is readonly unknown[] {
  return Array.isArray(error)
}

/** Cursors are opaque to clients; this one looks into them to see that they rise. */
function positionOf(cursor: string): number {
  return Number.parseInt(Buffer.from(cursor, 'base64url').toString('utf8').split('.').at(-1)!, 36)
}
