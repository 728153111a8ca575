/** What may be done in one turn of the event loop: about 5 ms of it. */
const ROOM = 50

/** What work weighs, in pieces of about 0.1 ms. An execution is 1. */
export const PAGE_READ = 10
export const WRITES = { count: 300, weight: 42 } as const

/**
 * Shares the event loop among all who have much to do at once: subscriptions that catch up, groups that tell the same change. Each would
 * yield by itself now and then, but thousands that each take a few milliseconds a turn hold the loop for seconds. So before a piece of work
 * they ask for room; what has none in this turn waits for a later one, first come, first served.
 */
export class LoopShare {
  readonly #room: number
  #used = 0
  #waiting: { readonly weight: number; readonly begin: () => void }[] = []
  #turning = false

  constructor(room = ROOM) {
    this.#room = room
  }

  /** Null: go on at once. Otherwise resolves when it is one's turn. */
  ask(weight: number): Promise<void> | null {
    if (this.#waiting.length === 0 && this.#fits(weight)) {
      this.#take(weight)
      return null
    }
    return this.wait(weight)
  }

  /** The same for work that comes in long rows: never in this turn. */
  wait(weight: number): Promise<void> {
    this.#turn()
    return new Promise((begin) => this.#waiting.push({ weight, begin }))
  }

  /** What is heavier than a whole turn gets one to itself. */
  #fits(weight: number): boolean {
    return this.#used === 0 || this.#used + weight <= this.#room
  }

  #take(weight: number): void {
    this.#used += weight
    this.#turn()
  }

  #turn(): void {
    if (this.#turning) return
    this.#turning = true
    setImmediate(() => this.#nextTurn())
  }

  #nextTurn(): void {
    this.#turning = false
    this.#used = 0
    let begun = 0
    for (const { weight, begin } of this.#waiting) {
      if (!this.#fits(weight)) break
      this.#take(weight)
      begun++
      begin()
    }
    this.#waiting.splice(0, begun)
    if (this.#waiting.length > 0) this.#turn()
  }
}

/** The loop is one in a process, and so is its share. */
export const loopShare = new LoopShare()
