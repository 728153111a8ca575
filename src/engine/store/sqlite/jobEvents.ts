import type { Database } from 'better-sqlite3'
import type { JobFacts } from '../../../domain/jobFilter.ts'
import type { JobEventRow } from '../store.ts'
import { prepare } from './statement.ts'

type JobEventRecord = Omit<JobEventRow, 'before'> & { readonly before: string | null }

/** Changes of jobs as the stream reads them. */
export class JobEvents {
  readonly #between

  constructor(db: Database) {
    this.#between = prepare<[number, number, number], JobEventRecord>(
      db,
      'SELECT cursor, "jobId", change, "at", before FROM "JobEvent" WHERE cursor > ? AND cursor <= ? ORDER BY cursor LIMIT ?',
    )
  }

  /** The verb `jobChanges`. */
  read({ after, upTo, limit }: { readonly after: number; readonly upTo: number; readonly limit: number }): readonly JobEventRow[] {
    return this.#between
      .all(after, upTo, limit)
      .map((row) => ({ ...row, before: row.before === null ? null : (JSON.parse(row.before) as Partial<JobFacts>) }))
  }
}
