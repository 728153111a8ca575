import { type Definition, RememberedDefinitions } from '../definitions.ts'
import { readPolicies, readTarget } from '../records.ts'
import { textArray } from './columns.ts'
import type { Tx } from './database.ts'
import type { HeldPosition } from './locks.ts'

const READ = `SELECT id, name, version, target, policies FROM "Job" WHERE id = ANY($1::text[])`

interface DefinitionRecord {
  readonly id: string
  readonly name: string
  readonly version: number
  readonly target: string
  readonly policies: string
}

/** The definitions of jobs, read once a process for each version. */
export class Definitions {
  readonly #remembered = new RememberedDefinitions()

  /**
   * The definitions of jobs that are held, by job id. Whoever changes a job holds its position too, so that its row is the one of this
   * version; but not if the transaction has changed it itself: then it must not be asked any more.
   */
  async of(tx: Tx, positions: Iterable<HeldPosition>): Promise<ReadonlyMap<string, Definition>> {
    const found = new Map<string, Definition>()
    const missing = new Map<string, HeldPosition>()
    for (const position of positions) {
      const known = this.#remembered.known(position.jobId, position.version)
      if (known !== undefined) found.set(position.jobId, known)
      else missing.set(position.jobId, position)
    }
    if (missing.size === 0) return found
    for (const { id, target, policies, ...rest } of await tx.rows<DefinitionRecord>(READ, [textArray([...missing.keys()])])) {
      const entry = { ...rest, target: readTarget(target), policies: readPolicies(policies), positionVersion: missing.get(id)!.version }
      this.#remembered.remember(id, entry)
      found.set(id, entry)
    }
    return found
  }
}
