import { giveUpLater } from './patience.ts'

interface Waiting {
  readonly turnHasCome: () => void
  readonly read: () => Promise<unknown>
  readonly answer: PromiseWithResolvers<unknown>
}

/**
 * Reads that wait for their turn. Whoever asks what another one waits for already waits with it: the statement is sent after both have
 * asked, so it shows all that was committed before. The more ask at once, the more of them one statement answers.
 *
 *   read → waiting ─ setImmediate, or the end of a read, while a lane is free → sent → answers
 *                └── for too long ──→ StoreUnavailable
 */
export class SharedReads {
  readonly #lanes: number
  readonly #waiting = new Map<string, Waiting>()
  #underWay = 0
  #scheduled = false

  /** `lanes`: reads under way at once. */
  constructor(lanes: number) {
    this.#lanes = lanes
  }

  /** What `read` answers. The answer is shared by all who ask the same question, hence read-only. */
  read<T>(question: string, read: () => Promise<T>): Promise<T> {
    const known = this.#waiting.get(question)
    if (known !== undefined) return known.answer.promise as Promise<T>
    const answer = Promise.withResolvers<unknown>()
    const turnHasCome = giveUpLater((error) => {
      this.#waiting.delete(question)
      answer.reject(error)
    })
    this.#waiting.set(question, { read, answer, turnHasCome })
    if (!this.#scheduled && this.#underWay < this.#lanes) {
      this.#scheduled = true
      setImmediate(() => {
        this.#scheduled = false
        this.#fill()
      })
    }
    return answer.promise as Promise<T>
  }

  #fill(): void {
    for (const [question, { read, answer, turnHasCome }] of this.#waiting) {
      if (this.#underWay >= this.#lanes) return
      turnHasCome()
      this.#waiting.delete(question)
      this.#underWay++
      const ended = () => {
        this.#underWay--
        this.#fill()
      }
      // One that throws at once is answered like one that rejects.
      new Promise((resolve) => resolve(read())).then(answer.resolve, answer.reject).then(ended)
    }
  }
}
