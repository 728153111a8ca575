import { inspect } from 'node:util'
import { HOUR, type Milliseconds } from '../../domain/instant.ts'
import type { TaskFailure } from './protocol.ts'

const MAX_MESSAGE = 4 * 1024
const MAX_STACK = 16 * 1024
/** No handler's `retryAfterMs` holds a run back for longer: as for web servers. */
const LONGEST_RETRY_AFTER: Milliseconds = HOUR

/**
 * What a handler threw, whatever it is. An error may carry `code` (UPPER_SNAKE), `retryable: false` (another attempt would end alike) and
 * `retryAfterMs` (milliseconds before which another attempt makes no sense, at most an hour).
 */
export function describeThrown(thrown: unknown): TaskFailure {
  try {
    const said = (typeof thrown === 'object' && thrown !== null ? thrown : {}) as Record<string, unknown>
    const { code, message, stack, retryable, retryAfterMs } = said
    const text =
      typeof message === 'string' && message !== '' ? message : typeof thrown === 'string' ? thrown : inspect(thrown, { depth: 2 })
    return {
      code: typeof code === 'string' && /^[A-Z][A-Z0-9_]{0,63}$/.test(code) ? code : 'HANDLER_FAILED',
      message: printable(text, MAX_MESSAGE),
      stack: typeof stack === 'string' ? printable(stack, MAX_STACK) : null,
      retryable: retryable !== false,
      retryAfter: typeof retryAfterMs === 'number' && retryAfterMs >= 0 ? Math.min(retryAfterMs, LONGEST_RETRY_AFTER) : null,
    }
  } catch {
    // Its properties throw.
    return {
      code: 'HANDLER_FAILED',
      message: 'The handler threw a value that cannot be shown.',
      stack: null,
      retryable: true,
      retryAfter: null,
    }
  }
}

/** Cut to a length, and without what is no text for every database. */
export function printable(text: string, most: number): string {
  const cut = text.length <= most ? text : `${text.slice(0, most - 1)}…`
  return cut.replaceAll('\0', '\ufffd').toWellFormed()
}
