import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Orrery, startOrrery } from './process.ts'

export type MemberRole = 'api' | 'scheduler' | 'worker'

export interface ClusterOptions {
  readonly databaseUrl: string
  /** Of an empty folder: each process gets one of its own in it. */
  readonly directory: string
  readonly members: Readonly<Record<MemberRole, number>>
  /** For all of them. */
  readonly env?: Readonly<Record<string, string>>
  /** For those of one role, over that for all. */
  readonly envOf?: Partial<Readonly<Record<MemberRole, Readonly<Record<string, string>>>>>
}

/** One process of a cluster, whatever number of times it was started. */
export class Member {
  readonly name: string
  readonly role: MemberRole
  readonly #start: () => Promise<Orrery>
  #current: Promise<Orrery>
  #frozen = false
  kills = 0
  freezes = 0
  readonly #problems: string[] = []
  readonly #processes: Orrery[] = []

  constructor(name: string, role: MemberRole, start: () => Promise<Orrery>) {
    this.name = name
    this.role = role
    this.#start = start
    this.#current = this.#begin()
  }

  get process(): Promise<Orrery> {
    return this.#current
  }

  get frozen(): boolean {
    return this.#frozen
  }

  /** Ends it in the middle of whatever it does, and starts it again at once. Resolves when it is ready again. */
  async killAndRestart(): Promise<void> {
    await this.kill()
    await this.restart()
  }

  async kill(): Promise<void> {
    const process = await this.#living()
    this.kills += 1
    await process.kill('SIGKILL')
  }

  restart(): Promise<Orrery> {
    this.#current = this.#begin()
    return this.#current
  }

  /** Stops it without its noticing, as a paused virtual machine would be. */
  async freeze(): Promise<void> {
    const { pid } = await this.#living()
    this.#frozen = true
    this.freezes += 1
    process.kill(pid, 'SIGSTOP')
  }

  async thaw(): Promise<void> {
    const { pid } = await this.#current
    process.kill(pid, 'SIGCONT')
    this.#frozen = false
  }

  /** An orderly end. */
  async stop(): Promise<void> {
    const { code, signal, stderr } = await (await this.#living()).kill('SIGTERM')
    if (code !== 0) this.#problems.push(`${this.name} ended with ${signal ?? code} after SIGTERM: ${stderr.slice(-500)}`)
  }

  /** What no process of ours may do, whatever happens around it. */
  get problems(): readonly string[] {
    return [
      ...this.#problems,
      ...this.logged(({ level }) => level === 'fatal').map((line) => `${this.name}: ${JSON.stringify(line).slice(0, 600)}`),
    ]
  }

  /** Log lines of all its processes. */
  logged(fits: (line: Readonly<Record<string, unknown>>) => boolean): readonly Readonly<Record<string, unknown>>[] {
    return this.#processes.flatMap(({ logs }) => logs.all.filter(fits))
  }

  /** The process, started again where it has ended by itself, which none of ours may. */
  async #living(): Promise<Orrery> {
    const process = await this.#current
    const { failure } = process.logs
    if (failure === null) return process
    this.#problems.push(`${this.name} ended by itself: ${failure.message.slice(0, 300)} … ${failure.message.slice(-1_500)}`)
    return this.restart()
  }

  async #begin(): Promise<Orrery> {
    const orrery = await this.#start()
    this.#processes.push(orrery)
    return orrery
  }
}

/** Processes of the product with a role each, on one Postgres database. */
export class Cluster {
  readonly members: readonly Member[]
  #next = 0

  constructor({ databaseUrl, directory, members, env = {}, envOf = {} }: ClusterOptions) {
    this.members = (['api', 'scheduler', 'worker'] as const).flatMap((role) =>
      Array.from({ length: members[role] }, (_, i) => {
        const name = `${role} ${i + 1}`
        const own = join(directory, name.replace(' ', '-'))
        mkdirSync(own, { recursive: true })
        const settings = { DATABASE_URL: databaseUrl, ORRERY_ROLES: role, ...env, ...envOf[role] }
        return new Member(name, role, () => startOrrery({ directory: own, env: settings }))
      }),
    )
  }

  of(role: MemberRole): readonly Member[] {
    return this.members.filter((member) => member.role === role)
  }

  /** Resolves when all are ready. */
  async ready(): Promise<void> {
    await Promise.all(this.members.map((member) => member.process))
  }

  /** Where one of the api processes answers, the next one each time; those that are frozen are passed over. */
  readonly url = async (): Promise<string> => {
    const apis = this.of('api').filter(({ frozen }) => !frozen)
    const chosen = apis[this.#next++ % apis.length] ?? this.of('api')[0]!
    return (await chosen.process).url
  }

  /** Ends all in the order that a user's work would: those that answer first, those that work last. */
  async stop(): Promise<void> {
    for (const role of ['api', 'scheduler', 'worker'] as const) await Promise.all(this.of(role).map((member) => member.stop()))
  }

  get problems(): readonly string[] {
    return this.members.flatMap(({ problems }) => problems)
  }

  /** How many outcomes came after their attempt had been ended by somebody else, and changed nothing. */
  get lateOutcomes(): number {
    const late = (line: Readonly<Record<string, unknown>>) => String(line.msg).startsWith('an outcome came after its attempt')
    return this.members.reduce((sum, member) => sum + member.logged(late).length, 0)
  }
}
