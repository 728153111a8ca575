/** Answers kept at most, and the size of the greatest that is kept: together about 13 million characters. */
const MOST_ANSWERS = 100
const LARGEST_ANSWER = 131_072
/** Honest questions have some hundred characters; one with a hundred tags is not worth remembering. */
const LONGEST_QUESTION = 4_096

/**
 * Answers of reads, kept until something is committed. With one writer that is exact: between two commits every read of the same
 * question finds the same rows. They are shared by all who ask, hence read-only.
 */
export class Remembered {
  readonly #commits: () => number
  readonly #answers = new Map<string, Promise<unknown>>()
  #asOf: number

  /** `commits` answers a number that is another one after every commit. */
  constructor(commits: () => number) {
    this.#commits = commits
    this.#asOf = commits()
  }

  /** How many answers are kept now. */
  get size(): number {
    return this.#answers.size
  }

  /**
   * What `read` answered to this question since the last commit, or answers now. Those who ask while it still reads share its answer,
   * unless a commit came between: whoever asks after a commit gets what was read after it. What failed or is too large is not kept,
   * nor is the answer to a very long question.
   * `sizeOf` tells about how many characters an answer holds.
   */
  answer<T>(question: string, read: () => Promise<T>, sizeOf: (answer: T) => number): Promise<T> {
    if (question.length > LONGEST_QUESTION) return read()
    if (this.#asOf !== this.#commits()) this.#forget()
    const known = this.#answers.get(question)
    if (known !== undefined) return known as Promise<T>
    if (this.#answers.size >= MOST_ANSWERS) this.#answers.delete(this.#answers.keys().next().value!)
    const answer = read()
    this.#answers.set(question, answer)
    const drop = () => {
      if (this.#answers.get(question) === answer) this.#answers.delete(question)
    }
    answer.then((value) => sizeOf(value) > LARGEST_ANSWER && drop(), drop)
    return answer
  }

  #forget(): void {
    this.#answers.clear()
    this.#asOf = this.#commits()
  }
}
