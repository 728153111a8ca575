import type { Session } from './database.ts'

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
