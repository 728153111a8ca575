import { AddressRefused } from './httpConnections.ts'
import { type Failure, messageOf } from './outcomes.ts'

/** Codes of errors by the codes (or names) that Node, OpenSSL and undici give theirs, first match first. */
const CODES: readonly (readonly [RegExp, string, string])[] = [
  [/^ECONNREFUSED$/, 'CONNECTION_REFUSED', 'the connection was refused'],
  [/^(ENOTFOUND|EAI_.*|ENODATA|ESERVFAIL)$/, 'DNS_FAILED', 'its name does not resolve'],
  [/^(UND_ERR_CONNECT_TIMEOUT|ETIMEDOUT)$/, 'CONNECT_TIMEOUT', 'no connection was made in time'],
  [/^(EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|EHOSTDOWN|ENETDOWN)$/, 'UNREACHABLE', 'it cannot be reached'],
  [/^(ECONNRESET|EPIPE|ECONNABORTED|UND_ERR_SOCKET)$/, 'CONNECTION_LOST', 'the connection broke before the answer was complete'],
  [/^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|EPROTO)/, 'TLS_FAILED', 'TLS failed'],
  [/^(HPE_|HTTPParserError$|UND_ERR_HEADERS_OVERFLOW$|UND_ERR_RES)/, 'INVALID_ANSWER', 'the answer is not HTTP'],
]

/** What a request failed with that brought no answer. */
export function requestFailure(request: string, error: unknown): Failure {
  const cause = [...causes(error)]
  const refused = cause.find((each) => each instanceof AddressRefused)
  if (refused) return { code: refused.code, message: `${request}: ${refused.message}.`, retryable: false }
  for (const [pattern, code, meaning] of CODES) {
    const match = cause.find((each) => pattern.test(String((each as { code?: unknown }).code ?? each.name)))
    if (match) return { code, message: `${request}: ${meaning} (${messageOf(match)}).`, retryable: true }
  }
  return { code: 'REQUEST_FAILED', message: `${request}: ${messageOf(error)}`, retryable: true }
}

/** An error, what it wraps, and what these wrap. Connecting to a name with several addresses fails with one error for each. */
function* causes(error: unknown, depth = 0): Generator<Error> {
  if (!(error instanceof Error) || depth > 5) return
  yield error
  if (error instanceof AggregateError) for (const each of error.errors) yield* causes(each, depth + 1)
  yield* causes(error.cause, depth + 1)
}
