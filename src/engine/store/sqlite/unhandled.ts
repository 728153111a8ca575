import type { Database } from 'better-sqlite3'
import type { Instant } from '../../../domain/instant.ts'
import { noHandler } from '../../../domain/run.ts'
import { saysNoHandler } from '../noHandler.ts'
import type { UnhandledQuery } from '../store.ts'
import { writeError } from '../records.ts'
import { prepare } from './statement.ts'
import type { Tx } from './writer.ts'

function statements(db: Database) {
  return {
    nextHandler: prepare<[string], { handler: string }>(
      db,
      `SELECT handler FROM "Job" WHERE handler > ? AND handler IS NOT NULL AND "deletedAt" IS NULL ORDER BY handler, id LIMIT 1`,
    ),
    // CROSS JOIN: the job comes first. There may be a million other runs that wait.
    waiting: prepare<[string, Instant, Instant, number], { id: string }>(
      db,
      `SELECT r.id FROM "Job" j CROSS JOIN "Run" r ON r."jobId" = j.id
       WHERE j.handler = ? AND j.handler IS NOT NULL AND j."deletedAt" IS NULL AND r."finishedAt" IS NULL
         AND ((r.status = 'QUEUED' AND r."heldBy" IS NULL AND r."dueAt" < ?) OR (r.status = 'RETRYING' AND r."nextAttemptAt" < ?))
         AND NOT coalesce(${saysNoHandler('r.error')}, FALSE) LIMIT ?`,
    ),
    mark: prepare(db, `UPDATE "Run" SET error = ?, cursor = ?, "changedAt" = ? WHERE id = ?`),
  }
}

/** Runs that wait for a handler that no worker has, found through the jobs that name it: where there are none, that costs a few looks. */
export class Unhandled {
  readonly #sql

  constructor(db: Database) {
    this.#sql = statements(db)
  }

  find({ handlers, since, limit }: UnhandledQuery): readonly { readonly id: string; readonly handler: string }[] {
    const found: { id: string; handler: string }[] = []
    for (const handler of this.#named()) {
      if (handlers.has(handler)) continue
      for (const { id } of this.#sql.waiting.all(handler, since, since, limit - found.length)) found.push({ id, handler })
      if (found.length >= limit) break
    }
    return found
  }

  /** The verb `markUnhandled`. */
  mark(tx: Tx, query: UnhandledQuery): number {
    const found = this.find(query)
    for (const { id, handler } of found) this.#sql.mark.run(writeError(noHandler(handler)), tx.cursor(), query.now, id)
    return found.length
  }

  /** Handlers that jobs name, each once. */
  *#named(): Generator<string> {
    for (let last = ''; ; ) {
      const next = this.#sql.nextHandler.get(last)
      if (next === undefined) return
      last = next.handler
      yield last
    }
  }
}
