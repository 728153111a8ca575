import pg from 'pg'

/** Instants as milliseconds and positions as numbers, as SQLite keeps them: for those who read both databases behind the product's back. */
const MILLISECONDS: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') => {
    if (oid === pg.types.builtins.TIMESTAMPTZ) return (text: string) => Date.parse(`${text.replace(' ', 'T')}:00`)
    return oid === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(oid, format as 'text')
  }) as pg.CustomTypesConfig['getTypeParser'],
}

/** One connection for some work, on which instants are written in UTC. */
export async function onPostgres<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, types: MILLISECONDS })
  await client.connect()
  try {
    await client.query(`SET TIME ZONE 'UTC'`)
    return await work(client)
  } finally {
    await client.end()
  }
}

/** The rows that one statement answers. */
export function postgresRows<Row>(url: string, sql: string, values: readonly unknown[] = []): Promise<Row[]> {
  return onPostgres(url, async (client) => (await client.query(sql, [...values])).rows as Row[])
}
