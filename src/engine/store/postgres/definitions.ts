import { type Definition, RememberedDefinitions } from '../definitions.ts'
import { readPolicies, readTarget } from '../records.ts'
import { textArray } from './columns.ts'
import type { Tx } from './database.ts'

const READ = `SELECT j.id, j.name, j.version, j.target, j.policies, p.version AS "positionVersion"
  FROM "Job" j JOIN "JobPosition" p ON p."jobId" = j.id WHERE j.id = ANY($1::text[])`

interface DefinitionRecord {
  readonly id: string
  readonly name: string
  readonly version: number
  readonly target: string
  readonly policies: string
  readonly positionVersion: number
}

/** A job, and the version of its position. */
export interface JobVersion {
  readonly jobId: string
  readonly version: number
}

/** The definitions of jobs, read once a process for each version. */
export class Definitions {
  readonly #remembered = new RememberedDefinitions()

  /**
   * Definitions by job id, of these versions where the positions are held: whoever changes a job holds its position too. Otherwise they
   * may be newer. A transaction that has changed a job itself must not ask for it any more: what it would read may be taken back.
   */
  async of(tx: Tx, jobs: Iterable<JobVersion>): Promise<ReadonlyMap<string, Definition>> {
    const found = new Map<string, Definition>()
    const missing = new Set<string>()
    for (const { jobId, version } of jobs) {
      const known = this.#remembered.known(jobId, version)
      if (known === undefined) missing.add(jobId)
      else found.set(jobId, known)
    }
    if (missing.size === 0) return found
    for (const { id, target, policies, ...rest } of await tx.rows<DefinitionRecord>(READ, [textArray([...missing])])) {
      const entry = { ...rest, target: readTarget(target), policies: readPolicies(policies) }
      this.#remembered.remember(id, entry)
      found.set(id, entry)
    }
    return found
  }
}
