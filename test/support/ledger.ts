import { auditLedger } from '../../src/api/audit.ts'
import type { Parts } from './parts.ts'

/** What the ledger of a job says of the minutes after `origin`: `3 MISSED`, `4-6 COALESCED`, `7 RUN`, `8 RUN not counted`. */
export async function ledgerOf({ engine }: Parts, jobId: string, origin: number): Promise<string[]> {
  const query = { jobId, after: -1, before: Date.UTC(9999, 0), fromEnd: false, limit: 10_000 }
  const { runs, shared } = await engine.store.ledger(query)
  const minute = (instant: number) => String((instant - origin) / 60_000)
  return [...runs, ...shared]
    .sort((a, b) => a.first - b.first)
    .map((row) => {
      const where = row.first === row.last ? minute(row.first) : `${minute(row.first)}-${minute(row.last)}`
      return `${where} ${row.verdict}${row.counted ? '' : ' not counted'}`
    })
}

/** What an audit of all that is past finds: `10 planned, 0 missing, 0 duplicated`. */
export async function auditOf({ engine, clock }: Parts, jobId: string): Promise<string> {
  const row = await engine.store.job({ id: jobId })
  if (row === null) throw new Error(`there is no job ${jobId}`)
  const audit = await auditLedger(engine.store, row, { from: 0, to: clock.now() + 1 }, clock.now())
  return `${audit!.planned} planned, ${audit!.missing} missing, ${audit!.duplicated} duplicated`
}
