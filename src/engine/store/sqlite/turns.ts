/** What is done together in one turn of the loop, in ms: the slice that is under way then is the last. */
const LONGEST_TURN = 4

/**
 * Shares the loop out among reads that are too long for one turn of it. Each does a slice of a few ms at a time; however many there are,
 * one turn of the loop holds only a few of their slices, so that a fire never waits for all of them. First come, first served.
 */
export class Turns {
  readonly #waiting: (() => void)[] = []
  #scheduled = false

  /** What `slice` answers, done in a turn of the loop to come. */
  take<T>(slice: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(() => {
        try {
          resolve(slice())
        } catch (error) {
          reject(error)
        }
      })
      if (this.#scheduled) return
      this.#scheduled = true
      setImmediate(this.#turn)
    })
  }

  readonly #turn = (): void => {
    const began = performance.now()
    do this.#waiting.shift()!()
    while (this.#waiting.length > 0 && performance.now() - began < LONGEST_TURN)
    this.#scheduled = this.#waiting.length > 0
    if (this.#scheduled) setImmediate(this.#turn)
  }
}

/** Time that a slice is meant to take, in ms. */
const SLICE_TIME = 3
const FIRST_SLICE = 200
const SMALLEST_SLICE = 20
const LARGEST_SLICE = 20_000

/**
 * How many rows a slice looks at: as many as its time allows by what the slice before it took, for rows that lie on a cold disk cost a
 * hundred times as much as others.
 */
export class Pace {
  #rows = FIRST_SLICE

  get rows(): number {
    return this.#rows
  }

  /** Does a slice of `rows` rows and learns from how long that took. */
  measure<T>(slice: () => T): T {
    const began = performance.now()
    const result = slice()
    const took = Math.max(performance.now() - began, 0.05)
    const fitting = Math.round((this.#rows * SLICE_TIME) / took)
    this.#rows = Math.max(SMALLEST_SLICE, Math.min(fitting, 4 * this.#rows, LARGEST_SLICE))
    return result
  }
}
