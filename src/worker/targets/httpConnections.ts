import { lookup as systemLookup } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import type { Agent } from 'undici'
import type { AddressGuard } from './addresses.ts'

/** The addresses of a name, at least one. Rejects where there are none. */
export type ResolveName = (name: string) => Promise<readonly string[]>

/** As the operating system resolves names: its hosts file and its search domains included. */
export const resolveBySystem: ResolveName = async (name) => (await systemLookup(name, { all: true })).map(({ address }) => address)

/** A connection was not made because the operator allows no such address. */
export class AddressRefused extends Error {
  readonly code = 'ADDRESS_NOT_ALLOWED'

  constructor(host: string, address: string, reason: string) {
    const which = host === address ? `${host} is ${reason}` : `${host} resolves to ${address}, ${reason}`
    super(`${which}; HTTP targets reach public addresses and the networks in ORRERY_ALLOW_TARGETS only`)
    this.name = 'AddressRefused'
  }
}

/** Throws AddressRefused if any of the addresses of a host may not be reached: a name must not lead to a different place each time. */
export function checkAddresses(host: string, addresses: readonly string[], guard: AddressGuard): void {
  for (const address of addresses) {
    const reason = guard.refusal(address)
    if (reason !== null) throw new AddressRefused(host, address, reason)
  }
}

/** Without the brackets of an IPv6 address in a URL. */
export function bareHost(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
}

/** How long a connection may take to be made, TLS included. The rest of an attempt is bounded by its own timeout. */
const CONNECT_TIMEOUT = 10_000

/**
 * Connections to web servers, kept open for a few seconds. The one place where sockets are opened: a name is resolved once, all its
 * addresses are checked, and the socket is connected to one of these very addresses.
 */
export async function openConnections(guard: AddressGuard, resolve: ResolveName): Promise<Agent> {
  // Loaded when it is first needed: it takes longer than the rest of a start.
  const { Agent, buildConnector } = await import('undici')
  const checked = async (host: string) => {
    const addresses = await resolve(host)
    checkAddresses(host, addresses, guard)
    return addresses.map((address) => ({ address, family: isIP(address) }))
  }
  const lookup: LookupFunction = (host, options, callback) => {
    checked(host).then(
      (found) => (options.all ? callback(null, found) : callback(null, found[0]!.address, found[0]!.family)),
      (error) => callback(error, ''),
    )
  }
  // One request a connection at a time over HTTP/1.1, so that ending a request ends its socket.
  const connect = buildConnector({ lookup, timeout: CONNECT_TIMEOUT, allowH2: false } as Parameters<typeof buildConnector>[0])
  return new Agent({
    allowH2: false,
    // Bounded by the attempt's timeout alone.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect(options, callback) {
      const host = bareHost(options.hostname)
      // No lookup is made for an address.
      if (isIP(host)) {
        try {
          checkAddresses(host, [host], guard)
        } catch (error) {
          callback(error as Error, null)
          return
        }
      }
      connect(options, callback)
    },
  })
}
