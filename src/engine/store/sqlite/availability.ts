import { StoreUnavailable } from '../../errors.ts'

/** Errors of the calls themselves: a broken constraint, a wrong statement. All others of SQLite mean that the database is away. */
const CALLERS_FAULT = /^SQLITE_(CONSTRAINT|ERROR|MISUSE|MISMATCH|RANGE|TOOBIG|ABORT)/

/** Whether an error says that the database is away: disk full, I/O error, locked, damaged, closed. */
export function isDatabaseAway(error: unknown): boolean {
  if (error instanceof StoreUnavailable) return true
  if (!(error instanceof Error)) return false
  const { code } = error as { code?: unknown }
  if (typeof code === 'string' && code.startsWith('SQLITE_')) return !CALLERS_FAULT.test(code)
  return error instanceof TypeError && error.message === 'The database connection is not open'
}

export function asUnavailable(error: unknown): StoreUnavailable {
  if (error instanceof StoreUnavailable) return error
  return new StoreUnavailable(error instanceof Error ? error.message : String(error), { cause: error })
}

/** What a read answers; rejects with StoreUnavailable where the database is away. */
export async function reading<T>(read: () => T | Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    throw isDatabaseAway(error) ? asUnavailable(error) : error
  }
}
