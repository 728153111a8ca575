/** Things that happen, kept in order, so that a test can wait for one whether it has happened already or not. */
export class Recorder<T> {
  readonly all: T[] = []
  #waiting: (() => void)[] = []
  #failure: Error | null = null

  add(item: T): void {
    this.all.push(item)
    this.#wake()
  }

  /** Nothing more will come: whoever waits is told why. */
  fail(error: Error): void {
    this.#failure ??= error
    this.#wake()
  }

  get failure(): Error | null {
    return this.#failure
  }

  /** The first item that fits, past or future. Rejects after `timeout` milliseconds with what did come. */
  async first(what: string, fits: (item: T) => boolean, timeout = 20_000): Promise<T> {
    let found: T | undefined
    await this.until(
      what,
      (all) => {
        found = all.find(fits)
        return found !== undefined
      },
      timeout,
    )
    return found!
  }

  /** Waits until `done` holds for what has happened so far. */
  async until(what: string, done: (all: readonly T[]) => boolean, timeout = 20_000): Promise<void> {
    const deadline = Date.now() + timeout
    while (!done(this.all)) {
      if (this.#failure !== null) throw new Error(`${what}: will not come any more`, { cause: this.#failure })
      if (!(await this.#next(deadline))) throw new Error(`${what}: did not come within ${timeout} ms; ${this.#summary()}`)
    }
  }

  #next(deadline: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), Math.max(0, deadline - Date.now()))
      this.#waiting.push(() => {
        clearTimeout(timer)
        resolve(true)
      })
    })
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const wake of waiting) wake()
  }

  #summary(): string {
    const last = this.all.slice(-5).map((item) => JSON.stringify(item)?.slice(0, 500))
    return `${this.all.length} came${last.length > 0 ? `, the last ones: ${last.join(' ')}` : ''}`
  }
}
