import { randomFillSync } from 'node:crypto'
import { idFactory } from '../../../domain/ids.ts'
import type { Instant } from '../../../domain/instant.ts'
import type { LedgerMoment, RowSplit, SharedRow } from '../../../domain/ledger.ts'
import { columns, instant, integer, text, textArray } from './columns.ts'
import type { Session, Tx } from './database.ts'
import type { HeldPosition } from './locks.ts'

/** An instant of a job. */
export interface JobInstant {
  readonly jobId: string
  readonly at: Instant
}

interface VerdictRecord {
  readonly id: string
  readonly revision: number
  readonly verdict: string
  readonly first: Instant
  readonly last: Instant
  readonly reason: string | null
  readonly runId: string | null
}

type Part = Pick<VerdictRecord, 'id' | 'first'> & { readonly count: number }
type NewPart = VerdictRecord & { readonly jobId: string; readonly count: number }

const INSTANT = columns<JobInstant>({ jobId: text((i) => i.jobId), at: instant((i) => i.at) })
const PART = columns<Part>({ id: text((p) => p.id), first: instant((p) => p.first), count: integer((p) => p.count) })
const NEW_PART = columns<NewPart>({
  id: text((p) => p.id),
  jobId: text((p) => p.jobId),
  revision: integer((p) => p.revision),
  verdict: text((p) => p.verdict),
  first: instant((p) => p.first),
  last: instant((p) => p.last),
  count: integer((p) => p.count),
  reason: text((p) => p.reason),
  runId: text((p) => p.runId),
})

// Rows do not overlap: the first that ends at or after an instant is the only one that can reach over it.
const MOMENTS = `SELECT v.at, EXISTS (SELECT FROM "Run" r WHERE r."jobId" = v."jobId" AND r.occurrence = v.at) AS "hasRun",
    over.id, over.verdict, over."first", over."last"
  FROM (SELECT *, row_number() OVER () AS n FROM ${INSTANT.table('given')}) v
  LEFT JOIN LATERAL (
    SELECT id, verdict, "first", "last" FROM "Verdict" WHERE "jobId" = v."jobId" AND "last" >= v.at ORDER BY "last" LIMIT 1
  ) over ON over."first" <= v.at
  ORDER BY v.n`
const READ = 'SELECT id, revision, verdict, "first", "last", reason, "runId" FROM "Verdict" WHERE id = ANY($1::text[])'
const SHORTEN = `UPDATE "Verdict" r SET "first" = v."first", count = v.count FROM ${PART.table('v')} WHERE r.id = v.id`
const INSERT = `INSERT INTO "Verdict" (${NEW_PART.names}) SELECT ${NEW_PART.names} FROM ${NEW_PART.table('v')}`
const REMOVE = 'DELETE FROM "Verdict" WHERE id = ANY($1::text[])'

const newId = idFactory((bytes) => randomFillSync(bytes))

/** What the ledger says of instants, in their order. */
export async function momentsAt(session: Session, instants: readonly JobInstant[]): Promise<readonly LedgerMoment[]> {
  if (instants.length === 0) return []
  const rows = await session.rows<MomentRecord>(MOMENTS, INSTANT.values(instants))
  return rows.map(({ at, hasRun, ...row }) => ({ at, hasRun, row: row.id === null ? null : row }))
}

type MomentRecord = { readonly at: Instant; readonly hasRun: boolean } & (SharedRow | { readonly [Key in keyof SharedRow]: null })

/** A split of a row of the job that stands here. */
export interface JobSplit extends RowSplit {
  readonly position: HeldPosition
  readonly now: Instant
}

/**
 * Leaves of rows what is left of them. The part that ends where a row did keeps its id: if it is the trailing row, it stays so. Where a
 * row's last instant left, no row holds the newest decided instant any more, which is said of the position in memory: it is the caller's to write.
 */
export async function splitRows(tx: Tx, splits: readonly JobSplit[]): Promise<void> {
  if (splits.length === 0) return
  const rows = await tx.rows<VerdictRecord>(READ, [textArray(splits.map(({ rowId }) => rowId))])
  const byId = new Map(rows.map((row) => [row.id, row]))
  const shortened: Part[] = []
  const added: NewPart[] = []
  const removed: string[] = []
  for (const { rowId, parts, position, now } of splits) {
    const row = byId.get(rowId)
    if (row === undefined) throw new Error(`the row ${rowId} that shall be split is gone`)
    const kept = parts.at(-1)?.last === row.last ? parts.at(-1)! : null
    for (const part of parts) {
      if (part === kept) shortened.push({ id: rowId, first: part.first, count: part.count })
      else added.push({ ...row, ...part, id: newId('ver', now), jobId: position.jobId })
    }
    if (kept !== null) continue
    removed.push(rowId)
    if (position.trailingVerdictId === rowId) position.trailingVerdictId = null
  }
  if (shortened.length > 0) await tx.write(SHORTEN, PART.values(shortened))
  if (added.length > 0) await tx.write(INSERT, NEW_PART.values(added))
  if (removed.length > 0) await tx.write(REMOVE, [textArray(removed)])
}
