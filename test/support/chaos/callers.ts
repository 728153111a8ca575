import { setTimeout as delay } from 'node:timers/promises'
import { ask, type Variables } from '../graphqlClient.ts'
import type { Problem } from '../jobs.ts'
import type { Follower } from './follower.ts'
import { forApi, type Kinds, randomJob, randomPolicies, randomSchedule } from './jobs.ts'
import { Away, type Reachable } from './killedProcess.ts'
import type { Random } from './seeded.ts'

/** What callers may be told when a job is in whatever state the others and the schedule have left it in. */
const MAY_BE_REFUSED = new Set(['OVERLAP', 'NOT_FOUND', 'ALREADY_FINISHED', 'INVALID', 'NEVER_FIRES', 'IN_THE_PAST', 'TOO_MANY'])

const ACTIONS = {
  trigger: 30,
  pause: 8,
  resume: 12,
  schedule: 10,
  policies: 8,
  payload: 6,
  cancel: 10,
  retry: 4,
  backfill: 3,
  stopAll: 0.3,
  goOn: 0.3,
  rerun: 8,
  delete: 2,
  create: 2,
} as const

/** A job as its caller knows it. */
interface Known {
  readonly id: string
  /** The highest that was acknowledged. */
  version: number
}

/** The payload of any mutation, as far as it was selected. */
interface Payload {
  readonly run?: { readonly id: string } | null
  readonly replayed?: boolean
  readonly job?: Known | null
  readonly deletedId?: string | null
  readonly errors: readonly Problem[]
}

/** What the product has said yes to, and must not have forgotten. */
export interface Acknowledged {
  /** Runs by id, with their job. */
  readonly runs: Map<string, string>
  /** Versions of jobs. */
  readonly versions: Map<string, number>
  readonly deleted: Set<string>
  readonly answers: Record<string, number>
  readonly problems: string[]
}

export function nothingAcknowledged(): Acknowledged {
  return { runs: new Map(), versions: new Map(), deleted: new Set(), answers: {}, problems: [] }
}

/** One who gives commands at random over the API, to jobs of its own, and notes what was acknowledged. */
export class RandomCaller {
  readonly #name: string
  readonly #process: Reachable
  readonly #follower: Follower
  readonly #random: Random
  readonly #kinds: Kinds
  readonly #acknowledged: Acknowledged
  readonly #jobs: Known[] = []
  #made = 0
  #keys = 0

  constructor(name: string, parts: { process: Reachable; follower: Follower; random: Random; kinds: Kinds; acknowledged: Acknowledged }) {
    this.#name = name
    this.#process = parts.process
    this.#follower = parts.follower
    this.#random = parts.random
    this.#kinds = parts.kinds
    this.#acknowledged = parts.acknowledged
  }

  async populate(jobs: number): Promise<void> {
    while (this.#jobs.length < jobs) await this.#create()
  }

  /** Goes on until `over`, with pauses of up to `rest` ms. */
  async call(over: () => boolean, rest: number): Promise<void> {
    while (!over()) {
      await delay(this.#random.int(0, rest))
      try {
        await this.#act()
      } catch (error) {
        if (!(error instanceof Away)) throw error
        this.#count('away')
      }
    }
  }

  async #act(): Promise<void> {
    const random = this.#random
    const job = random.pick(this.#jobs)
    const { id } = job
    const action = random.weighted(ACTIONS)
    switch (action) {
      case 'trigger':
        return this.#trigger(job)
      case 'create':
        return this.#create()
      case 'cancel':
      case 'retry':
      case 'rerun':
        return this.#toSomeRun(action)
      case 'backfill': {
        const to = Date.now() - random.int(0, 60_000)
        const window = { from: new Date(to - random.int(0, 30_000)).toISOString(), to: new Date(to).toISOString() }
        return void (await this.#mutate('backfillJob', 'BackfillJobInput', 'planned created', { id, ...window }))
      }
      case 'stopAll':
      case 'goOn':
        return this.#maintain(action)
      case 'delete':
        return this.#delete(job)
      case 'pause': {
        const until = random.chance(0.6) ? new Date(Date.now() + random.int(500, 15_000)).toISOString() : null
        return this.#change(job, 'pauseJob', 'PauseJobInput', { id, note: 'Drawn at random.', until })
      }
      case 'resume':
        return this.#change(job, 'resumeJob', 'ResumeJobInput', { id })
      case 'schedule':
        return this.#change(job, 'updateJob', 'UpdateJobInput', {
          id,
          ...forApi({ schedule: randomSchedule(random, this.#kinds, Date.now()) }),
        })
      case 'policies':
        return this.#change(job, 'updateJob', 'UpdateJobInput', { id, ...forApi({ policies: randomPolicies(random, this.#kinds) }) })
      case 'payload':
        return this.#change(job, 'updateJob', 'UpdateJobInput', { id, description: `Edited: ${random.int(0, 999)}` })
    }
  }

  /** With a key, an answer that did not come is asked for again, and must name the one run that there is. */
  async #trigger({ id }: Known): Promise<void> {
    const random = this.#random
    if (random.chance(0.5)) {
      const { run } = await this.#mutate('triggerJob', 'TriggerJobInput', 'run { id } replayed', { id })
      return this.#acknowledgeRun(run, id)
    }
    const input = { id, idempotencyKey: `${this.#name} ${++this.#keys}`, overlap: 'ALLOW_ALL' }
    const ask = () => this.#mutate('triggerJob', 'TriggerJobInput', 'run { id } replayed', input)
    const { run } = await ask().catch((error: unknown) => {
      if (!(error instanceof Away)) throw error
      return ask()
    })
    this.#acknowledgeRun(run, id)
    if (!run || !random.chance(0.4)) return
    const again = await ask()
    if (again.replayed !== true || again.run?.id !== run.id)
      this.#acknowledged.problems.push(`the key of ${JSON.stringify(run)} answered ${JSON.stringify(again)} when asked again`)
  }

  /** Pauses the whole scheduling for a moment; its end by itself and the one by command both come. */
  async #maintain(action: 'stopAll' | 'goOn'): Promise<void> {
    const until = new Date(Date.now() + this.#random.int(200, 4_000)).toISOString()
    if (action === 'goOn') await this.#ask('resumeScheduling', 'mutation { payload: resumeScheduling { errors { code message path } } }')
    else await this.#mutate('pauseScheduling', 'PauseSchedulingInput', 'system { now }', { note: 'Everybody stops.', until })
  }

  async #toSomeRun(action: 'cancel' | 'retry' | 'rerun'): Promise<void> {
    const { lately } = this.#follower
    if (lately.length === 0) return
    const { id, jobId } = this.#random.pick(lately)
    if (action === 'cancel') return void (await this.#mutate('cancelRun', 'CancelRunInput', 'run { id }', { id }))
    if (action === 'retry') return void (await this.#mutate('retryRunNow', 'RetryRunNowInput', 'run { id }', { id }))
    const { run } = await this.#mutate('rerun', 'RerunInput', 'run { id }', { id })
    if (jobId !== null) this.#acknowledgeRun(run, jobId)
  }

  async #create(): Promise<void> {
    const name = `${this.#name}, job ${++this.#made}`
    const input = { ...forApi(randomJob(this.#random, this.#kinds, name, Date.now())), onConflict: 'KEEP' }
    const { job } = await this.#mutate('createJob', 'CreateJobInput', 'job { id version }', input)
    if (!job) return
    this.#jobs.push({ ...job })
    this.#acknowledged.versions.set(job.id, job.version)
  }

  async #delete({ id }: Known): Promise<void> {
    const { deletedId } = await this.#mutate('deleteJob', 'DeleteJobInput', 'deletedId', { id })
    if (deletedId === id) this.#acknowledged.deleted.add(id)
  }

  async #change(job: Known, field: string, type: string, input: object): Promise<void> {
    const { job: changed } = await this.#mutate(field, type, 'job { id version }', input)
    if (!changed) return
    const { version } = changed
    if (version < job.version) this.#acknowledged.problems.push(`the version of ${job.id} fell from ${job.version} to ${version}`)
    job.version = version
    this.#acknowledged.versions.set(job.id, version)
  }

  #acknowledgeRun(run: Payload['run'], jobId: string): void {
    if (run) this.#acknowledged.runs.set(run.id, jobId)
  }

  /** One mutation. Throws Away where no answer came. */
  #mutate(field: string, type: string, selection: string, input: object): Promise<Payload> {
    const query = `mutation ($input: ${type}!) { payload: ${field}(input: $input) { ${selection} errors { code message path } } }`
    return this.#ask(field, query, { input })
  }

  async #ask(field: string, query: string, variables: Variables = {}): Promise<Payload> {
    const url = await this.#process.url()
    const { data, errors } = await ask<{ payload: Payload }>(url, query, variables).catch((error: unknown) => {
      throw new Away(field, { cause: error })
    })
    if (errors !== undefined || data === null || data === undefined) {
      if (errors?.every(({ extensions: { code } = {} }) => code === 'UNAVAILABLE')) throw new Away(field)
      throw new Error(`${field}: ${JSON.stringify(errors)} for ${JSON.stringify(variables)}`)
    }
    this.#count(field)
    for (const { code, message } of data.payload.errors) {
      this.#count(`${field} ${code}`)
      if (!MAY_BE_REFUSED.has(code)) this.#acknowledged.problems.push(`${field} was refused: ${code} ${message}`)
    }
    return data.payload
  }

  #count(what: string): void {
    const { answers } = this.#acknowledged
    answers[what] = (answers[what] ?? 0) + 1
  }
}
