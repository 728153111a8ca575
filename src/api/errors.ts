import { type ExecutionResult, type FormattedExecutionResult, GraphQLError, type GraphQLFormattedError } from 'graphql'
import { StoreUnavailable } from '../engine/errors.ts'
import { StreamError } from '../stream/errors.ts'

/** `extensions.code` of top-level errors. What breaks a rule of the product is no such error but a UserError in the payload. */
export type ApiErrorCode =
  | 'BAD_USER_INPUT'
  | 'UNAUTHENTICATED'
  | 'FORBIDDEN'
  | 'NOT_FOUND'
  | 'CURSOR_INVALID'
  | 'CURSOR_EXPIRED'
  | 'TOO_DEEP'
  | 'TOO_COSTLY'
  | 'TOO_LARGE'
  | 'RATE_LIMITED'
  | 'TOO_MANY_SUBSCRIPTIONS'
  | 'UNAVAILABLE'
  | 'INTERNAL'
  | 'GRAPHQL_PARSE_FAILED'
  | 'GRAPHQL_VALIDATION_FAILED'

/** A deliberate error: clients see its code and message as they are. */
export function apiError(code: ApiErrorCode, message: string, more: Readonly<Record<string, unknown>> = {}): GraphQLError {
  return new GraphQLError(message, { extensions: { code, ...more } })
}

/** What came cannot be read: the message says what came and what is accepted. */
export function badUserInput(message: string): GraphQLError {
  return apiError('BAD_USER_INPUT', message)
}

/** The part of a logger that masking needs. */
export interface ErrorLog {
  error(fields: object, message: string): void
}

export interface Masking {
  /** Sent to the client with what is masked, and written beside it in the log. */
  readonly requestId: string
  readonly log: ErrorLog
}

/**
 * What a client may see of an error, on every transport: deliberate errors as they are, graphql's own with a code, all else as
 * INTERNAL with the request's id. What is no fault of the caller is logged, once, however many fields it cost.
 * `extensions.http`, by which Yoga chooses a status, is kept; `formatError` leaves it out where no HTTP response is made.
 */
export function maskError(error: unknown, { requestId, log }: Masking): GraphQLError {
  const cause = causeOf(error)
  const located = error instanceof GraphQLError ? error : null
  if (cause instanceof StreamError) {
    return relocate(located, cause.message, { code: cause.code, ...(cause.oldest === null ? {} : { oldest: cause.oldest }) })
  }
  if (cause instanceof StoreUnavailable) {
    logOnce(cause, { err: cause, requestId }, 'the database is away', log)
    return relocate(located, 'The database cannot be reached now. Try again in a moment.', { code: 'UNAVAILABLE', requestId })
  }
  if (cause instanceof GraphQLError && located !== null) {
    if (typeof located.extensions.code === 'string') return located
    const code = codeOfGraphql(located)
    if (code !== null) return relocate(located, located.message, { ...located.extensions, code })
  }
  logOnce(cause, { err: cause, requestId, path: located?.path }, 'an operation failed', log)
  return relocate(located, 'Internal error', { code: 'INTERNAL', requestId, ...httpOf(located) })
}

/** A masked error as sent where no HTTP response is made (WebSocket, SSE): without what is meant for the HTTP layer. */
export function formatError(error: GraphQLError): GraphQLFormattedError {
  const { extensions, ...rest } = error.toJSON()
  const { http: _http, ...shown } = extensions ?? {}
  return { ...rest, extensions: shown }
}

/** A result as sent where no HTTP response is made. */
export function formatResult({
  errors,
  ...rest
}: ExecutionResult | { readonly errors?: readonly GraphQLError[] | undefined }): FormattedExecutionResult {
  return errors === undefined ? rest : { ...rest, errors: errors.map(formatError) }
}

/** The error at the bottom: graphql wraps what resolvers throw to say where. */
function causeOf(error: unknown): unknown {
  let cause = error
  while (cause instanceof GraphQLError && cause.originalError) cause = cause.originalError
  return cause
}

function relocate(located: GraphQLError | null, message: string, extensions: Record<string, unknown>): GraphQLError {
  const place =
    located === null
      ? {}
      : { nodes: located.nodes ?? null, source: located.source ?? null, positions: located.positions ?? null, path: located.path ?? null }
  return new GraphQLError(message, { ...place, extensions })
}

function httpOf(located: GraphQLError | null): Record<string, unknown> {
  return located?.extensions.http === undefined ? {} : { http: located.extensions.http }
}

// graphql gives its own errors no code, and raises some of a bug of ours (a result that its type cannot print). What it says of
// variables and arguments is the caller's; `validateDocument` gives the errors of validation their code where they are made.
const OF_VARIABLES = /^Variable "\$\w+" (got invalid value|of (required|non-null) type|has invalid value)/
const OF_ARGUMENTS = /^Argument "\w+" (of (required|non-null) type|has invalid value)/

function codeOfGraphql({ message, path }: GraphQLError): ApiErrorCode | null {
  if (message.startsWith('Syntax Error')) return 'GRAPHQL_PARSE_FAILED'
  if (OF_ARGUMENTS.test(message) || OF_VARIABLES.test(message)) return 'BAD_USER_INPUT'
  // No path: nothing was executed, the document was refused.
  return path === undefined ? 'GRAPHQL_VALIDATION_FAILED' : null
}

const logged = new WeakSet<object>()

function logOnce(cause: unknown, fields: object, message: string, log: ErrorLog): void {
  if (typeof cause === 'object' && cause !== null) {
    if (logged.has(cause)) return
    logged.add(cause)
  }
  log.error(fields, message)
}
