/** The database is away: disk full, I/O error, locked by somebody else, closed. Nothing of the call was stored; it may be made again. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable'
  readonly code = 'UNAVAILABLE'

  constructor(reason: string, options?: ErrorOptions) {
    super(`The database is not available: ${reason}`, options)
  }
}

export type StartRefusal =
  /** The DATABASE_URL names no database this version can open. */
  | 'URL'
  /** Another process holds the file. */
  | 'IN_USE'
  /** The file cannot be opened, or is no database of Orrery. */
  | 'NOT_OURS'
  /** The server of the database does not let this process in, or not do what it must. */
  | 'REFUSED'
  /** A newer version has migrated the database. */
  | 'NEWER'
  /** A migration failed, now or in an earlier start. */
  | 'MIGRATION'

/** Why the engine does not start. The message is for the operator: it says what was found and what to do. */
export class EngineStartError extends Error {
  override readonly name = 'EngineStartError'
  readonly code: StartRefusal

  constructor(code: StartRefusal, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
