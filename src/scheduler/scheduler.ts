import { idFactory } from '../domain/ids.ts'
import type { Instant, Milliseconds } from '../domain/instant.ts'
import { MINUTE, SECOND } from '../domain/instant.ts'
import type { Position } from '../domain/job.ts'
import type { Plan } from '../domain/ledger.ts'
import { looksAtActiveRuns } from '../domain/overlap.ts'
import { type PlanningInput, planJob } from '../domain/plan.ts'
import type { ActiveRun } from '../domain/run.ts'
import type { Bus } from '../engine/bus/bus.ts'
import type { GuardedPlan, Store } from '../engine/store/store.ts'
import type { Log } from '../log.ts'
import type { Service } from '../services.ts'
import { type Definition, Definitions } from './definitions.ts'

/**
 * Jobs looked at in one round, and entries of the ledger after which a transaction ends: more brings nothing, and one commit stalls the
 * loop for some milliseconds. After a stop a single job may have a thousand instants to catch up with; those of one job stay together.
 */
const BATCH = 500
/**
 * Longest sleep. Clocks jump, and hints get lost with the process that would have sent them: what is due comes so late then, and must be on
 * time all the same.
 */
const LONGEST_SLEEP: Milliseconds = 5 * SECOND
/** A job that cannot be planned is looked at again so much later, so that it holds up nobody. */
const QUARANTINE: Milliseconds = MINUTE
const FIRST_BACKOFF: Milliseconds = 100
const LONGEST_BACKOFF: Milliseconds = 5 * SECOND

export interface SchedulerDeps {
  readonly store: Store
  readonly bus: Bus
  readonly log: Log
  readonly now: () => Instant
  readonly randomBytes: (bytes: Uint8Array) => void
}

/**
 * Decides what shall run, and when to look again. The loop only adds sleep and patience to `tick()`:
 *
 *   tick until nothing is due → sleep until the earliest wakeAt (or a hint, or some seconds) → tick …
 */
export class Scheduler implements Service {
  readonly name = 'scheduler'
  readonly #deps: SchedulerDeps
  readonly #definitions: Definitions
  readonly #newId: ReturnType<typeof idFactory>
  readonly #plans = { stood: 0, overtaken: 0 }
  #stopped = true
  #loop: Promise<void> = Promise.resolve()
  /** Ends the sleep under way. */
  #wake: () => void = () => {}
  /** When the sleep under way ends; a hint for a later instant need not disturb it. */
  #sleepsUntil: Instant = Number.POSITIVE_INFINITY
  #hinted = false
  #unsubscribe: () => void = () => {}

  constructor(deps: SchedulerDeps) {
    this.#deps = deps
    this.#definitions = new Definitions(deps.store)
    this.#newId = idFactory(deps.randomBytes)
  }

  async start(): Promise<void> {
    this.#stopped = false
    this.#unsubscribe = this.#deps.bus.subscribe((hint) => {
      if (hint.kind === 'jobs' && (hint.wakeAt === null || hint.wakeAt < this.#sleepsUntil)) this.#rouse()
    })
    this.#loop = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#unsubscribe()
    this.#rouse()
    await this.#loop
  }

  /** Whether the loop is going on. */
  get running(): boolean {
    return !this.#stopped
  }

  /** One round: plans up to a batch of due jobs. Answers how many were due. */
  async tick(): Promise<number> {
    const { store, now } = this.#deps
    // Before the pauses of the whole scheduling are read: one that this process writes after that begins after this moment (or at it,
    // which fires), so that it concerns nothing that is decided here. One of another process may have begun a few milliseconds before, while
    // it was being written: what fires in these had not been told of it.
    const moment = now()
    const positions = await store.duePositions(moment, BATCH)
    if (positions.length === 0) return 0
    const [maintenance, { definitions, active }] = await Promise.all([store.maintenance(), this.#known(positions)])
    let plans: GuardedPlan[] = []
    let entries = 0
    for (const position of positions) {
      const definition = definitions.get(position.jobId)
      if (definition === undefined) continue
      const plan = this.#plan(definition, { position, active: active.get(position.jobId) ?? [], maintenance, now: moment })
      plans.push({ plan, from: position })
      entries += plan.entries.length
      if (entries < BATCH) continue
      await this.#commit(plans, moment)
      plans = []
      entries = 0
    }
    if (plans.length > 0) await this.#commit(plans, moment)
    return positions.length
  }

  /** Plans of this process that stood, and those that came too late: another process had planned the job, or it had changed. */
  get plans(): { readonly stood: number; readonly overtaken: number } {
    return this.#plans
  }

  async #commit(plans: readonly GuardedPlan[], moment: Instant): Promise<void> {
    for (const stood of await this.#deps.store.commitPlans(plans, moment)) this.#plans[stood ? 'stood' : 'overtaken'] += 1
  }

  async #known(positions: readonly Position[]) {
    const definitions = await this.#definitions.of(positions)
    return { definitions, active: await this.#activeRuns(positions, definitions) }
  }

  async #run(): Promise<void> {
    let backoff = FIRST_BACKOFF
    while (!this.#stopped) {
      try {
        this.#hinted = false
        while (!this.#stopped && (await this.tick()) === BATCH);
        await this.#sleepUntil((await this.#deps.store.nextWakeAt()) ?? Number.POSITIVE_INFINITY)
        backoff = FIRST_BACKOFF
      } catch (error) {
        this.#deps.log.error({ err: error, retryInMs: backoff }, 'planning failed; trying again')
        this.#hinted = false
        await this.#sleepUntil(this.#deps.now() + backoff)
        backoff = Math.min(backoff * 2, LONGEST_BACKOFF)
      }
    }
  }

  /** Of the jobs whose overlap policy looks at them. */
  async #activeRuns(
    positions: readonly Position[],
    definitions: ReadonlyMap<string, Definition>,
  ): Promise<ReadonlyMap<string, readonly ActiveRun[]>> {
    const looks = (jobId: string) => looksAtActiveRuns(definitions.get(jobId)?.job.policies.overlap ?? 'ALLOW_ALL')
    const busy = positions.filter(({ jobId, activeRuns }) => activeRuns > 0 && looks(jobId)).map(({ jobId }) => jobId)
    return busy.length === 0 ? new Map() : this.#deps.store.activeRuns(busy)
  }

  /** A job that cannot be planned (a defect of ours) is logged and put off; the others fire. */
  #plan({ job, occurrences }: Definition, look: Pick<PlanningInput, 'position' | 'active' | 'maintenance' | 'now'>): Plan {
    const { position, now } = look
    try {
      return planJob({ ...look, job, occurrences, closing: false, newRunId: () => this.#newId('run', now) })
    } catch (error) {
      this.#deps.log.error(
        { err: error, jobId: job.id, schedule: job.schedule },
        'a job could not be planned; it is looked at again in a minute',
      )
      const { plannedUntil, scheduledRuns, nextRunAt, completed } = position
      const waiting = { plannedUntil, scheduledRuns, nextRunAt, completed, wakeAt: now + QUARANTINE, revisionEnds: null, pauseEnds: false }
      return { jobId: job.id, revision: job.revision, entries: [], cancels: [], position: waiting }
    }
  }

  #rouse(): void {
    this.#hinted = true
    this.#wake()
  }

  /** Sleeps until an instant of the wall clock, a hint, or some seconds have passed; the caller looks at the clock again. */
  #sleepUntil(instant: Instant): Promise<void> {
    const delay = Math.min(Math.max(instant - this.#deps.now(), 0), LONGEST_SLEEP)
    // A hint that came between the look and the sleep would otherwise be slept through.
    if (this.#hinted || this.#stopped || delay === 0) return new Promise((resolve) => setImmediate(resolve))
    this.#sleepsUntil = this.#deps.now() + delay
    return new Promise((resolve) => {
      const timer = setTimeout(done, delay)
      const self = this
      function done() {
        clearTimeout(timer)
        self.#wake = () => {}
        self.#sleepsUntil = Number.POSITIVE_INFINITY
        resolve()
      }
      this.#wake = done
    })
  }
}
