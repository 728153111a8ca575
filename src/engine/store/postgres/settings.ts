import { type Milliseconds, SECOND } from '../../../domain/instant.ts'
import { StoreUnavailable } from '../../errors.ts'
import type { Store } from '../store.ts'
import type { Database, Session } from './database.ts'

const READ = 'SELECT value FROM "Setting" WHERE name = $1'
const SETTLE = 'INSERT INTO "Setting" (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING'
const TOUCH = `UPDATE "Setting" SET value = value WHERE name = 'databaseId'`

const CHECK_WITHIN: Milliseconds = 3 * SECOND

export async function readSetting(session: Session, name: string): Promise<string | null> {
  return (await session.rows<{ value: string }>(READ, [name]))[0]?.value ?? null
}

/** The verbs on settings, and the one that says whether the record can be read and written. */
export function settings(database: Database): Pick<Store, 'setting' | 'settleSetting' | 'check'> {
  return {
    setting: (name) => readSetting(database, name),
    async settleSetting(name, value) {
      await database.write(SETTLE, [name, value])
      // A statement of its own: it sees what another process settled while the first one waited for it.
      return (await readSetting(database, name))!
    },
    check: () => within(CHECK_WITHIN, check(database)),
  }
}

async function check(database: Database): Promise<void> {
  await readSetting(database, 'databaseId')
  // A process that nothing is asked of writes nothing by which it would find out that the database is there again.
  if (database.failure !== null) await database.transaction((tx) => tx.write(TOUCH))
}

/** Whoever asks whether a process is ready waits for no server that does not answer. */
async function within(limit: Milliseconds, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new StoreUnavailable(`it did not answer within ${limit} ms`)), limit)
  })
  await Promise.race([work, late]).finally(() => clearTimeout(timer))
}
