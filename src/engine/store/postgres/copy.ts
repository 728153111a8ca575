import { SECOND } from '../../../domain/instant.ts'
import type { Log } from '../../ports.ts'
import { isDatabaseAway } from './availability.ts'
import type { Reader, Session } from './database.ts'

/** A copy that is away is asked again after so long. */
export const ASKED_AGAIN_AFTER = 5 * SECOND
/** The statement took longer than a statement may: the other database would do no better. */
const TOOK_TOO_LONG = '57014'

export interface CopyOptions {
  readonly copy: Reader
  readonly primary: Reader
  readonly log: Log
  /** Milliseconds that only rise. */
  readonly now?: () => number
}

/**
 * Reads from a copy of the database. What the copy does not answer, the primary does: while the copy is away, which is logged once, and
 * single statements that it refuses, because it has to carry on with its copying or has not come to a migration yet.
 */
export class Copy implements Reader {
  readonly #copy: Reader
  readonly #primary: Reader
  readonly #log: Log
  readonly #now: () => number
  #askAgainAt: number | null = null

  constructor({ copy, primary, log, now = () => performance.now() }: CopyOptions) {
    this.#copy = copy
    this.#primary = primary
    this.#log = log
    this.#now = now
  }

  rows<Row>(sql: string, values?: readonly unknown[]): Promise<Row[]> {
    return this.#read((reader) => reader.rows<Row>(sql, values))
  }

  rowsOnce<Row>(sql: string, values?: readonly unknown[]): Promise<Row[]> {
    return this.#read((reader) => reader.rowsOnce<Row>(sql, values))
  }

  snapshot<T>(work: (session: Session) => Promise<T>): Promise<T> {
    return this.#read((reader) => reader.snapshot(work))
  }

  write(): Promise<never> {
    return Promise.reject(new Error('nothing is written to a copy'))
  }

  async #read<T>(read: (reader: Reader) => Promise<T>): Promise<T> {
    if (this.#askAgainAt !== null) {
      if (this.#now() < this.#askAgainAt) return read(this.#primary)
      // One asks whether it is back; the others go on without it.
      this.#askAgainAt = this.#now() + ASKED_AGAIN_AFTER
    }
    try {
      const answer = await read(this.#copy)
      this.#isBack()
      return answer
    } catch (error) {
      if (codeOf(error) === TOOK_TOO_LONG) throw error
      if (isDatabaseAway(error)) this.#isAway(error)
      return read(this.#primary)
    }
  }

  #isAway(error: unknown): void {
    if (this.#askAgainAt === null) this.#log.warn({ err: error }, 'the database for reads (DATABASE_READ_URL) is away; the primary answers')
    this.#askAgainAt = this.#now() + ASKED_AGAIN_AFTER
  }

  #isBack(): void {
    if (this.#askAgainAt !== null) this.#log.info({}, 'the database for reads (DATABASE_READ_URL) answers again')
    this.#askAgainAt = null
  }
}

/** Of the error, or of the one that it was made from. */
function codeOf(error: unknown): unknown {
  const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } }
  return cause?.code ?? code
}
