import type { Database } from 'better-sqlite3'
import type { Policies, Target } from '../../../domain/job.ts'
import { readPolicies, readTarget } from '../records.ts'
import { prepare } from './statement.ts'

/** What an attempt needs of its job. */
export interface Definition {
  readonly name: string
  /** Of the job, as users see it. */
  readonly version: number
  readonly target: Target
  readonly policies: Policies
}

interface Entry extends Definition {
  readonly positionVersion: number
}

const CAPACITY = 20_000

/**
 * Remembers the part of jobs that attempts need, so that starting and settling a run reads narrow rows alone.
 *
 * An entry is good exactly as long as the job's position has the version it was read with. `JobPosition.version` rises with every
 * change of the job's definition: with commands, and with what the product does by itself (a pause that ends, a pause after too many
 * failures). `Job.version`, which users see, rises with commands alone; so the two are not the same number, and are only ever
 * compared with earlier values of themselves.
 */
export class Definitions {
  readonly #entries = new Map<string, Entry>()
  readonly #read

  constructor(db: Database) {
    this.#read = prepare<[string], { name: string; version: number; target: string; policies: string; positionVersion: number }>(
      db,
      'SELECT j.name, j.version, j.target, j.policies, p.version AS "positionVersion" FROM "Job" j JOIN "JobPosition" p ON p."jobId" = j.id WHERE j.id = ?',
    )
  }

  /** The definition of a job whose position has this version in the transaction under way. */
  of(jobId: string, positionVersion: number): Definition {
    const known = this.#entries.get(jobId)
    if (known?.positionVersion === positionVersion) return known
    const row = this.#read.get(jobId)
    if (row === undefined) throw new Error(`the job ${jobId} has runs but no row`)
    const entry = { ...row, target: readTarget(row.target), policies: readPolicies(row.policies) }
    if (this.#entries.size >= CAPACITY && known === undefined) this.#entries.delete(this.#entries.keys().next().value!)
    this.#entries.set(jobId, entry)
    return entry
  }

  /** After a rollback: what was read within it may have been written within it. */
  forget(): void {
    this.#entries.clear()
  }
}
