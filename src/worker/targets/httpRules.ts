import { isIP } from 'node:net'
import { type UserError, userError } from '../../domain/errors.ts'
import { wrongStatusRule } from '../../domain/expectStatus.ts'
import type { HttpHeader, HttpTarget } from '../../domain/job.ts'
import { wrongWebhookSecret } from '../../domain/webhookSecret.ts'
import type { AddressGuard } from './addresses.ts'
import { AddressRefused, bareHost, checkAddresses, type ResolveName } from './httpConnections.ts'

const PATH = ['target', 'http'] as const
const MAX_URL = 4096
const MAX_HEADERS = 50
const MAX_HEADER_VALUE = 8192
/** How long the creation of a job waits for a name to resolve; one that has not by then may exist later. */
const RESOLVE_WITHIN = 2_000

/** Headers that say how the request is sent, or that it comes from here and for which run: only the server may. */
const RESERVED_NAMES = new Set([
  ...['host', 'content-length', 'transfer-encoding', 'connection', 'keep-alive', 'upgrade', 'expect', 'te', 'trailer', 'proxy-connection'],
  'idempotency-key',
])
const RESERVED_PREFIX = /^(webhook|orrery)-/

/** What is wrong with an HTTP target, as far as it can be known before a request is sent. */
export async function httpFaults(target: HttpTarget, guard: AddressGuard, resolve: ResolveName): Promise<readonly UserError[]> {
  const faults = [
    ...target.headers.flatMap(headerFaults),
    ...tooManyHeaders(target.headers),
    ...statusFaults(target),
    ...secretFaults(target),
  ]
  const url = readUrl(target.url)
  if (typeof url === 'string') return [userError('INVALID', [...PATH, 'url'], url), ...faults]
  return [...(await addressFaults(url, guard, resolve)), ...faults]
}

/** The URL, or what is wrong with it. The platform's parser reads hosts as the request will: `0x7f.1` and `2130706433` are 127.0.0.1. */
function readUrl(text: string): URL | string {
  if (text.length > MAX_URL) return `The URL is ${text.length} characters long; at most ${MAX_URL} are accepted.`
  if (!URL.canParse(text)) return `${JSON.stringify(text.slice(0, 200))} is not an absolute URL, such as https://example.com/hook.`
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return `A URL with http: or https: is accepted, not ${url.protocol}`
  if (url.username !== '' || url.password !== '') {
    return 'The URL holds a user name or password, which would show wherever the URL does: send them as a header authorization with secret: true.'
  }
  return url
}

async function addressFaults(url: URL, guard: AddressGuard, resolve: ResolveName): Promise<readonly UserError[]> {
  const host = bareHost(url.hostname)
  try {
    checkAddresses(host, isIP(host) ? [host] : await withinReason(resolve(host)), guard)
    return []
  } catch (error) {
    // Any other error: the name does not resolve. It may later, and every connection is checked.
    return error instanceof AddressRefused ? [userError('NOT_ALLOWED', [...PATH, 'url'], `${error.message}.`)] : []
  }
}

function withinReason(resolving: Promise<readonly string[]>): Promise<readonly string[]> {
  return new Promise((settle, reject) => {
    const timer = setTimeout(settle, RESOLVE_WITHIN, [])
    resolving.then(settle, reject).finally(() => clearTimeout(timer))
  })
}

function headerFaults({ name, value }: HttpHeader, index: number): readonly UserError[] {
  const path = [...PATH, 'headers', String(index)]
  const lower = name.toLowerCase()
  if (!/^[!#$%&'*+.^_`|~0-9a-z-]{1,200}$/.test(lower)) {
    return [
      userError('INVALID', [...path, 'name'], `${JSON.stringify(name.slice(0, 100))} is no header name: letters, digits and hyphens.`),
    ]
  }
  if (RESERVED_NAMES.has(lower) || RESERVED_PREFIX.test(lower)) {
    return [userError('INVALID', [...path, 'name'], `The header ${lower} is set by the server and cannot be given.`)]
  }
  // The value may be secret: no message repeats it.
  if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) {
    return [
      userError('INVALID', [...path, 'value'], `The value of ${lower} holds a line break, a control character or one outside Latin-1.`),
    ]
  }
  if (value.length > MAX_HEADER_VALUE) {
    return [
      userError(
        'TOO_LARGE',
        [...path, 'value'],
        `The value of ${lower} is ${value.length} characters long; at most ${MAX_HEADER_VALUE} are accepted.`,
      ),
    ]
  }
  return []
}

function tooManyHeaders(headers: readonly HttpHeader[]): readonly UserError[] {
  if (headers.length <= MAX_HEADERS) return []
  return [userError('TOO_MANY', [...PATH, 'headers'], `${headers.length} headers are given; at most ${MAX_HEADERS} are accepted.`)]
}

function statusFaults({ expectStatus }: HttpTarget): readonly UserError[] {
  return expectStatus.flatMap((rule, index) => {
    const wrong = wrongStatusRule(rule)
    return wrong === null ? [] : [userError('INVALID', [...PATH, 'expectStatus', String(index)], wrong)]
  })
}

function secretFaults({ secret }: HttpTarget): readonly UserError[] {
  const wrong = secret === null ? null : wrongWebhookSecret(secret)
  return wrong === null ? [] : [userError('INVALID', [...PATH, 'secret'], wrong)]
}
