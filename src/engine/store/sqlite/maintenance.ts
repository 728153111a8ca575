import type { Database } from 'better-sqlite3'
import type { Pause } from '../../../domain/job.ts'
import type { MaintenanceWrite } from '../../../domain/maintenance.ts'
import { prepare } from './statement.ts'

function statements(db: Database) {
  return {
    all: prepare<[], Pause>(db, 'SELECT since, "until", note, by FROM "Maintenance" ORDER BY since'),
    write: prepare(
      db,
      `INSERT INTO "Maintenance" (since, "until", note, by) VALUES (?, ?, ?, ?)
       ON CONFLICT (since) DO UPDATE SET "until" = excluded."until", note = excluded.note, by = excluded.by`,
    ),
    forget: prepare(db, 'DELETE FROM "Maintenance" WHERE "until" < ?'),
  }
}

/** Pauses of the whole scheduling. Every look of the planner asks for them, so they are kept in memory: this is their only writer. */
export class Maintenance {
  readonly #sql
  #all: readonly Pause[] | null = null

  constructor(db: Database) {
    this.#sql = statements(db)
  }

  all(): readonly Pause[] {
    this.#all ??= this.#sql.all.all()
    return this.#all
  }

  /** The verb `changeMaintenance`. */
  change(decide: (newest: Pause | null) => MaintenanceWrite | null): void {
    const write = decide(this.all().at(-1) ?? null)
    if (write === null) return
    const { since, until, note, by } = write.pause
    this.#sql.write.run(since, until, note, by)
    this.#sql.forget.run(write.forgetBefore)
    this.forget()
  }

  /** After a write, and after a rollback: what was read within it may have been written within it. */
  forget(): void {
    this.#all = null
  }
}
