import type { Instant } from '../../../domain/instant.ts'
import { HOURS_KEPT, ledgerKeptFrom } from '../../../domain/retention.ts'
import { LEDGER_BEGINS } from '../settings.ts'
import { instantText, textArray } from './columns.ts'
import type { Tx } from './database.ts'
import { raiseMark } from './marks.ts'

/** Rows of one kind that go with one statement. */
const PIECE = 300

/** Where the last of a job's revisions has ended it stays all the same: its number is what the job goes on from. */
const HAS_NEWER = 'EXISTS (SELECT 1 FROM "Revision" n WHERE n."jobId" = r."jobId" AND n.number > r.number)'

const isOld = (oldest: string) => `coalesce((${oldest} LIMIT 1), false)`

/**
 * Whether a job `j.id` has any: a look at its oldest row of each kind. `ledger` and `hours`: the parameters of the instants before which
 * they are too old.
 */
export function anyOldRows(ledger: string, hours: string): string {
  return `(${isOld(`SELECT v."last" < ${ledger}::timestamptz FROM "Verdict" v WHERE v."jobId" = j.id ORDER BY v."last"`)}
    OR ${isOld(`SELECT r."until" < ${ledger}::timestamptz AND ${HAS_NEWER} FROM "Revision" r WHERE r."jobId" = j.id ORDER BY r.number`)}
    OR ${isOld(`SELECT h.hour < ${hours}::timestamptz FROM "JobHour" h WHERE h."jobId" = j.id ORDER BY h.hour`)})`
}

const remove = (table: string, where: string, order: string) =>
  `DELETE FROM "${table}" WHERE ctid = ANY(ARRAY(SELECT o.ctid FROM unnest($1::text[]) AS j(id)
     CROSS JOIN LATERAL (SELECT r.ctid FROM "${table}" r WHERE r."jobId" = j.id AND ${where} ORDER BY ${order} LIMIT ${PIECE}) o LIMIT ${PIECE}))`
const REMOVE_VERDICTS = remove('Verdict', 'r."last" < $2::timestamptz', 'r."last"')
const REMOVE_REVISIONS = remove('Revision', `r."until" < $2::timestamptz AND ${HAS_NEWER}`, 'r.number')
const REMOVE_HOURS = remove('JobHour', 'r.hour < $2::timestamptz', 'r.hour')

/**
 * Removes rows of jobs that are kept by age alone: their ledger, but for what is in their runs, and their figures by the hour. A row that
 * reaches over the cut stays until it ends before it. A few hundred of each kind; the rest goes with the next sweep. By who holds the
 * positions of the jobs. Answers how many went.
 */
export async function removeOldRows(tx: Tx, jobIds: readonly string[], now: Instant): Promise<number> {
  if (jobIds.length === 0) return 0
  const ledger = ledgerKeptFrom(now)
  // In the same transaction: no audit ever speaks of instants whose rows are gone.
  await raiseMark(tx, LEDGER_BEGINS, ledger)
  const jobs = textArray(jobIds)
  return (
    (await tx.write(REMOVE_VERDICTS, [jobs, instantText(ledger)])) +
    (await tx.write(REMOVE_REVISIONS, [jobs, instantText(ledger)])) +
    (await tx.write(REMOVE_HOURS, [jobs, instantText(now - HOURS_KEPT)]))
  )
}
