import type { Tx } from './database.ts'

/** Kinds of removal that one process at a time does. 1 is the lock of migrations. */
const KINDS = { events: 2, deletedJobs: 3 } as const

const TRY = 'SELECT pg_try_advisory_xact_lock($1, $2) AS free'
/** The first of two numbers: keys of two do not meet those of one, which the stream and concurrency keys have. */
const OURS = 337

/** Whether this transaction may do it; where not, another one does so at this moment, and there is nothing to wait for. */
export async function tryToSweep(tx: Tx, kind: keyof typeof KINDS): Promise<boolean> {
  const [row] = await tx.rows<{ free: boolean }>(TRY, [OURS, KINDS[kind]])
  return row!.free
}
