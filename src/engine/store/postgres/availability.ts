import { StoreUnavailable } from '../../errors.ts'

/**
 * Classes of SQLSTATE that say nothing about the statement: connection (08), too little of something (53), an operator or the server ended
 * it (57), the system under the server (58), a damaged store (XX). https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const AWAY_CLASSES = /^(08|53|57|58|XX)/
/** 25006: a server that was the primary and is read-only now. 55P03, 25P03: waited too long for others. 3D000: the database is being put back. */
const AWAY_CODES = new Set(['25006', '55P03', '25P03', '25P04', '3D000'])
const TRANSIENT_CODES = new Set(['40001', '40P01'])
const NETWORK = /^(ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_|EADDR|ECANCELED)/
/** What the driver and its pool throw without a code. */
const MESSAGES =
  /^(Connection terminated|timeout (exceeded|expired)|Client has encountered a connection error|Cannot use a pool|Client was closed|Query read timeout)/

/** Whether an error says that the database is away, or too busy to answer: the call may be made again later. */
export function isDatabaseAway(error: unknown): boolean {
  if (error instanceof StoreUnavailable) return true
  if (!(error instanceof Error)) return false
  if (error instanceof AggregateError && error.errors.some(isDatabaseAway)) return true
  const { code } = error as { code?: unknown }
  if (typeof code !== 'string') return MESSAGES.test(error.message)
  return AWAY_CLASSES.test(code) || AWAY_CODES.has(code) || NETWORK.test(code)
}

/** Whether the transaction was chosen to give way to another one: made again at once it succeeds. */
export function isTransient(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === 'string' && TRANSIENT_CODES.has(code)
}

export function asUnavailable(error: unknown): StoreUnavailable {
  if (error instanceof StoreUnavailable) return error
  return new StoreUnavailable(error instanceof Error ? error.message || error.name : String(error), { cause: error })
}
