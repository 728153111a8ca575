import type { Instant } from '../../../domain/instant.ts'
import { noHandler } from '../../../domain/run.ts'
import { saysNoHandler } from '../noHandler.ts'
import { writeError } from '../records.ts'
import type { UnhandledQuery } from '../store.ts'
import { bigint, columns, instantText, text, textArray } from './columns.ts'
import type { Database } from './database.ts'

const NAMED = `"deletedAt" IS NULL AND handler IS NOT NULL`
// Handlers that jobs name, each found by one look into the index.
const HANDLERS = `WITH RECURSIVE named(handler) AS (
    (SELECT handler FROM "Job" WHERE ${NAMED} ORDER BY handler, id LIMIT 1)
    UNION ALL
    SELECT (SELECT j.handler FROM "Job" j WHERE ${NAMED} AND j.handler > named.handler ORDER BY j.handler, j.id LIMIT 1)
    FROM named WHERE named.handler IS NOT NULL
  )
  SELECT handler FROM named WHERE handler IS NOT NULL`

const WAITS = `r."finishedAt" IS NULL
  AND ((r.status = 'QUEUED' AND r."heldBy" IS NULL AND r."dueAt" < $2::timestamptz) OR (r.status = 'RETRYING' AND r."nextAttemptAt" < $2::timestamptz))
  AND NOT coalesce(${saysNoHandler('r.error')}, FALSE)`
// From the jobs to their runs: there may be a million other runs that wait.
const FIND = `SELECT waiting.id, j.handler FROM "Job" j
  CROSS JOIN LATERAL (SELECT r.id FROM "Run" r WHERE r."jobId" = j.id AND ${WAITS} LIMIT $3) waiting
  WHERE j.handler = ANY($1::text[]) AND j."deletedAt" IS NULL AND j.handler IS NOT NULL LIMIT $3`
// One that begins just now is passed by.
const HOLD = `SELECT r.id FROM "Run" r WHERE r.id = ANY($1::text[]) AND ${WAITS} ORDER BY r.id FOR UPDATE SKIP LOCKED`

interface Marked {
  readonly id: string
  readonly handler: string
  readonly cursor: number
}

const MARKED = columns<Marked>({
  id: text((run) => run.id),
  error: text((run) => writeError(noHandler(run.handler))),
  cursor: bigint((run) => run.cursor),
})
const MARK = `UPDATE "Run" r SET error = v.error, cursor = v.cursor, "changedAt" = $${MARKED.count + 1}::timestamptz FROM ${MARKED.table('v')} WHERE r.id = v.id`

/** The verb `markUnhandled`: runs that wait for a handler that no worker has, found through the jobs that name it. */
export async function markUnhandled(db: Database, { handlers, since, now, limit }: UnhandledQuery): Promise<number> {
  const named = await db.rows<{ handler: string }>(HANDLERS)
  const missing = named.flatMap(({ handler }) => (handlers.has(handler) ? [] : [handler]))
  if (missing.length === 0) return 0
  const found = await db.rows<{ id: string; handler: string }>(FIND, [textArray(missing), instantText(since), limit])
  return found.length === 0 ? 0 : mark(db, new Map(found.map(({ id, handler }) => [id, handler])), since, now)
}

function mark(db: Database, handlers: ReadonlyMap<string, string>, since: Instant, now: Instant): Promise<number> {
  return db.transaction(async (tx) => {
    const held = await tx.rows<{ id: string }>(HOLD, [textArray([...handlers.keys()]), instantText(since)])
    if (held.length === 0) return 0
    const cursors = await tx.cursors(held.length)
    const marked = held.map(({ id }, i) => ({ id, handler: handlers.get(id)!, cursor: cursors[i]! }))
    return tx.write(MARK, [...MARKED.values(marked), instantText(now)])
  })
}
