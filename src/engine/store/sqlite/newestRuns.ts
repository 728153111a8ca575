import type { Database } from 'better-sqlite3'
import type { RunRow } from '../store.ts'
import { RUN_COLUMNS, type RunRecord, toRunRow } from '../records.ts'
import { prepare } from './statement.ts'
import type { Turns } from './turns.ts'

/** Time that a slice takes, in ms: it ends with the job that exceeds it. */
const SLICE_TIME = 3

/**
 * The verb `newestRuns`: one look for each job at the end of its own runs, so that a page of fifty jobs reads the few rows that it shows
 * of each, whatever history they have.
 */
export class NewestRuns {
  readonly #newest
  readonly #turns: Turns

  constructor(db: Database, turns: Turns) {
    this.#newest = prepare<[string, number], RunRecord>(
      db,
      `SELECT ${RUN_COLUMNS} FROM "Run" r WHERE r."jobId" = ? ORDER BY r.id DESC LIMIT ?`,
    )
    this.#turns = turns
  }

  async of(jobIds: readonly string[], limit: number): Promise<readonly (readonly RunRow[])[]> {
    const lists: (readonly RunRow[])[] = []
    while (lists.length < jobIds.length) await this.#turns.take(() => this.#slice(jobIds, limit, lists))
    return lists
  }

  #slice(jobIds: readonly string[], limit: number, lists: (readonly RunRow[])[]): void {
    const began = performance.now()
    for (const jobId of jobIds.slice(lists.length)) {
      lists.push(this.#newest.all(jobId, limit).map(toRunRow))
      if (performance.now() - began > SLICE_TIME) return
    }
  }
}
