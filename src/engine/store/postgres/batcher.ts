import { isDatabaseAway } from './availability.ts'
import { giveUpLater } from './patience.ts'

interface Waiting<Call, Answer> {
  readonly call: Call
  readonly turnHasCome: () => void
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}

export interface BatcherOptions<Call, Answer> {
  /** Performs calls in one transaction; answers in their order. */
  readonly perform: (calls: readonly Call[]) => Promise<readonly Answer[]>
  /** Calls of one transaction at most. */
  readonly most: number
  /** Transactions under way at once. */
  readonly lanes: number
  /** Whether a call may share a transaction with those before it; all may unless given. */
  readonly fits?: (call: Call, before: readonly Call[]) => boolean
}

/**
 * Calls made in one turn of the loop, and those that come while others are under way, share a transaction (group commit). An error that
 * is not the database's makes a batch be performed again one by one, so that it is answered to its caller alone.
 *
 *   add → waiting ─ setImmediate, or the end of a batch, while a lane is free → perform → answers
 *               └── for too long ──→ StoreUnavailable
 */
export class Batcher<Call, Answer> {
  readonly #options: BatcherOptions<Call, Answer>
  readonly #waiting: Waiting<Call, Answer>[] = []
  #underWay = 0
  #scheduled = false

  constructor(options: BatcherOptions<Call, Answer>) {
    this.#options = options
  }

  add(call: Call): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const turnHasCome = giveUpLater((error) => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
        reject(error)
      })
      const waiting = { call, turnHasCome, resolve, reject }
      this.#waiting.push(waiting)
      if (this.#scheduled || this.#underWay >= this.#options.lanes) return
      this.#scheduled = true
      setImmediate(() => {
        this.#scheduled = false
        this.#fill()
      })
    })
  }

  #fill(): void {
    while (this.#underWay < this.#options.lanes && this.#waiting.length > 0) {
      this.#underWay++
      void this.#perform(this.#take()).finally(() => {
        this.#underWay--
        this.#fill()
      })
    }
  }

  #take(): Waiting<Call, Answer>[] {
    const { most, fits = () => true } = this.#options
    const taken = [this.#waiting.shift()!]
    const calls = [taken[0]!.call]
    for (let next = this.#waiting[0]; next !== undefined && taken.length < most && fits(next.call, calls); next = this.#waiting[0]) {
      taken.push(this.#waiting.shift()!)
      calls.push(next.call)
    }
    for (const { turnHasCome } of taken) turnHasCome()
    return taken
  }

  async #perform(batch: readonly Waiting<Call, Answer>[]): Promise<void> {
    try {
      const answers = await this.#options.perform(batch.map(({ call }) => call))
      batch.forEach(({ resolve }, i) => {
        resolve(answers[i]!)
      })
    } catch (error) {
      if (batch.length > 1 && !isDatabaseAway(error)) for (const each of batch) await this.#perform([each])
      else for (const { reject } of batch) reject(error)
    }
  }
}
