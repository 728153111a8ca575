import type { Database } from 'better-sqlite3'
import { STREAM_HEAD } from '../settings.ts'
import type { RunRow } from '../store.ts'
import { RUN_COLUMNS, type RunRecord, toRunRow } from '../records.ts'
import { ofAnyJob } from './runList.ts'
import type { Scanner, Source } from './scan.ts'
import { prepare } from './statement.ts'

/** Settings that are numbers and only ever rise, in the transaction under way. */
export class Marks {
  readonly #read
  readonly #write

  constructor(db: Database) {
    this.#read = prepare<[string], { value: string }>(db, 'SELECT value FROM "Setting" WHERE name = ?')
    this.#write = prepare(db, 'INSERT INTO "Setting" (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value')
  }

  raise(name: string, to: number): void {
    const stands = this.#read.get(name)
    if (stands === undefined || Number(stands.value) < to) this.#write.run(name, String(to))
  }
}

/** Where the stream of changes stood when the process before this one ended. */
export function storedHead(db: Database): number {
  const { head } = prepare<[], { head: number }>(
    db,
    `SELECT max(coalesce((SELECT CAST(value AS INTEGER) FROM "Setting" WHERE name = '${STREAM_HEAD}'), 0),
         coalesce((SELECT max(cursor) FROM "Run"), 0), coalesce((SELECT max(cursor) FROM "JobEvent"), 0)) AS head`,
  ).get()!
  return head
}

/** Runs by their newest change. */
export class Stream {
  readonly #scanner: Scanner

  constructor(scanner: Scanner) {
    this.#scanner = scanner
  }

  /** The verb `runChanges`. */
  async runChanges({
    after,
    upTo,
    jobIds,
    limit,
  }: {
    readonly after: number
    readonly upTo: number
    readonly jobIds: readonly string[] | null
    readonly limit: number
  }): Promise<readonly RunRow[]> {
    const source: Source = {
      from: '"Run" r',
      keys: '"Run" r',
      within: [{ sql: 'r.cursor <= ?', values: [upTo] }],
      also: [],
      order: { value: 'r.cursor', id: 'r.id', kind: 'unique' },
      narrow: false,
    }
    const paging = { direction: 'ASC' as const, after: { value: after, id: '' }, before: null, fromEnd: false, limit }
    const rows = await this.#scanner.page<RunRecord>(source, RUN_COLUMNS, jobIds === null ? [] : [ofAnyJob(jobIds)], paging)
    return rows.map(toRunRow)
  }
}
