/** What breaks a rule of the product, as data: the codes of the API's `ErrorCode`. */
export const ERROR_CODES = [
  'INVALID',
  'NOT_FOUND',
  'NAME_TAKEN',
  'VERSION_CONFLICT',
  'CONFLICTING_POLICIES',
  'NEVER_FIRES',
  'IN_THE_PAST',
  'TOO_MANY',
  'TOO_LARGE',
  'NOT_ALLOWED',
  'OVERLAP',
  'ALREADY_FINISHED',
  'IDEMPOTENCY_MISMATCH',
] as const

export type ErrorCode = (typeof ERROR_CODES)[number]

/** One thing that is wrong with a request. `path` points into the input, `['schedule', 'cron', 'expression']`. */
export interface UserError {
  readonly code: ErrorCode
  readonly message: string
  readonly path: readonly string[]
}

export function userError(code: ErrorCode, path: readonly string[], message: string): UserError {
  return { code, message, path }
}

/** A value, or everything that is wrong with what should have given it. */
export type Checked<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly errors: readonly UserError[] }

export function valid<T>(value: T): Checked<T> {
  return { ok: true, value }
}

export function refused(...errors: readonly UserError[]): { readonly ok: false; readonly errors: readonly UserError[] } {
  return { ok: false, errors }
}
