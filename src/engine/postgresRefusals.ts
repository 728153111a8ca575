import { EngineStartError } from './errors.ts'
import { asUnavailable, isDatabaseAway } from './store/postgres/availability.ts'

/** By SQLSTATE: what waiting does not mend. Others of these classes are about a moment. */
const REFUSALS: Readonly<Record<string, string>> = {
  '28000': 'it does not let this user in from here',
  '28P01': 'the password is wrong',
  '3D000': 'there is no such database',
  '3F000': 'there is no such schema',
  '42501': 'the user may not do what a start must',
}
const TLS = /^(ERR_TLS|ERR_SSL|CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_(GET|VERIFY)|HOSTNAME_MISMATCH)/

/** What an error at the start means: the operator's to mend, or a database that is away; anything else as it is. Never tells the password. */
export function asStartError(error: unknown, url: string): unknown {
  if (!(error instanceof Error) || error instanceof EngineStartError) return error
  const refusal = refusalOf(error)
  if (refusal !== null) {
    return new EngineStartError('REFUSED', `The database of DATABASE_URL (${placeOf(url)}) refuses: ${refusal} (${error.message}).`, {
      cause: error,
    })
  }
  return isDatabaseAway(error) ? asUnavailable(error) : error
}

function refusalOf(error: Error): string | null {
  // Of an error that the store has wrapped, the driver's own.
  const driver = error.cause instanceof Error ? error.cause : error
  const { code } = driver as { code?: unknown }
  if (typeof code === 'string' && code in REFUSALS) return REFUSALS[code]!
  const tls = (typeof code === 'string' && TLS.test(code)) || driver.message === 'The server does not support SSL connections'
  return tls ? 'the two do not agree on TLS' : null
}

/** Where it is, without user and password. */
function placeOf(text: string): string {
  const url = URL.parse(text)
  return url === null ? 'not shown' : `${url.pathname.slice(1)} on ${url.host || (url.searchParams.get('host') ?? 'this machine')}`
}
