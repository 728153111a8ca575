import { type Orrery, type OrreryOptions, startOrrery } from '../process.ts'

/** The product was not there, or was killed before it answered: nobody knows whether it did what was asked. */
export class Away extends Error {
  override readonly name = 'Away'
}

/** Whatever answers for the product now. */
export interface Reachable {
  /** Where it answers, once it does. */
  url(): Promise<string>
}

/** Levels of log lines that a healthy process never writes, however often it is killed. */
const ERRORS: readonly unknown[] = ['error', 'fatal']

/** A process of the product that is killed and started again, over one database. */
export class KilledProcess implements Reachable {
  readonly #options: OrreryOptions
  #current: Promise<Orrery>
  readonly starts: number[] = []
  readonly problems: string[] = []
  kills = 0
  stops = 0

  constructor(options: OrreryOptions) {
    this.#options = options
    this.#current = this.#start()
  }

  /** Where it answers, once it does. */
  readonly url = async (): Promise<string> => (await this.#current).url

  /** Ends it in the middle of whatever it does, and starts it again at once. */
  async restart(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const before = await this.#current
    this.#current = this.#end(before, signal).then(() => this.#start())
    await this.#current
  }

  async stop(): Promise<void> {
    await this.#end(await this.#current, 'SIGTERM')
  }

  async #start(): Promise<Orrery> {
    const orrery = await startOrrery(this.#options)
    this.starts.push(orrery.startMilliseconds)
    return orrery
  }

  async #end(orrery: Orrery, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const { code, stderr } = await orrery.kill(signal)
    if (signal === 'SIGTERM') {
      this.stops += 1
      if (code !== 0) this.problems.push(`after ${signal} the process ended with code ${code}: ${stderr.slice(-500)}`)
    } else this.kills += 1
    const errors = orrery.logs.all.filter(({ level }) => ERRORS.includes(level))
    for (const line of errors) this.problems.push(`log: ${JSON.stringify(line).slice(0, 600)}`)
  }
}
