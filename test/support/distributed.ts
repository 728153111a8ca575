import { request, type Subscription, subscribeWs } from './graphqlClient.ts'
import { createJob, triggerJob } from './jobs.ts'
import { createPostgresDatabase, type PostgresDatabase } from './postgres.ts'
import { type Exit, type Orrery, startOrrery } from './process.ts'
import { temporaryDirectory } from './temporary.ts'

const NEVER = { interval: { every: 'PT24H' } }

interface Attempt {
  readonly status: string
  readonly instanceId: string
}
export interface Run {
  readonly id: string
  readonly status: string
  readonly attempt: number
  readonly error: { readonly code: string; readonly message: string } | null
  readonly cancelRequestedAt: string | null
  readonly finishedAt: string | null
  readonly attempts: readonly Attempt[]
}
export interface Instance {
  readonly id: string
  readonly roles: readonly string[]
  readonly clockSkew: string | null
}
export type RunEvent = { readonly jobRuns: { readonly run: Run } }

export const RUN = 'id status attempt error { code message } cancelRequestedAt finishedAt attempts { status instanceId }'

/** The processes of a test, on a database of their own, and what they tell of runs. */
export class System {
  readonly #database: PostgresDatabase
  readonly #env: Readonly<Record<string, string>>
  readonly #processes = new Set<Orrery>()
  /** The process that is asked. */
  front!: Orrery
  events!: Subscription<RunEvent>['events']

  private constructor(database: PostgresDatabase, env: Readonly<Record<string, string>>) {
    this.#database = database
    this.#env = env
  }

  static async open(frontRoles: string, env: Readonly<Record<string, string>> = {}): Promise<System> {
    const system = new System(await createPostgresDatabase(), env)
    system.front = await system.start(frontRoles)
    system.events = (await subscribeWs<RunEvent>(system.front.url, `subscription { jobRuns { run { ${RUN} } } }`)).events
    return system
  }

  async start(roles: string, env: Readonly<Record<string, string>> = {}): Promise<Orrery> {
    const settings = { DATABASE_URL: this.#database.url, ORRERY_ROLES: roles, ...this.#env, ...env }
    const started = await startOrrery({ directory: temporaryDirectory(), env: settings })
    this.#processes.add(started)
    return started
  }

  async kill(process: Orrery, signal: NodeJS.Signals): Promise<Exit> {
    this.#processes.delete(process)
    return process.kill(signal)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#processes].map((process) => process.kill('SIGKILL')))
    await this.#database.drop()
  }

  /** A job that only runs when it is told to; answers its id. */
  async job(name: string, handler: string, payload?: object): Promise<string> {
    const target = { handler: { handler } }
    return (await createJob(this.front.url, { name, schedule: NEVER, target, payload, policies: { overlap: 'ALLOW_ALL' } })).id
  }

  trigger(jobId: string): Promise<string> {
    return triggerJob(this.front.url, jobId)
  }

  /** The first state of a run, past or future, that fits. */
  async seen(runId: string, what: string, fits: (run: Run) => boolean): Promise<Run> {
    return (await this.events.first(`run ${what}`, ({ jobRuns: { run } }) => run.id === runId && fits(run), 40_000)).jobRuns.run
  }

  async cancel(runId: string): Promise<void> {
    await request(this.front.url, 'mutation ($id: ID!) { cancelRun(input: { id: $id }) { errors { code } } }', { id: runId })
  }

  async instances(): Promise<readonly Instance[]> {
    return (await request<{ instances: Instance[] }>(this.front.url, '{ instances { id roles clockSkew } }')).instances
  }

  /** The id under which a process is listed. */
  idOf(process: Orrery): string {
    return String(process.logs.all.find(({ msg }) => msg === 'ready')?.instanceId)
  }
}

export const running = ({ status }: Run) => status === 'RUNNING'
export const ended = ({ finishedAt }: Run) => finishedAt !== null
