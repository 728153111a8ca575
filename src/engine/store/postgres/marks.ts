import { JOB_STREAM_FLOOR, LEDGER_BEGINS, STREAM_FLOOR } from '../settings.ts'
import type { Store } from '../store.ts'
import type { Database, Session } from './database.ts'

const RAISE = `INSERT INTO "Setting" AS s (name, value) VALUES ($1, $2)
  ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE s.value::bigint < excluded.value::bigint`
const READ = 'SELECT name, value FROM "Setting" WHERE name = ANY($1::text[])'

/** Raises a setting that is a number and only ever rises. Its row is held until the end of the transaction. */
export async function raiseMark(session: Session, name: string, to: number): Promise<void> {
  await session.write(RAISE, [name, String(to)])
}

/** Such numbers, in the order asked; null where nothing raised one yet. */
export async function readMarks(session: Session, names: readonly string[]): Promise<readonly (number | null)[]> {
  const rows = await session.rows<{ name: string; value: string }>(READ, [names])
  const values = new Map(rows.map(({ name, value }) => [name, Number(value)]))
  return names.map((name) => values.get(name) ?? null)
}

/** The verbs that tell what was removed by age. */
export function marks(database: Database): Pick<Store, 'streamFloor' | 'jobStreamFloor' | 'ledgerBegins'> {
  const one = async (name: string) => (await readMarks(database, [name]))[0] ?? null
  return {
    streamFloor: async () => (await one(STREAM_FLOOR)) ?? 0,
    jobStreamFloor: async () => (await one(JOB_STREAM_FLOOR)) ?? 0,
    ledgerBegins: () => one(LEDGER_BEGINS),
  }
}
