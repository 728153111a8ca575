import { setImmediate as yieldToLoop } from 'node:timers/promises'

/**
 * A reader that is pulled and reads pages of the store: nothing is sent to it, and one that is never read from costs a page and a place
 * in a set. What a stream is of stands in the subclasses.
 *
 *   UNOPENED ──first pull: open──▶ read ──page──▶ deliver one a pull ──page is used up──▶ read
 *                                   └──nothing──▶ wait until `wake` ──▶ read         null──▶ ENDED
 *
 * Written by hand: a generator would not clean up where `return()` comes before the first `next()`.
 */
export abstract class PullReader<Row, Event> implements AsyncIterableIterator<Event> {
  #state: 'UNOPENED' | 'OPEN' | 'ENDED' = 'UNOPENED'
  #page: readonly Row[] = []
  #used = 0
  #pulled = 0
  #woken = false
  #goOn: (() => void) | null = null
  #turn: Promise<unknown> = Promise.resolve()

  /** Before the first read: finds its place, and asks to be woken. After an `await` it must look whether it has `ended`. */
  protected abstract open(): Promise<void>
  /** What comes next, in order; an empty page: nothing until it is woken; null: nothing ever. */
  protected abstract read(): Promise<readonly Row[] | null>
  /** What is told of a row now; null: nothing. */
  protected abstract deliver(row: Row): Event | null | Promise<Event | null>
  /** Undoes `open`, how far ever it came. Called once. */
  protected abstract close(): void

  protected get ended(): boolean {
    return this.#state === 'ENDED'
  }

  /** There may be more to read. */
  wake(): void {
    this.#woken = true
    this.#goOn?.()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Calls that overlap are answered in their order, as a generator would. */
  next(): Promise<IteratorResult<Event>> {
    const turn = this.#turn.then(() => this.#next())
    this.#turn = turn.catch(() => {})
    return turn
  }

  /** Leaves at once, also before the first `next()`; a `next()` under way answers that the stream is done. */
  async return(): Promise<IteratorResult<Event>> {
    this.#end()
    return { done: true, value: undefined }
  }

  async #next(): Promise<IteratorResult<Event>> {
    try {
      if (this.#state === 'UNOPENED') {
        this.#state = 'OPEN'
        await this.open()
      }
      while (!this.ended) {
        if (this.#used === this.#page.length) await this.#turnPage()
        else {
          const event = await this.deliver(this.#page[this.#used++]!)
          // A long run of answers that never waits for I/O would hold the loop.
          if (++this.#pulled % 64 === 0) await yieldToLoop()
          if (event !== null && !this.ended) return { done: false, value: event }
        }
      }
      return { done: true, value: undefined }
    } catch (error) {
      // Whoever has left is told of no failure.
      if (this.ended) return { done: true, value: undefined }
      this.#end()
      throw error
    }
  }

  async #turnPage(): Promise<void> {
    // Before the read: what happens while it reads is worth another look.
    this.#woken = false
    const page = await this.read()
    if (this.ended) return
    if (page === null) this.#end()
    else if (page.length > 0) {
      this.#page = page
      this.#used = 0
    } else if (!this.#woken) await this.#wait()
  }

  async #wait(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#goOn = resolve
    await promise
    this.#goOn = null
  }

  #end(): void {
    if (this.ended) return
    this.#state = 'ENDED'
    this.close()
    this.#page = []
    this.#used = 0
    this.#goOn?.()
  }
}

/** Equal questions are asked once, until somebody forgets the answers or the loop turns. */
export class SharedLooks<Answer> {
  readonly #answers = new Map<string | number, Promise<Answer>>()

  answer(question: string | number, ask: () => Promise<Answer>): Promise<Answer> {
    const known = this.#answers.get(question)
    if (known !== undefined) return known
    if (this.#answers.size === 0) setImmediate(() => this.#answers.clear())
    const answer = ask()
    this.#answers.set(question, answer)
    return answer
  }

  /** To be called when something has changed. */
  forget(): void {
    this.#answers.clear()
  }
}
