import { type UserError, userError } from './errors.ts'
import type { Instant } from './instant.ts'

const MAX_NAME = 200
const MAX_DESCRIPTION = 10_000
const MAX_TAGS = 50
const MAX_TAG = 64
const MAX_NOTE = 1_000
const MAX_KEY = 200
const MAX_JSON_BYTES = 64 * 1024
const MAX_JSON_DEPTH = 32
// Control characters break logs, headers and terminals; halves of a surrogate pair are no text at all, and databases change or refuse them.
const CONTROL = /[\p{Cc}\p{Cs}]/u
// A description may have lines and tabs.
const NO_TEXT = /[\0\p{Cs}]/u

/** What is wrong with a job's name; null where nothing is. */
export function nameError(name: string, path: readonly string[]): UserError | null {
  if (name.trim() === '') return userError('INVALID', path, 'The name is blank; accepted: 1 to 200 characters.')
  if (name.length > MAX_NAME) return userError('INVALID', path, `The name has ${name.length} characters; accepted: 1 to ${MAX_NAME}.`)
  if (name !== name.trim() || CONTROL.test(name))
    return userError(
      'INVALID',
      path,
      `The name ${JSON.stringify(name)} begins or ends with white space or has control characters; accepted: none of these.`,
    )
  return null
}

export function descriptionError(description: string | null, path: readonly string[]): UserError | null {
  if (description === null) return null
  if (description.length > MAX_DESCRIPTION)
    return userError('TOO_LARGE', path, `The description has ${description.length} characters; accepted: at most ${MAX_DESCRIPTION}.`)
  if (NO_TEXT.test(description))
    return userError('INVALID', path, 'The description has NUL characters or halves of a surrogate pair; accepted: none of these.')
  return null
}

/** What is wrong with a job's tags, each with its own path. */
export function tagErrors(tags: readonly string[], path: readonly string[]): UserError[] {
  const errors =
    tags.length > MAX_TAGS ? [userError('TOO_MANY', path, `There are ${tags.length} tags; accepted: at most ${MAX_TAGS}.`)] : []
  for (const [index, tag] of tags.entries()) {
    if (tag.trim() === '' || tag.length > MAX_TAG || CONTROL.test(tag)) {
      errors.push(
        userError(
          'INVALID',
          [...path, String(index)],
          `The tag ${JSON.stringify(tag)} is blank, longer than ${MAX_TAG} characters, or has control characters; accepted: none of these.`,
        ),
      )
    }
  }
  return errors
}

/** What is wrong with a pause: its note is required, its end lies ahead. */
export function pauseErrors(
  pause: { readonly note: string; readonly until?: Instant | null | undefined },
  now: Instant,
  path: readonly string[],
): UserError[] {
  const errors: UserError[] = []
  if (pause.note.trim() === '' || pause.note.length > MAX_NOTE) {
    errors.push(
      userError(
        'INVALID',
        [...path, 'note'],
        `The note has ${pause.note.trim().length} characters; accepted: 1 to ${MAX_NOTE}. It tells the next person why.`,
      ),
    )
  } else if (NO_TEXT.test(pause.note))
    errors.push(
      userError('INVALID', [...path, 'note'], 'The note has NUL characters or halves of a surrogate pair; accepted: none of these.'),
    )
  if (typeof pause.until === 'number' && pause.until <= now) {
    errors.push(
      userError(
        'IN_THE_PAST',
        [...path, 'until'],
        `The pause would end at ${new Date(pause.until).toISOString()}, which is past; now is ${new Date(now).toISOString()}.`,
      ),
    )
  }
  return errors
}

/** What is wrong with a key that a caller makes up: two that are not the same must not become the same in a database. */
export function keyError(name: string, key: string | null, path: readonly string[]): UserError | null {
  if (key === null) return null
  if (key.trim() === '' || key.length > MAX_KEY)
    return userError('INVALID', path, `${name} has ${key.length} characters; accepted: 1 to ${MAX_KEY}, not all blank.`)
  if (NO_TEXT.test(key))
    return userError('INVALID', path, `${name} has NUL characters or halves of a surrogate pair; accepted: none of these.`)
  return null
}

/** A JSON value as the text that is stored; null and undefined are "none". Errors: TOO_LARGE, and INVALID for what nests too deep. */
export function jsonText(value: unknown, path: readonly string[]): { readonly text: string | null; readonly error: UserError | null } {
  if (value === null || value === undefined) return { text: null, error: null }
  if (depthExceeds(value, MAX_JSON_DEPTH))
    return { text: null, error: userError('INVALID', path, `The JSON nests deeper than ${MAX_JSON_DEPTH} levels.`) }
  const text = JSON.stringify(value)
  const bytes = Buffer.byteLength(text)
  if (bytes > MAX_JSON_BYTES)
    return { text: null, error: userError('TOO_LARGE', path, `The JSON has ${bytes} bytes; accepted: at most ${MAX_JSON_BYTES}.`) }
  return { text, error: null }
}

/** Whether arrays and objects nest deeper than `limit`; a scalar has depth 0. Walks without recursion, so depth cannot hurt it. */
export function depthExceeds(value: unknown, limit: number): boolean {
  let level: unknown[] = [value]
  for (let depth = 0; level.length > 0; depth++) {
    const containers = level.filter((item) => typeof item === 'object' && item !== null)
    if (containers.length > 0 && depth >= limit) return true
    level = containers.flatMap((item) => Object.values(item as object))
  }
  return false
}
