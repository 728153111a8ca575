import ipaddr from 'ipaddr.js'

// Which addresses HTTP targets may reach. A scheduler stands inside somebody's network and sends requests for whoever may create jobs:
// without this guard it would reach databases, cloud metadata services and admin pages that nobody outside can reach (SSRF).

type Address = ipaddr.IPv4 | ipaddr.IPv6

/** The ranges of ipaddr.js in words. */
const KINDS: Readonly<Record<string, string>> = {
  unspecified: 'an unspecified address',
  broadcast: 'a broadcast address',
  multicast: 'a multicast address',
  linkLocal: 'a link-local address',
  loopback: 'a loopback address',
  carrierGradeNat: "an address of a provider's own network",
  private: 'a private address',
  uniqueLocal: 'a private address',
  deprecatedSiteLocal: 'a private address',
}

/** The only block from which public IPv6 addresses are given out (RFC 4291, IANA). */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3')
/** Where gateways put the IPv4 address they translate to (RFC 6052). */
const NAT64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96')

export interface AddressGuard {
  /** Why this address (text of an IPv4 or IPv6 address) may not be reached, `a private address`, or null where it may. */
  refusal(address: string): string | null
}

/** Public addresses may be reached, and those in the networks that the operator allows (CIDR). Throws on text that names no network. */
export function createAddressGuard(allowTargets: readonly string[]): AddressGuard {
  const allowed = allowTargets.map(parseNetwork)
  return {
    refusal(text) {
      const [bare = ''] = text.split('%')
      if (!ipaddr.isValid(bare)) return 'not an address'
      const address = unmapped(ipaddr.parse(withoutDots(bare)))
      if (allowed.some((network) => contains(network, address))) return null
      const reached = translated(address)
      if (reached !== address && allowed.some((network) => contains(network, reached))) return null
      return refusalOf(reached)
    },
  }
}

/** `10.0.0.0/8`, `fd00::/8`, or a single address. Throws an Error that says what is accepted. */
export function parseNetwork(text: string): [Address, number] {
  const cidr = text.includes('/') ? text : `${text}/${text.includes(':') ? 128 : 32}`
  if (ipaddr.IPv4.isValidCIDRFourPartDecimal(cidr)) return ipaddr.IPv4.parseCIDR(cidr)
  if (ipaddr.IPv6.isValidCIDR(cidr)) return ipaddr.IPv6.parseCIDR(cidr)
  throw new Error(`${JSON.stringify(text)} is no network: give an address and its prefix length (10.0.0.0/8, fd00::/8), or one address.`)
}

function contains([network, bits]: [Address, number], address: Address): boolean {
  return network.kind() === address.kind() && address.match(network, bits)
}

/** ipaddr.js reads `::10.0.0.1` as though it were `::ffff:10.0.0.1`; in hexadecimal it tells them apart. */
function withoutDots(text: string): string {
  return text.includes(':') && text.includes('.') ? new URL(`http://[${text}]`).hostname.slice(1, -1) : text
}

/** `::ffff:10.0.0.1` is 10.0.0.1 to the operating system, so it is to us. */
function unmapped(address: Address): Address {
  return address.kind() === 'ipv6' && (address as ipaddr.IPv6).isIPv4MappedAddress() ? (address as ipaddr.IPv6).toIPv4Address() : address
}

/** The IPv4 address that a gateway makes of it, or itself. */
function translated(address: Address): Address {
  return contains(NAT64, address) ? new ipaddr.IPv4(address.toByteArray().slice(12)) : address
}

/** Everything that is not known to be public is refused; tunnels that carry IPv4 addresses inside (6to4, Teredo) are not. */
function refusalOf(address: Address): string | null {
  const range = address.range()
  const open = range === 'unicast' && (address.kind() === 'ipv4' || contains(GLOBAL_UNICAST, address))
  return open ? null : (KINDS[range] ?? 'not a public address')
}
