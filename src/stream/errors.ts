/** Why a stream cannot be given, as clients see it in `extensions.code`. */
export type StreamErrorCode = 'CURSOR_INVALID' | 'CURSOR_EXPIRED' | 'NOT_FOUND'

/** The stream asked for is none, or cannot be resumed from `after`. The caller's fault: shown as it is, never masked. */
export class StreamError extends Error {
  override readonly name = 'StreamError'
  readonly code: StreamErrorCode
  /** With CURSOR_EXPIRED: the oldest cursor that is still good. */
  readonly oldest: string | null

  constructor(code: StreamErrorCode, message: string, oldest: string | null = null) {
    super(message)
    this.code = code
    this.oldest = oldest
  }
}
