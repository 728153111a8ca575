import { StreamError } from './errors.ts'

// A cursor names a position in the stream of one database: `1.<databaseId>.<position>` in base64url. Opaque to clients; the leading
// number is the format's version, so that another format can be told apart later.
const VERSION = '1'
const MAX_LENGTH = 256

/** The opaque cursor of a position in the stream of the database `databaseId`. */
export function encodeCursor(databaseId: string, position: number): string {
  return Buffer.from(`${VERSION}.${databaseId}.${position.toString(36)}`, 'utf8').toString('base64url')
}

/**
 * The position that a cursor names.
 * @throws StreamError CURSOR_INVALID where it is no cursor of ours, or one of another database.
 */
export function decodeCursor(databaseId: string, cursor: string): number {
  if (cursor.length > MAX_LENGTH || !/^[A-Za-z0-9_-]+$/.test(cursor)) throw notACursor(cursor)
  const [version, ...rest] = Buffer.from(cursor, 'base64url').toString('utf8').split('.')
  const digits = rest.pop()
  if (version !== VERSION || rest.length === 0 || digits === undefined || !/^[0-9a-z]+$/.test(digits)) throw notACursor(cursor)
  const position = Number.parseInt(digits, 36)
  // Only the exact text that encodeCursor makes is a cursor: no second spelling of one position.
  if (!Number.isSafeInteger(position) || encodeCursor(rest.join('.'), position) !== cursor) throw notACursor(cursor)
  if (rest.join('.') !== databaseId) {
    throw new StreamError('CURSOR_INVALID', 'The cursor belongs to another database. Ask `streamPosition` for a cursor of this one.')
  }
  return position
}

function notACursor(given: string): StreamError {
  const shown = given.length > 40 ? `${given.slice(0, 40)}…` : given
  return new StreamError(
    'CURSOR_INVALID',
    `"${shown}" is not a cursor. Send back a cursor exactly as an event or \`streamPosition\` gave it.`,
  )
}
