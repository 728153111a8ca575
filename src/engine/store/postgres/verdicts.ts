import { randomFillSync } from 'node:crypto'
import { idFactory } from '../../../domain/ids.ts'
import type { Instant } from '../../../domain/instant.ts'
import { type Plan, saysTheSame, type VerdictSpan } from '../../../domain/ledger.ts'
import { columns, instant, integer, text, textArray } from './columns.ts'
import type { Tx } from './database.ts'
import type { HeldPosition } from './locks.ts'

// The part of the ledger that is no run: rows that neighbouring instants of one verdict share.

/** A row as the transaction leaves it. */
interface VerdictRow {
  readonly id: string
  readonly jobId: string
  readonly revision: number
  readonly verdict: string
  readonly first: Instant
  readonly reason: string | null
  readonly runId: string | null
  last: Instant
  /** Of a row that stood before: what is added. */
  count: number
}

const VERDICT = columns<VerdictRow>({
  id: text((row) => row.id),
  jobId: text((row) => row.jobId),
  revision: integer((row) => row.revision),
  verdict: text((row) => row.verdict),
  first: instant((row) => row.first),
  last: instant((row) => row.last),
  count: integer((row) => row.count),
  reason: text((row) => row.reason),
  runId: text((row) => row.runId),
})
const LONGER = columns<VerdictRow>({
  id: text((row) => row.id),
  last: instant((row) => row.last),
  count: integer((row) => row.count),
})

const READ = `SELECT id, "jobId", revision, verdict, "first", "last", 0 AS count, reason, "runId" FROM "Verdict" WHERE id = ANY($1::text[])`
const INSERT = `INSERT INTO "Verdict" (${VERDICT.names}) SELECT ${VERDICT.names} FROM ${VERDICT.table('v')}`
const EXTEND = `UPDATE "Verdict" r SET "last" = v."last", count = r.count + v.count FROM ${LONGER.table('v')} WHERE r.id = v.id`

const newId = idFactory((bytes) => randomFillSync(bytes))

/**
 * Writes the spans of plans, whose entries are in the order of their instants. The first one extends the row of the newest decided instant
 * where it says the same. The positions get the row of the newest instant now; null where that got a run.
 */
export async function writeSpans(
  tx: Tx,
  items: readonly { readonly plan: Plan; readonly position: HeldPosition }[],
  now: Instant,
): Promise<void> {
  const before = await trailingRows(tx, items)
  const added: VerdictRow[] = []
  const extended = new Set<VerdictRow>()
  for (const { plan, position } of items) {
    let trailing = position.trailingVerdictId === null ? null : (before.get(position.trailingVerdictId) ?? null)
    for (const entry of plan.entries) {
      if (entry.kind === 'run') trailing = null
      else if (trailing !== null && saysTheSame(trailing, plan.revision, entry.span)) extend(trailing, entry.span)
      else {
        trailing = newRow(plan, entry.span, now)
        added.push(trailing)
      }
      position.trailingVerdictId = trailing?.id ?? null
      if (trailing !== null && before.has(trailing.id)) extended.add(trailing)
    }
  }
  if (extended.size > 0) await tx.write(EXTEND, LONGER.values([...extended]))
  if (added.length > 0) await tx.write(INSERT, VERDICT.values(added))
}

/** The rows that the first spans of plans may extend, by id. */
async function trailingRows(
  tx: Tx,
  items: readonly { readonly plan: Plan; readonly position: HeldPosition }[],
): Promise<ReadonlyMap<string, VerdictRow>> {
  const ids: string[] = []
  for (const { plan, position } of items) {
    if (plan.entries[0]?.kind === 'span' && position.trailingVerdictId !== null) ids.push(position.trailingVerdictId)
  }
  if (ids.length === 0) return new Map()
  return new Map((await tx.rows<VerdictRow>(READ, [textArray(ids)])).map((row) => [row.id, row]))
}

function newRow({ jobId, revision }: Plan, { verdict, first, last, count, reason, runId }: VerdictSpan, now: Instant): VerdictRow {
  return { id: newId('ver', now), jobId, revision, verdict, first, last, count, reason, runId }
}

function extend(row: VerdictRow, span: VerdictSpan): void {
  row.last = span.last
  row.count += span.count
}
