import type { Instant } from '../../../domain/instant.ts'
import { EVENT_EVERY, ProgressPace } from '../progressPace.ts'
import type { AttemptKey, Store } from '../store.ts'
import { Batcher } from './batcher.ts'
import { bigint, columns, float, instant, integer, text, textArray } from './columns.ts'
import type { Database, Tx } from './database.ts'

type Update = AttemptKey & { readonly progress: number; readonly now: Instant }
/** `cursor` null: stored, and the stream is not told. */
type Write = Update & { readonly cursor: number | null }

const KEY = columns<AttemptKey>({ runId: text((key) => key.runId), attempt: integer((key) => key.attempt) })
const WRITE = columns<Write>({
  runId: text((w) => w.runId),
  progress: float((w) => w.progress),
  cursor: bigint((w) => w.cursor),
  changedAt: instant((w) => w.now),
})
const EVENT = columns<{ readonly runId: string; readonly cursor: number; readonly at: Instant }>({
  runId: text((e) => e.runId),
  cursor: bigint((e) => e.cursor),
  at: instant((e) => e.at),
})

const HOLD_ATTEMPTS = `SELECT id, attempt FROM "Run" WHERE status = 'RUNNING' AND (id, attempt) IN (SELECT "runId", attempt FROM ${KEY.table('v')}) ORDER BY id FOR UPDATE`
const HOLD_RUNNING = `SELECT id FROM "Run" WHERE status = 'RUNNING' AND id = ANY($1::text[]) ORDER BY id FOR UPDATE`
const SET = `UPDATE "Run" r SET progress = v.progress, cursor = coalesce(v.cursor, r.cursor),
    "changedAt" = CASE WHEN v.cursor IS NULL THEN r."changedAt" ELSE v."changedAt" END
  FROM ${WRITE.table('v')} WHERE r.id = v."runId"`
const TELL = `UPDATE "Run" r SET cursor = v.cursor, "changedAt" = v.at FROM ${EVENT.table('v')} WHERE r.id = v."runId"`

/** Calls that share a transaction. */
const MOST_CALLS = 100

/** Progress of running attempts. Every value is stored; the stream is told at the pace of progressPace.ts. */
export class Progress implements Pick<Store, 'setProgress'> {
  readonly #database: Database
  readonly #pace = new ProgressPace()
  readonly #batches: Batcher<readonly Update[], void>
  #timer: NodeJS.Timeout | undefined

  constructor(database: Database) {
    this.#database = database
    this.#batches = new Batcher({
      most: MOST_CALLS,
      // The values of a run keep their order.
      lanes: 1,
      perform: async (calls) => {
        const written = await database.transaction((tx) => this.#set(tx, calls.flat()))
        for (const { runId, cursor, now } of written) if (cursor !== null) this.#pace.told(runId, now)
        const newest = written.at(-1)
        if (newest !== undefined && this.#pace.untold.size > 0) this.#tellLater(newest.now)
        return Array.from<void>({ length: calls.length })
      },
    })
  }

  readonly setProgress: Store['setProgress'] = (updates, now) =>
    updates.length === 0 ? Promise.resolve() : this.#batches.add(updates.map((update) => ({ ...update, now })))

  close(): void {
    clearTimeout(this.#timer)
  }

  async #set(tx: Tx, updates: readonly Update[]): Promise<readonly Write[]> {
    const rows = await tx.rows<{ id: string; attempt: number }>(HOLD_ATTEMPTS, KEY.values(updates))
    const running = new Map(rows.map(({ id, attempt }) => [id, attempt]))
    // Of several values of an attempt the last one stands.
    const newest = new Map<string, Update>()
    for (const update of updates) if (running.get(update.runId) === update.attempt) newest.set(update.runId, update)
    const due = [...newest.values()].filter(({ runId, now }) => this.#pace.isDue(runId, now))
    const cursors = await tx.cursors(due.length)
    const cursorOf = new Map(due.map(({ runId }, i) => [runId, cursors[i]!]))
    const writes = [...newest.values()].map((update) => ({ ...update, cursor: cursorOf.get(update.runId) ?? null }))
    if (writes.length > 0) await tx.write(SET, WRITE.values(writes))
    return writes
  }

  #tellLater(now: Instant): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      // Where the database is away the values are stored all the same, or were not stored either: there is nothing to make good.
      this.#tell(now + EVENT_EVERY).catch(() => {})
    }, EVENT_EVERY).unref()
  }

  async #tell(at: Instant): Promise<void> {
    const runIds = this.#pace.untoldDue(at)
    const running = await this.#database.transaction(async (tx) => {
      const held = await tx.rows<{ id: string }>(HOLD_RUNNING, [textArray(runIds)])
      const cursors = await tx.cursors(held.length)
      if (held.length > 0) await tx.write(TELL, EVENT.values(held.map(({ id }, i) => ({ runId: id, cursor: cursors[i]!, at }))))
      return new Set(held.map(({ id }) => id))
    })
    for (const runId of runIds) this.#pace.told(runId, at, running.has(runId))
    if (this.#pace.untold.size > 0) this.#tellLater(at)
  }
}
