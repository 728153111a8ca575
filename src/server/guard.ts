import type { IncomingHttpHeaders } from 'node:http'
import { isLoopback } from '../config.ts'

/** Which web pages may talk to this server. Asked before every request and every WebSocket upgrade. */
export interface Guard {
  /** Why a request is refused, or null. */
  refusal(method: string, headers: IncomingHttpHeaders): string | null
  /** The request's origin, where its pages may read answers: for CORS. */
  corsOrigin(headers: IncomingHttpHeaders): string | null
}

/**
 * A browser lets any web page send requests to a server on the visitor's own machine, and a page whose name is made to resolve to
 * 127.0.0.1 (DNS rebinding) may even read the answers. So:
 * - on a loopback HOST, the Host header must name the loopback and our own port;
 * - an Origin must be our own or one that the operator names;
 * - what a page embeds without an Origin (an image, a script) is refused, by Sec-Fetch-Site.
 * Programs that are no browsers send none of these headers and are not concerned.
 */
export function createGuard({
  host,
  port,
  corsOrigins,
}: {
  readonly host: string
  readonly port: () => number
  readonly corsOrigins: readonly string[]
}): Guard {
  const configured = new Set(corsOrigins)
  const loopback = isLoopback(host)

  // Nearly every request names the same host.
  let known: string | undefined

  function isOurs(authority: string | undefined): boolean {
    if (authority !== undefined && authority === known) return true
    const ours = namesUs(authority)
    if (ours) known = authority
    return ours
  }

  function namesUs(authority: string | undefined): boolean {
    const url = authority === undefined || !/^[\w.:[\]-]+$/.test(authority) ? null : URL.parse(`http://${authority}`)
    return url !== null && isLoopback(url.hostname.replace(/^\[|\]$/g, '')) && Number(url.port || 80) === port()
  }

  function isSameOrigin(origin: string, authority: string | undefined): boolean {
    const url = URL.parse(origin)
    if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return false
    return loopback ? url.protocol === 'http:' && isOurs(url.host) : url.host === authority?.toLowerCase()
  }

  return {
    refusal(method, headers) {
      const { host: authority, origin } = headers
      if (loopback && !isOurs(authority)) {
        return `The Host header is ${shown(authority)}; this server answers as 127.0.0.1:${port()} or localhost:${port()}.`
      }
      if (origin !== undefined) {
        if (configured.has(origin) || isSameOrigin(origin, authority)) return null
        return `Pages of the origin ${shown(origin)} may not call this server; ORRERY_CORS_ORIGINS names those that may.`
      }
      const site = headers['sec-fetch-site']
      const embedded =
        (site === 'cross-site' || site === 'same-site') &&
        !(headers['sec-fetch-mode'] === 'navigate' && (method === 'GET' || method === 'HEAD'))
      return embedded ? 'A page of another origin may not embed anything of this server.' : null
    },
    corsOrigin: ({ origin }) => (origin !== undefined && configured.has(origin) ? origin : null),
  }
}

function shown(value: string | undefined): string {
  return value === undefined ? 'missing' : JSON.stringify(value.slice(0, 100))
}
