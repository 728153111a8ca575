import { FIGURES_SUMMED } from '../settings.ts'
import { NOTHING_SUMMED, type Summed } from '../summing.ts'
import type { Session, Tx } from './database.ts'

interface Value {
  readonly value: string
}

const READ = `SELECT value FROM "Setting" WHERE name = '${FIGURES_SUMMED}'`
const SETTLE = `INSERT INTO "Setting" (name, value) VALUES ('${FIGURES_SUMMED}', $1) ON CONFLICT (name) DO NOTHING`
const HOLD = `INSERT INTO "Setting" AS s (name, value) VALUES ('${FIGURES_SUMMED}', $1) ON CONFLICT (name) DO UPDATE SET value = s.value RETURNING value`
const WRITE = `UPDATE "Setting" SET value = $1 WHERE name = '${FIGURES_SUMMED}'`

// How far minutes have been added to their hours. THE ROW IS THE LOCK OF THE HOURS: whoever adds to hours, or removes those of a job
// that is gone, holds it. It comes after the positions of jobs; who holds it takes no other lock that somebody could hold for long.

export async function readSummed(session: Session): Promise<Summed> {
  return toSummed((await session.rows<Value>(READ))[0])
}

/** As readSummed, and holds it until the end of the transaction. */
export async function holdSummed(tx: Tx): Promise<Summed> {
  return toSummed((await tx.rows<Value>(HOLD, [JSON.stringify(NOTHING_SUMMED)]))[0])
}

/** As holdSummed; null where somebody else holds it, who does what there is to do. */
export async function holdSummedIfFree(tx: Tx): Promise<Summed | null> {
  await tx.write(SETTLE, [JSON.stringify(NOTHING_SUMMED)])
  const [row] = await tx.rows<Value>(`${READ} FOR UPDATE SKIP LOCKED`)
  return row === undefined ? null : toSummed(row)
}

/** Only by who holds it. */
export async function writeSummed(tx: Tx, summed: Summed): Promise<void> {
  await tx.write(WRITE, [JSON.stringify(summed)])
}

function toSummed(row: Value | undefined): Summed {
  return row === undefined ? NOTHING_SUMMED : (JSON.parse(row.value) as Summed)
}
