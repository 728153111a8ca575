import type { Instant, Milliseconds } from '../domain/instant.ts'
import type { Bus } from '../engine/bus/bus.ts'
import type { Consumer, Queue } from '../engine/queue/queue.ts'
import { type BegunAttempt, renewalInterval, type Store } from '../engine/store/store.ts'
import type { Log } from '../log.ts'
import type { Service } from '../services.ts'
import { type Execution, execute, type Performers } from './execute.ts'
import { Reporter } from './reporter.ts'

/** Outcomes that may wait for their commit before no more work is taken: memory stays bounded while a database is away. */
const UNSETTLED_LIMIT = 10_000

export interface WorkerDeps {
  readonly store: Store
  readonly queue: Queue
  readonly bus: Bus
  readonly performers: Performers
  readonly log: Log
  readonly instanceId: string
  /** Attempts under way at once. */
  readonly concurrency: number
  /** Names of those that it has: runs of others are left to other workers. Null: it has any. */
  readonly handlers: ReadonlySet<string> | null
  /** How long a claim holds without renewal. */
  readonly lease: Milliseconds
  /** How long a stop waits for attempts under way before it interrupts them. */
  readonly drainTimeout: Milliseconds
  readonly now: () => Instant
  /** The clock that leases are measured by: it never jumps. */
  readonly leaseNow: () => Instant
  readonly random: () => number
}

/** Performs the attempts that the queue delivers, and reports how each ended. Decides nothing. */
export class Worker implements Service, Consumer {
  readonly name = 'worker'
  readonly instanceId: string
  readonly #deps: WorkerDeps
  readonly #reporter: Reporter
  /** Attempts being performed. A run may be here twice for a moment: an attempt that lost its lease, and the one that took over. */
  readonly #executions = new Set<Execution>()
  #stopping = false
  #unsubscribe: () => void = () => {}
  #idle: () => void = () => {}

  constructor(deps: WorkerDeps) {
    this.#deps = deps
    this.instanceId = deps.instanceId
    this.#reporter = new Reporter({
      store: deps.store,
      log: deps.log,
      now: deps.now,
      random: deps.random,
      settled: () => deps.queue.pull(),
    })
  }

  async start(): Promise<void> {
    this.#unsubscribe = this.#deps.bus.subscribe((hint) => {
      if (hint.kind !== 'cancels') return
      const asked = new Set(hint.runIds)
      for (const execution of this.#executions) if (asked.has(execution.attempt.runId)) execution.abort('cancel')
    })
    this.#reporter.start()
    this.#deps.queue.start(this)
  }

  /** Takes no more work, waits for what is under way, interrupts what does not end in time, and stores how it ended. */
  async stop(): Promise<void> {
    this.#stopping = true
    await this.#deps.queue.stop()
    if (this.#executions.size > 0) this.#deps.log.info({ attempts: this.#executions.size }, 'waiting for attempts under way')
    await this.#drained(this.#deps.drainTimeout)
    if (this.#executions.size > 0)
      this.#deps.log.warn({ attempts: this.#executions.size }, 'interrupting attempts that did not end in time')
    for (const execution of this.#executions) execution.abort('shutdown')
    await this.#drained(null)
    this.#unsubscribe()
    await this.#reporter.stop()
  }

  /** Attempts under way. */
  get running(): number {
    return this.#executions.size
  }

  /** Whether it takes more work. */
  get accepting(): boolean {
    return !this.#stopping
  }

  free(): number {
    const backlog = Math.max(0, this.#reporter.unsettled - UNSETTLED_LIMIT)
    return this.#stopping ? 0 : Math.max(0, this.#deps.concurrency - this.#executions.size - backlog)
  }

  leaseUntil(_now: Instant): Instant {
    return this.#deps.leaseNow() + this.#deps.lease
  }

  handlers(): ReadonlySet<string> | null {
    return this.#deps.handlers
  }

  deliver(attempts: readonly BegunAttempt[]): void {
    for (const attempt of attempts) this.#perform(attempt)
  }

  /**
   * Prolongs the claims on what is under way, and hears of cancels that no hint brought. Run every third of the lease. Where the database
   * took so long to answer that little is left of what it prolonged, at once once more.
   */
  async renewLeases(): Promise<void> {
    const { leaseNow, lease } = this.#deps
    for (let asked = Number.NEGATIVE_INFINITY; leaseNow() - asked > renewalInterval(lease); ) {
      asked = leaseNow()
      await this.#renewOnce()
    }
  }

  async #renewOnce(): Promise<void> {
    const executions = [...this.#executions]
    if (executions.length === 0) return
    const answers = await this.#deps.store.renewLeases(
      executions.map(({ attempt }) => ({ runId: attempt.runId, attempt: attempt.attempt })),
      this.instanceId,
      this.leaseUntil(this.#deps.now()),
    )
    for (const [index, { held, cancel }] of answers.entries()) {
      if (!held) executions[index]!.abort('lease-lost')
      else if (cancel) executions[index]!.abort('cancel')
    }
  }

  #perform(attempt: BegunAttempt): void {
    const execution = execute(attempt, this.#deps.performers, this.#reporter.telling(attempt))
    this.#executions.add(execution)
    execution.outcome.then((outcome) => {
      this.#executions.delete(execution)
      this.#reporter.report(attempt, outcome)
      if (this.#executions.size === 0) this.#idle()
    })
  }

  /** Resolves when nothing is under way, or after `limit`; null: however long it takes. */
  #drained(limit: Milliseconds | null): Promise<void> {
    if (this.#executions.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = limit === null ? undefined : setTimeout(resolve, limit)
      this.#idle = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
