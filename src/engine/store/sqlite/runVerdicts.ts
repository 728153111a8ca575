import { randomFillSync } from 'node:crypto'
import type { Database } from 'better-sqlite3'
import { idFactory } from '../../../domain/ids.ts'
import type { Instant } from '../../../domain/instant.ts'
import { occurrencesOfRevision } from '../../../domain/occurrences.ts'
import { type GoverningRevision, joined, mayJoin, type RunSpan, spansOfRuns } from '../../../domain/retention.ts'
import { readSchedule } from '../records.ts'
import { prepare } from './statement.ts'

interface RevisionRecord {
  readonly number: number
  readonly schedule: string
  readonly from: Instant
  readonly until: Instant | null
}

type Governing = GoverningRevision & Pick<RevisionRecord, 'from' | 'until'>

interface NeighbourRecord extends RunSpan {
  readonly id: string
  readonly verdict: string
}

function statements(db: Database) {
  const neighbour = 'SELECT id, revision, verdict, "first", "last", count FROM "Verdict" WHERE "jobId" = ?'
  return {
    revision: prepare<[string, Instant], RevisionRecord>(
      db,
      'SELECT number, schedule, "from", "until" FROM "Revision" WHERE "jobId" = ? AND "from" < ? ORDER BY number DESC LIMIT 1',
    ),
    before: prepare<[string, Instant], NeighbourRecord>(db, `${neighbour} AND "last" < ? ORDER BY "last" DESC LIMIT 1`),
    behind: prepare<[string, Instant], NeighbourRecord>(db, `${neighbour} AND "last" > ? ORDER BY "last" LIMIT 1`),
    insert: prepare(
      db,
      `INSERT INTO "Verdict" (id, "jobId", revision, verdict, "first", "last", count, reason, "runId") VALUES (?, ?, ?, 'RUN', ?, ?, ?, NULL, NULL)`,
    ),
    change: prepare(db, 'UPDATE "Verdict" SET "first" = ?, "last" = ?, count = ? WHERE id = ?'),
    remove: prepare(db, 'DELETE FROM "Verdict" WHERE id = ?'),
  }
}

/**
 * What removed runs leave in the ledger: rows of the verdict RUN that neighbouring instants share. Runs of a job do not go in the order
 * of their instants (failed ones stay longer), so a row grows at both ends, and joins two where the gap between them closes.
 */
export class RunVerdicts {
  readonly #sql
  readonly #newId = idFactory((bytes) => randomFillSync(bytes))

  constructor(db: Database) {
    this.#sql = statements(db)
  }

  /** The runs of these instants of a job are removed in the transaction under way. */
  leave(jobId: string, instants: readonly Instant[], now: Instant): void {
    const known = new Map<number, Governing>()
    let current: Governing | null = null
    const governing = (instant: Instant) => {
      if (current === null || (current.until !== null && current.until < instant)) current = this.#governing(jobId, instant)
      if (current !== null) known.set(current.number, current)
      return current
    }
    const inOrder = [...instants].sort((a, b) => a - b)
    for (const span of spansOfRuns(inOrder, governing)) this.#write(jobId, span, known.get(span.revision)!, now)
  }

  /** An instant beyond the end of the last revision before it is told as that revision's: nothing had planned it, and that stays to be seen. */
  #governing(jobId: string, instant: Instant): Governing | null {
    const row = this.#sql.revision.get(jobId, instant)
    if (row === undefined) return null
    const schedule = readSchedule(row.schedule)
    return { ...row, occurrences: occurrencesOfRevision({ ...row, schedule }) }
  }

  #write(jobId: string, span: RunSpan, { occurrences }: Governing, now: Instant): void {
    const before = ofRuns(this.#sql.before.get(jobId, span.first))
    const joinsBefore = before !== null && mayJoin(before, span, occurrences)
    const grown = joinsBefore ? joined(before, span) : span
    const behind = ofRuns(this.#sql.behind.get(jobId, span.last))
    const joinsBehind = behind !== null && mayJoin(grown, behind, occurrences)
    const { first, last, count } = joinsBehind ? joined(grown, behind) : grown

    if (joinsBefore && joinsBehind) this.#sql.remove.run(behind.id)
    if (joinsBefore) this.#sql.change.run(first, last, count, before.id)
    else if (joinsBehind) this.#sql.change.run(first, last, count, behind.id)
    else this.#sql.insert.run(this.#newId('ver', now), jobId, span.revision, first, last, count)
  }
}

function ofRuns(row: NeighbourRecord | undefined): NeighbourRecord | null {
  return row?.verdict === 'RUN' ? row : null
}
