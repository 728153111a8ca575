import type { LogLineQuery, LogLineRow } from '../store.ts'
import { storable } from './columns.ts'
import type { Session } from './database.ts'

const BETWEEN = `SELECT "runId", seq, "at", attempt, level, message, fields FROM "LogLine"
  WHERE "runId" = $1 AND seq > $2::int AND seq < $3::int ORDER BY seq`
const FIRST = `${BETWEEN} LIMIT $4::int`
const LAST = `${BETWEEN} DESC LIMIT $4::int`
/** Of the column. */
const HIGHEST = 2_147_483_647

/** The verb `logLines`: by the table's own key in both directions. */
export async function logLines(session: Session, { runId, after, before, fromEnd, limit }: LogLineQuery): Promise<readonly LogLineRow[]> {
  if (!storable(runId)) return []
  // Bounds come from cursors of clients: what is beyond the numbers that there are lies at their ends.
  const [low, high] = [after ?? 0, before ?? HIGHEST].map((seq) => Math.max(0, Math.min(Math.trunc(seq), HIGHEST)))
  const lines = await session.rows<LogLineRow>(fromEnd ? LAST : FIRST, [runId, low, high, limit])
  return fromEnd ? lines.reverse() : lines
}
