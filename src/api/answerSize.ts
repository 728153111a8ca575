import { apiError } from './errors.ts'

/** Of payloads, outputs and log lines in one answer, in characters. A page of a hundred runs has a tenth of it, unless they are huge. */
export const MOST_CHARACTERS = 16 * 1_048_576

/**
 * How much of what users wrote one answer still takes. The cost of an operation counts objects, and an object may hold 64 KiB: ten
 * thousand of them would be more than a process has room for.
 */
export class AnswerSize {
  #left = MOST_CHARACTERS

  /**
   * The text, taken into the answer.
   * @throws TOO_LARGE where it has no room; the field is null then, and the rest is answered.
   */
  take(text: string): string {
    this.#left -= text.length
    if (this.#left >= 0) return text
    throw apiError(
      'TOO_LARGE',
      `The answer has more than ${MOST_CHARACTERS} characters of payloads, outputs and log lines. Ask for fewer at once.`,
    )
  }

  /** As JSON, which is stored as text and parsed only where it is asked for. */
  json(text: string | null): unknown {
    return text === null ? null : JSON.parse(this.take(text))
  }
}
