import type { Database } from 'better-sqlite3'
import { type Definition, RememberedDefinitions } from '../definitions.ts'
import { readPolicies, readTarget } from '../records.ts'
import { prepare } from './statement.ts'

/** The definitions of jobs, read once for each version. */
export class Definitions {
  readonly #remembered = new RememberedDefinitions()
  readonly #read

  constructor(db: Database) {
    this.#read = prepare<[string], { name: string; version: number; target: string; policies: string; positionVersion: number }>(
      db,
      'SELECT j.name, j.version, j.target, j.policies, p.version AS "positionVersion" FROM "Job" j JOIN "JobPosition" p ON p."jobId" = j.id WHERE j.id = ?',
    )
  }

  /** The definition of a job whose position has this version in the transaction under way. */
  of(jobId: string, positionVersion: number): Definition {
    const known = this.#remembered.known(jobId, positionVersion)
    if (known !== undefined) return known
    const row = this.#read.get(jobId)
    if (row === undefined) throw new Error(`the job ${jobId} has runs but no row`)
    const entry = { ...row, target: readTarget(row.target), policies: readPolicies(row.policies) }
    this.#remembered.remember(jobId, entry)
    return entry
  }

  /** After a rollback: what was read within it may have been written within it. */
  forget(): void {
    this.#remembered.forget()
  }
}
