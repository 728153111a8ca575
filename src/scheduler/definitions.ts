import type { Job, Position } from '../domain/job.ts'
import { type Occurrences, occurrencesOf } from '../domain/occurrences.ts'
import type { Store } from '../engine/store/store.ts'

/** A job with its schedule made ready to be asked. */
export interface Definition {
  readonly job: Job
  readonly occurrences: Occurrences
}

/** Jobs remembered at most: some 20 MB, so that a million stored jobs do not become a million in memory. */
const CAPACITY = 20_000

interface Entry extends Definition {
  /** Of the position that was read before the job was. */
  readonly version: number
}

/**
 * Remembers the wide part of jobs, so that a fire reads narrow rows alone. An entry is good as long as the position has the version it
 * was read for: whatever changes a job raises that version in the same transaction. A job that changed between the two reads is
 * remembered under the older version: its plan is then refused by the store's guard, and the next look finds the entry stale.
 */
export class Definitions {
  readonly #store: Store
  readonly #entries = new Map<string, Entry>()

  constructor(store: Store) {
    this.#store = store
  }

  /** The definitions behind these positions, by job id. Jobs that are gone are left out. */
  async of(positions: readonly Position[]): Promise<ReadonlyMap<string, Definition>> {
    const found = new Map<string, Definition>()
    const missing = new Map<string, Position>()
    for (const position of positions) {
      const entry = this.#entries.get(position.jobId)
      if (entry?.version === position.version) found.set(position.jobId, entry)
      else missing.set(position.jobId, position)
    }
    if (missing.size === 0) return found
    for (const job of await this.#store.jobsById([...missing.keys()])) {
      const entry = { job, occurrences: occurrencesOf(job.schedule), version: missing.get(job.id)!.version }
      this.#remember(entry)
      found.set(job.id, entry)
    }
    return found
  }

  #remember(entry: Entry): void {
    this.#entries.delete(entry.job.id)
    this.#entries.set(entry.job.id, entry)
    if (this.#entries.size > CAPACITY) this.#entries.delete(this.#entries.keys().next().value!)
  }
}
