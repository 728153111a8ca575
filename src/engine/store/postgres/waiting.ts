import type { Instant } from '../../../domain/instant.ts'
import type { Waiting } from '../store.ts'
import { instantText } from './columns.ts'
import type { Session } from './database.ts'

/** Each part reads its index in its order, up to the limit; the two ends of what waits are looks into the same indexes. */
export const WAITING = `WITH queued AS (
    SELECT "dueAt" AS at FROM "Run" WHERE status = 'QUEUED' AND "heldBy" IS NULL AND "dueAt" <= $1::timestamptz LIMIT $2::int
  ), retrying AS (
    SELECT "nextAttemptAt" AS at FROM "Run" WHERE status = 'RETRYING' AND "nextAttemptAt" <= $1::timestamptz ORDER BY "nextAttemptAt" LIMIT $2::int
  )
  SELECT least((SELECT count(*) FROM queued) + (SELECT count(*) FROM retrying), $2::bigint) AS runs,
    least((SELECT min(first.at) FROM generate_series(0, 9) AS p CROSS JOIN LATERAL (
      SELECT "dueAt" AS at FROM "Run" WHERE status = 'QUEUED' AND "heldBy" IS NULL AND priority = p AND "dueAt" <= $1::timestamptz ORDER BY "dueAt" LIMIT 1
    ) AS first), (SELECT min(at) FROM retrying)) AS since`

/** The verb `waiting`. */
export async function waiting(session: Session, now: Instant, limit: number): Promise<Waiting> {
  const [row] = await session.rows<Waiting>(WAITING, [instantText(now), limit])
  return row!
}
