import { randomFillSync } from 'node:crypto'
import { idFactory } from '../../../domain/ids.ts'
import type { Instant } from '../../../domain/instant.ts'
import { occurrencesOfRevision } from '../../../domain/occurrences.ts'
import { type GoverningRevision, joined, mayJoin, type RunSpan, spansOfRuns } from '../../../domain/retention.ts'
import { readSchedule } from '../records.ts'
import { columns, instant, integer, text, textArray } from './columns.ts'
import type { Tx } from './database.ts'

/** An instant of a job whose run is removed. */
export interface RemovedInstant {
  readonly jobId: string
  readonly instant: Instant
}

interface RevisionRecord extends RemovedInstant {
  readonly number: number
  readonly schedule: string
  readonly from: Instant
  readonly until: Instant | null
}

interface Verdict extends RunSpan {
  readonly id: string
  readonly jobId: string
  readonly verdict: string
}

interface Span extends RunSpan {
  readonly jobId: string
  readonly revisionOf: GoverningRevision
}

const INSTANT = columns<RemovedInstant>({ jobId: text((row) => row.jobId), instant: instant((row) => row.instant) })
const SPAN = columns<Span>({ jobId: text((s) => s.jobId), first: instant((s) => s.first), last: instant((s) => s.last) })
const VERDICT = columns<Verdict>({
  id: text((v) => v.id),
  jobId: text((v) => v.jobId),
  revision: integer((v) => v.revision),
  verdict: text((v) => v.verdict),
  first: instant((v) => v.first),
  last: instant((v) => v.last),
  count: integer((v) => v.count),
})

const GOVERNING = `SELECT i."jobId", i.instant, r.number, r.schedule, r."from", r."until" FROM ${INSTANT.table('i')}
  CROSS JOIN LATERAL (SELECT number, schedule, "from", "until" FROM "Revision" WHERE "jobId" = i."jobId" AND "from" < i.instant ORDER BY number DESC LIMIT 1) r`
const NEIGHBOURS = `SELECT n.* FROM ${SPAN.table('s')} CROSS JOIN LATERAL (
    (SELECT ${VERDICT.names} FROM "Verdict" WHERE "jobId" = s."jobId" AND "last" < s."first" ORDER BY "last" DESC LIMIT 1)
    UNION ALL
    (SELECT ${VERDICT.names} FROM "Verdict" WHERE "jobId" = s."jobId" AND "last" > s."last" ORDER BY "last" LIMIT 1)) n`
const INSERT = `INSERT INTO "Verdict" (${VERDICT.names}, reason, "runId") SELECT ${VERDICT.names}, NULL, NULL FROM ${VERDICT.table('v')}`
const CHANGE = `UPDATE "Verdict" SET "first" = v."first", "last" = v."last", count = v.count FROM ${VERDICT.table('v')} WHERE "Verdict".id = v.id`
const REMOVE = 'DELETE FROM "Verdict" WHERE id = ANY($1::text[])'

const newId = idFactory((bytes) => randomFillSync(bytes))

/**
 * What removed runs leave in the ledger: rows of the verdict RUN that neighbouring instants share. Runs of a job do not go in the order
 * of their instants (failed ones stay longer), so a row grows at both ends, and joins two where the gap between them closes. The
 * caller holds the positions of the jobs: nobody else writes to their ledgers.
 */
export async function leaveVerdicts(tx: Tx, instants: readonly RemovedInstant[], now: Instant): Promise<void> {
  if (instants.length === 0) return
  const revisions = await tx.rows<RevisionRecord>(GOVERNING, INSTANT.values(instants))
  const spans = spansOf(instants, revisions)
  if (spans.length === 0) return
  const stand = await tx.rows<Verdict>(NEIGHBOURS, SPAN.values(spans))
  const rows = new Rows(stand, now)
  for (const span of spans) rows.add(span)
  const { inserted, changed, removed } = rows
  if (removed.length > 0) await tx.write(REMOVE, [textArray(removed)])
  if (changed.length > 0) await tx.write(CHANGE, VERDICT.values(changed))
  if (inserted.length > 0) await tx.write(INSERT, VERDICT.values(inserted))
}

/**
 * An instant beyond the end of the last revision before it is told as that revision's: nothing had planned it, and that stays to be seen.
 */
function spansOf(instants: readonly RemovedInstant[], revisions: readonly RevisionRecord[]): readonly Span[] {
  const spans: Span[] = []
  const governing = new Map(revisions.map((row) => [`${row.jobId} ${row.instant}`, row]))
  for (const [jobId, ofJob] of Map.groupBy(instants, (each) => each.jobId)) {
    const known = new Map<number, GoverningRevision>()
    const of = (at: Instant) => {
      const row = governing.get(`${jobId} ${at}`)
      if (row === undefined) return null
      const revision = known.get(row.number) ?? toGoverning(row)
      known.set(row.number, revision)
      return revision
    }
    const inOrder = ofJob.map((each) => each.instant).sort((a, b) => a - b)
    for (const span of spansOfRuns(inOrder, of)) spans.push({ ...span, jobId, revisionOf: known.get(span.revision)! })
  }
  return spans
}

function toGoverning(row: RevisionRecord): GoverningRevision {
  return { number: row.number, occurrences: occurrencesOfRevision({ ...row, schedule: readSchedule(row.schedule) }) }
}

/**
 * Rows next to the spans that come, as they stand after those before. What a span meets next is always among them: where a row that was
 * read joined another one, that one reaches as far now.
 */
class Rows {
  readonly #now: Instant
  readonly #rows: Map<string, Verdict>
  readonly #read: ReadonlyMap<string, Verdict>

  constructor(read: readonly Verdict[], now: Instant) {
    this.#now = now
    this.#read = new Map(read.map((row) => [row.id, row]))
    this.#rows = new Map(this.#read)
  }

  add(span: Span): void {
    const before = this.#nearest(
      span,
      (row) => row.last < span.first,
      (row) => row.last,
    )
    const joinsBefore = before !== null && mayJoin(before, span, span.revisionOf.occurrences)
    const grown = joinsBefore ? joined(before, span) : span
    const behind = this.#nearest(
      span,
      (row) => row.last > span.last,
      (row) => -row.last,
    )
    const joinsBehind = behind !== null && mayJoin(grown, behind, span.revisionOf.occurrences)
    const { first, last, count } = joinsBehind ? joined(grown, behind) : grown

    if (joinsBefore && joinsBehind) this.#rows.delete(behind.id)
    const id = (joinsBefore ? before.id : null) ?? (joinsBehind ? behind.id : null) ?? newId('ver', this.#now)
    this.#rows.set(id, { id, jobId: span.jobId, revision: span.revision, verdict: 'RUN', first, last, count })
  }

  get inserted(): readonly Verdict[] {
    return [...this.#rows.values()].filter(({ id }) => !this.#read.has(id))
  }

  get changed(): readonly Verdict[] {
    return [...this.#rows.values()].filter((row) => this.#read.has(row.id) && this.#read.get(row.id) !== row)
  }

  get removed(): readonly string[] {
    return [...this.#read.keys()].filter((id) => !this.#rows.has(id))
  }

  /** The row of the job that ranks highest; null where that is of another verdict, for it lies between. */
  #nearest({ jobId }: Span, fits: (row: Verdict) => boolean, rank: (row: Verdict) => number): Verdict | null {
    let best: Verdict | null = null
    for (const row of this.#rows.values()) {
      if (row.jobId === jobId && fits(row) && (best === null || rank(row) > rank(best))) best = row
    }
    return best?.verdict === 'RUN' ? best : null
  }
}
