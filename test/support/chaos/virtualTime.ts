import { randomFillSync } from 'node:crypto'
import { auditLedger } from '../../../src/api/audit.ts'
import { type Commands, createCommands } from '../../../src/commands/commands.ts'
import type { CommandResult } from '../../../src/commands/inputs.ts'
import { type Engine, openEngine } from '../../../src/engine/engine.ts'
import { recover } from '../../../src/scheduler/recover.ts'
import { Scheduler } from '../../../src/scheduler/scheduler.ts'
import { caller, everythingAllowed, HandClock, keepingLog } from '../parts.ts'
import { type Kinds, NOOP, randomJob, randomPolicies, randomSchedule } from './jobs.ts'
import { countLedger, type LedgerCount, unexplainedRuns } from './ledger.ts'
import { type Random, seeded } from './seeded.ts'
import { readTables } from './tables.ts'
import { VirtualWorker } from './virtualWorker.ts'

export interface VirtualOptions {
  readonly seed: number
  readonly jobs: number
  /** The first instant, and how long it goes on from there, in ms. */
  readonly from: number
  readonly span: number
  /** The clock is looked at so often, in ms of its own. */
  readonly step: number
  readonly commandsPerSecond: number
  /** Of an empty folder. */
  readonly directory: string
  readonly longestInterval: number
  readonly tell?: (text: string) => void
}

export interface VirtualOutcome {
  readonly ledger: LedgerCount
  readonly audited: { readonly jobs: number; readonly planned: number }
  readonly commands: number
  readonly refused: Readonly<Record<string, number>>
  readonly attempts: number
  readonly openings: number
  readonly problems: readonly string[]
}

/** What callers may be told when nobody knows what state a job is in. */
const MAY_BE_REFUSED = new Set(['OVERLAP', 'NOT_FOUND', 'ALREADY_FINISHED', 'INVALID', 'NEVER_FIRES', 'IN_THE_PAST', 'TOO_MANY'])

/**
 * Real engine, commands and scheduler under a clock that is moved by hand: jobs of all kinds, commands at random, a worker that ends
 * things well and badly, a process that is gone now and then for seconds or minutes, and clocks that jump.
 */
export async function liveThrough(options: VirtualOptions): Promise<VirtualOutcome> {
  const world = new World(options)
  await world.open()
  await world.populate()
  await world.live()
  await world.audit()
  await world.close()
  return world.outcome()
}

class World {
  readonly #options: VirtualOptions
  readonly #random: Random
  readonly #kinds: Kinds
  readonly #clock: HandClock
  readonly #log = keepingLog()
  readonly #jobs: string[] = []
  readonly #runs: string[] = []
  readonly #refused: Record<string, number> = {}
  readonly #problems: string[] = []
  readonly #audited = { jobs: 0, planned: 0 }
  #engine!: Engine
  #commands!: Commands
  #scheduler!: Scheduler
  #worker!: VirtualWorker
  readonly #capacity: number
  #made = 0
  #given = 0
  #attempts = 0
  #openings = 0

  constructor(options: VirtualOptions) {
    this.#options = options
    this.#random = seeded(options.seed)
    this.#clock = new HandClock(options.from)
    this.#capacity = Math.max(20, Math.ceil(options.jobs / 4))
    this.#kinds = {
      span: options.span,
      longestInterval: options.longestInterval,
      hurried: false,
      target: (random) => ({ target: NOOP, payload: random.chance(0.5) ? { n: random.int(0, 9) } : undefined }),
    }
  }

  async open(): Promise<void> {
    const { log } = this.#log
    const instanceId = `ins_${++this.#openings}`
    this.#engine = await openEngine({ databaseUrl: `file:${this.#options.directory}/orrery.db`, instanceId, log: log as never })
    const { store, bus } = this.#engine
    const now = this.#clock.now
    this.#commands = createCommands({ store, targetRules: everythingAllowed, now })
    this.#scheduler = new Scheduler({ store, bus, log: log as never, now, randomBytes: (bytes) => randomFillSync(bytes) })
    this.#worker = new VirtualWorker(this.#engine, this.#random, this.#capacity, instanceId)
    const recovering = { store, log: log as never, now, leaseNow: now, random: () => this.#random.next() }
    await recover(recovering, { everything: true })
  }

  async close(): Promise<void> {
    this.#attempts += this.#worker.ended
    await this.#engine.close()
  }

  async populate(): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.jobs }, () => this.#create()))
  }

  async live(): Promise<void> {
    const { from, span, step, commandsPerSecond } = this.#options
    const random = this.#random
    let owed = 0
    let told = 0
    while (this.#clock.now() < from + span) {
      const minute = Math.floor((this.#clock.now() - from) / 60_000)
      if (minute >= told + 5) {
        told = minute
        this.#options.tell?.(`${minute} virtual minutes`)
      }
      const passes = random.int(1, 2 * step)
      this.#clock.forward(passes)
      owed += (commandsPerSecond * passes) / 1_000
      if (random.chance(passes / 60_000)) await this.#mishap()
      const commands: Promise<void>[] = []
      for (; owed >= 1; owed -= 1) commands.push(this.#command())
      await Promise.all([this.#scheduler.tick(), ...commands])
      while ((await this.#scheduler.tick()) > 0);
      await this.#worker.work(this.#clock.now())
    }
  }

  /** What the product says of itself. */
  async audit(): Promise<void> {
    const { store } = this.#engine
    const { from } = this.#options
    for (const id of this.#jobs) {
      const row = await store.job({ id })
      if (row === null) continue
      const now = this.#clock.now()
      const audit = await auditLedger(store, row, { from: from - 1, to: now + 86_400_000 }, now)
      this.#audited.jobs += 1
      this.#audited.planned += audit?.planned ?? 0
      if (audit === null || audit.missing !== 0 || audit.duplicated !== 0)
        this.#problems.push(`${row.job.name} (${id}): the audit says ${JSON.stringify(audit)}`)
    }
  }

  /** A process that was gone for a while, or a clock that is put forward or back. */
  async #mishap(): Promise<void> {
    switch (this.#random.weighted({ gone: 6, forward: 2, back: 2 })) {
      case 'gone':
        await this.close()
        this.#clock.forward(this.#random.pick([50, 2_000, 15_000, 90_000, 200_000]))
        return this.open()
      case 'forward':
        this.#clock.forward(this.#random.int(1_000, 100_000))
        return
      case 'back':
        this.#clock.forward(-this.#random.int(100, 20_000))
        return
    }
  }

  async #create(): Promise<void> {
    const result = await this.#commands.createJob(randomJob(this.#random, this.#kinds, `job ${++this.#made}`, this.#clock.now()), caller)
    this.#answered('create', result)
    if (result.ok) this.#jobs.push(result.value.jobId)
  }

  async #command(): Promise<void> {
    const random = this.#random
    const commands = this.#commands
    const now = this.#clock.now()
    const id = random.pick(this.#jobs)
    const kind = random.weighted({
      trigger: 25,
      pause: 10,
      resume: 14,
      schedule: 12,
      policies: 10,
      payload: 5,
      cancel: 12,
      retry: 5,
      backfill: 4,
      stopAll: 0.2,
      goOn: 0.4,
      rerun: 6,
      delete: 2,
      create: 2,
    })
    switch (kind) {
      case 'trigger': {
        const key = random.chance(0.4) ? `key ${random.int(0, 1_000_000)}` : null
        const again = key !== null && random.chance(0.5)
        const asked = () => commands.triggerJob({ id, idempotencyKey: key }, caller)
        const [result, second] = await Promise.all([asked(), again ? asked() : null])
        this.#answered(kind, result)
        if (result.ok) this.#runs.push(result.value.runId)
        if (result.ok && second !== null && (!second.ok || second.value.runId !== result.value.runId))
          this.#problems.push(`the key ${key} of ${id} started two runs, or was refused: ${JSON.stringify(second)}`)
        return
      }
      case 'pause': {
        const until = random.chance(0.6) ? now + random.int(1_000, 120_000) : null
        return this.#answered(kind, await commands.pauseJob({ id, note: 'Drawn at random.', until }, caller))
      }
      case 'resume':
        return this.#answered(kind, await commands.resumeJob({ id }, caller))
      case 'schedule':
        return this.#answered(kind, await commands.updateJob({ id, schedule: randomSchedule(random, this.#kinds, now) }, caller))
      case 'policies':
        return this.#answered(kind, await commands.updateJob({ id, policies: randomPolicies(random, this.#kinds) }, caller))
      case 'payload':
        return this.#answered(kind, await commands.updateJob({ id, payload: { n: random.int(0, 9) } }, caller))
      case 'cancel':
      case 'rerun': {
        const run = this.#runs.length === 0 ? 'run_0' : random.pick(this.#runs)
        const result = kind === 'cancel' ? await commands.cancelRun({ id: run }, caller) : await commands.rerun({ id: run }, caller)
        this.#answered(kind, result)
        if (result.ok && kind === 'rerun') this.#runs.push(result.value.runId)
        return
      }
      case 'retry':
        return this.#answered(kind, await commands.retryRunNow({ id: this.#runs.length === 0 ? 'run_0' : random.pick(this.#runs) }, caller))
      case 'backfill': {
        const to = now - random.int(0, 300_000)
        return this.#answered(kind, await commands.backfillJob({ id, from: to - random.int(0, 120_000), to }, caller))
      }
      case 'stopAll': {
        const until = random.chance(0.9) ? now + random.int(1_000, 10_000) : null
        return this.#answered(kind, await commands.pauseScheduling({ note: 'Everybody stops.', until }, caller))
      }
      case 'goOn':
        return this.#answered(kind, await commands.resumeScheduling(caller))
      case 'delete':
        return this.#answered(kind, await commands.deleteJob({ id }, caller))
      case 'create':
        return this.#create()
    }
  }

  #answered(kind: string, result: CommandResult<unknown>): void {
    this.#given += 1
    if (result.ok) return
    for (const { code, message } of result.errors) {
      this.#refused[`${kind} ${code}`] = (this.#refused[`${kind} ${code}`] ?? 0) + 1
      if (!MAY_BE_REFUSED.has(code)) this.#problems.push(`${kind} was refused: ${code} ${message}`)
    }
  }

  outcome(): VirtualOutcome {
    const tables = readTables(this.#options.directory)
    const ledger = countLedger(tables)
    const errors = this.#log.entries
      .filter(({ level }) => level === 'error')
      .map(({ message, fields }) => `log: ${message} ${JSON.stringify(fields)}`)
    return {
      ledger,
      audited: this.#audited,
      commands: this.#given,
      refused: this.#refused,
      attempts: this.#attempts,
      openings: this.#openings,
      problems: [
        ...ledger.problems,
        ...unexplainedRuns(tables, this.#clock.now() - this.#options.step, this.#capacity),
        ...errors,
        ...this.#problems,
      ],
    }
  }
}
