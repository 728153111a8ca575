import { StreamError } from './errors.ts'

// Cursors are texts in base64url, opaque to clients. The leading word is the format's version and what the cursor is of:
//   1.<databaseId>.<position>       a position in the stream of changes
//   log1.<databaseId>.<runId>.<seq>  a line in the log of one run
const CHANGES = '1'
const LOG = 'log1'
const MAX_LENGTH = 256

/** The opaque cursor of a position in the stream of the database `databaseId`. */
export function encodeCursor(databaseId: string, position: number): string {
  return encode(CHANGES, databaseId, position)
}

/** The opaque cursor of a line in the log of a run. */
export function encodeLogCursor(databaseId: string, runId: string, seq: number): string {
  return encode(LOG, `${databaseId}.${runId}`, seq)
}

/**
 * The position that a cursor names.
 * @throws StreamError CURSOR_INVALID where it is no cursor of ours, one of another database, or one of a log.
 */
export function decodeCursor(databaseId: string, cursor: string): number {
  const { kind, of, number } = decode(cursor)
  if (kind !== CHANGES) throw new StreamError('CURSOR_INVALID', 'The cursor is of the log of a run; only `runLogs` goes on from it.')
  if (of !== databaseId) throw ofAnotherDatabase()
  return number
}

/**
 * The number of the line that a cursor of this run's log names.
 * @throws StreamError CURSOR_INVALID where it is no cursor of ours, one of another database or run, or one of the stream of changes.
 */
export function decodeLogCursor(databaseId: string, runId: string, cursor: string): number {
  const { kind, of, number } = decode(cursor)
  if (kind !== LOG) throw new StreamError('CURSOR_INVALID', 'The cursor is not of the log of a run; `runLogs` goes on from its own alone.')
  if (!of.startsWith(`${databaseId}.`)) throw ofAnotherDatabase()
  if (of !== `${databaseId}.${runId}`) throw new StreamError('CURSOR_INVALID', 'The cursor is of the log of another run.')
  return number
}

function encode(kind: string, of: string, number: number): string {
  return Buffer.from(`${kind}.${of}.${number.toString(36)}`, 'utf8').toString('base64url')
}

function decode(cursor: string): { readonly kind: string; readonly of: string; readonly number: number } {
  if (cursor.length > MAX_LENGTH || !/^[A-Za-z0-9_-]+$/.test(cursor)) throw notACursor(cursor)
  const [kind, ...rest] = Buffer.from(cursor, 'base64url').toString('utf8').split('.')
  const digits = rest.pop()
  if ((kind !== CHANGES && kind !== LOG) || rest.length === 0 || digits === undefined || !/^[0-9a-z]+$/.test(digits)) {
    throw notACursor(cursor)
  }
  const number = Number.parseInt(digits, 36)
  const of = rest.join('.')
  // Only the exact text that is made of a position is a cursor: no second spelling of one position.
  if (!Number.isSafeInteger(number) || encode(kind, of, number) !== cursor) throw notACursor(cursor)
  return { kind, of, number }
}

function ofAnotherDatabase(): StreamError {
  return new StreamError('CURSOR_INVALID', 'The cursor belongs to another database. Ask `streamPosition` for a cursor of this one.')
}

function notACursor(given: string): StreamError {
  const shown = given.length > 40 ? `${given.slice(0, 40)}…` : given
  return new StreamError(
    'CURSOR_INVALID',
    `"${shown}" is not a cursor. Send back a cursor exactly as an event or \`streamPosition\` gave it.`,
  )
}
