import type { Outcome } from '../../domain/run.ts'

/** Most that an attempt may leave as its output: bytes of JSON text in UTF-8. */
export const OUTPUT_LIMIT = 64 * 1024

export const CANCELLED: Outcome = Object.freeze({ kind: 'CANCELLED' })
export const INTERRUPTED: Outcome = Object.freeze({ kind: 'INTERRUPTED' })

export interface Failure {
  /** UPPER_SNAKE, for programs. */
  readonly code: string
  readonly message: string
  readonly stack?: string | null
  /** Whether another attempt may end otherwise. */
  readonly retryable: boolean
  /** Milliseconds before which no other attempt makes sense. */
  readonly retryAfter?: number | null
  /** JSON text. */
  readonly output?: string | null
}

export function failed({ code, message, retryable, stack = null, retryAfter = null, output = null }: Failure): Outcome {
  return { kind: 'FAILED', error: { code, message, stack, retryable }, output, retryAfter }
}

export function succeeded(output: string | null): Outcome {
  return { kind: 'SUCCEEDED', output }
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
