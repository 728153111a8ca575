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

/**
 * Remembers the wide part of jobs, so that a fire reads narrow rows alone. An entry is good as long as the position names its version:
 * every command that changes a job raises both in one transaction.
 */
export class Definitions {
  readonly #store: Store
  readonly #entries = new Map<string, Definition>()

  constructor(store: Store) {
    this.#store = store
  }

  /** The definitions behind these positions, by job id. A job that is gone, or that changed between the two reads, is left out: it comes again. */
  async of(positions: readonly Position[]): Promise<ReadonlyMap<string, Definition>> {
    const found = new Map<string, Definition>()
    const missing: string[] = []
    for (const { jobId, version } of positions) {
      const entry = this.#entries.get(jobId)
      if (entry?.job.version === version) found.set(jobId, entry)
      else missing.push(jobId)
    }
    if (missing.length > 0) {
      const versions = new Map(positions.map((position) => [position.jobId, position.version]))
      for (const job of await this.#store.jobsById(missing)) {
        const entry = { job, occurrences: occurrencesOf(job.schedule) }
        this.#remember(entry)
        if (versions.get(job.id) === job.version) found.set(job.id, entry)
      }
    }
    return found
  }

  #remember(entry: Definition): void {
    this.#entries.delete(entry.job.id)
    this.#entries.set(entry.job.id, entry)
    if (this.#entries.size > CAPACITY) this.#entries.delete(this.#entries.keys().next().value!)
  }
}
