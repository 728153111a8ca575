import { type Milliseconds, SECOND } from '../domain/instant.ts'

/** An answer is given again for so long after it was begun, if nothing is heard of a change before. */
export const SHARED_FOR: Milliseconds = SECOND
const MOST_ANSWERS = 1_000
/** Characters of all answers and their questions together. */
const MOST_CHARACTERS = 16 * 1_048_576
export const LARGEST_ANSWER = 1_048_576

interface Entry {
  readonly begun: number
  /** The text that was answered. Null: it is not to be shared. */
  readonly text: Promise<string | null>
  /** Characters that it is counted with: none while it is not known. */
  size: number
}

/** What an operation came to: text that anybody who asks the same may be given, or something that is for its caller alone. */
export type Outcome<Own> = { readonly kind: 'text'; readonly text: string } | { readonly kind: 'own'; readonly own: Own }

/**
 * Written answers of queries. Who asks what somebody else is being answered, or was a moment ago, is given the same text; the answer is
 * made once. Every change that is heard of forgets all of them: after a write of this process nobody who asks anew is shown what was before
 * it, after one of another process no longer than its hint takes, or SHARED_FOR where the hint is lost; and nobody whom this process has
 * told of a change, or of the position of one, is shown what was before it.
 */
export class SharedAnswers {
  readonly #now: () => number
  readonly #entries = new Map<string, Entry>()
  #characters = 0
  /** Answers that were given again, and those that were made. */
  readonly counts = { shared: 0, made: 0 }

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Characters that are kept. */
  get size(): number {
    return this.#characters
  }

  /** What stands for a question, or else what `make` answers. What is for its caller alone is made for each. */
  async answer<Own>(question: string, make: () => Promise<Outcome<Own>>): Promise<Outcome<Own>> {
    const entry = this.#entries.get(question)
    if (entry === undefined || this.#now() - entry.begun >= SHARED_FOR) return this.#make(question, make)
    const text = await entry.text
    if (text === null) {
      this.counts.made++
      return make()
    }
    this.counts.shared++
    return { kind: 'text', text }
  }

  /** From now on everything is made anew. Those who share what is being made still get it: they asked before. */
  forget(): void {
    this.#entries.clear()
    this.#characters = 0
  }

  async #make<Own>(question: string, make: () => Promise<Outcome<Own>>): Promise<Outcome<Own>> {
    this.counts.made++
    const outcome = make()
    const text = outcome.then(
      (made) => (made.kind === 'text' ? made.text : null),
      () => null,
    )
    const entry: Entry = { begun: this.#now(), text, size: 0 }
    this.#drop(question)
    this.#entries.set(question, entry)
    this.#makeRoom()
    void text.then((known) => this.#settled(question, entry, known))
    return outcome
  }

  #settled(question: string, entry: Entry, text: string | null): void {
    if (this.#entries.get(question) !== entry) return
    if (text === null || text.length > LARGEST_ANSWER) {
      this.#drop(question)
      return
    }
    entry.size = text.length + question.length
    this.#characters += entry.size
    this.#makeRoom()
  }

  /** Those begun first go first: they are the next to be too old. */
  #makeRoom(): void {
    for (const question of this.#entries.keys()) {
      if (this.#entries.size <= MOST_ANSWERS && this.#characters <= MOST_CHARACTERS) break
      this.#drop(question)
    }
  }

  #drop(question: string): void {
    this.#characters -= this.#entries.get(question)?.size ?? 0
    this.#entries.delete(question)
  }
}
