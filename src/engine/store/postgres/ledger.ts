import type { Instant } from '../../../domain/instant.ts'
import type { LedgerPart, LedgerRow } from '../../../domain/ledger.ts'
import type { Revision } from '../../../domain/schedule.ts'
import { readSchedule } from '../records.ts'
import type { LedgerQuery } from '../store.ts'
import { instantText, storable } from './columns.ts'
import type { Session } from './database.ts'

const REVISIONS = 'SELECT number, schedule, "from", "until" FROM "Revision" WHERE "jobId" = $1 ORDER BY number'

/**
 * One statement, hence one moment: runs and rows that instants share, each walked in its own index. Shared rows do not overlap, so the
 * order of their ends is that of their beginnings; one at most reaches over the end.
 */
function part(direction: 'ASC' | 'DESC'): string {
  const shared = 'SELECT verdict, "first", "last", count, reason, "runId", true AS counted FROM "Verdict" WHERE "jobId" = $1'
  return `(SELECT 'RUN' AS verdict, occurrence AS "first", occurrence AS "last", 1 AS count, NULL AS reason, id AS "runId", counted FROM "Run"
      WHERE "jobId" = $1 AND occurrence > $2 AND occurrence < $3 ORDER BY occurrence ${direction} LIMIT $4::int)
    UNION ALL (${shared} AND "last" > $2 AND "last" < $3 ORDER BY "last" ${direction} LIMIT $4::int)
    UNION ALL SELECT * FROM (${shared} AND "last" >= $3 ORDER BY "last" LIMIT 1) over WHERE "first" < $3`
}

const FIRST = part('ASC')
const LAST = part('DESC')

/** The verb `revisions`. */
export async function revisions(session: Session, jobId: string): Promise<readonly Revision[]> {
  if (!storable(jobId)) return []
  const rows = await session.rows<{ number: number; schedule: string; from: Instant; until: Instant | null }>(REVISIONS, [jobId])
  return rows.map((row) => ({ ...row, schedule: readSchedule(row.schedule) }))
}

/** The verb `ledger`. */
export async function ledger(session: Session, { jobId, after, before, fromEnd, limit }: LedgerQuery): Promise<LedgerPart> {
  if (!storable(jobId)) return { runs: [], shared: [] }
  const values = [jobId, instantText(after), instantText(before), limit]
  const rows = (await session.rows<LedgerRow>(fromEnd ? LAST : FIRST, values)).sort((a, b) => a.last - b.last)
  const [runs, shared] = [rows.filter(isRun), rows.filter((row) => !isRun(row))]
  return fromEnd ? { runs, shared: shared.slice(-limit) } : { runs, shared: shared.slice(0, limit) }
}

function isRun({ verdict }: LedgerRow): boolean {
  return verdict === 'RUN'
}
