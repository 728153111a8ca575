import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { createAddressGuard } from '../../src/worker/targets/addresses.ts'

const PUBLIC = [
  '8.8.8.8',
  '1.1.1.1',
  '172.15.255.255',
  '172.32.0.1',
  '100.128.0.1',
  '2606:4700::1111',
  '2a00:1450:4001::1',
  '::ffff:8.8.8.8',
  '64:ff9b::8.8.8.8',
]

const NOT_PUBLIC: Readonly<Record<string, readonly string[]>> = {
  private: ['10.0.0.1', '10.255.255.255', '172.16.0.1', '172.31.255.255', '192.168.0.1', 'fc00::1', 'fdff::1', 'fec0::1'],
  loopback: ['127.0.0.1', '127.255.255.254', '::1'],
  'link-local': ['169.254.169.254', '169.254.0.1', 'fe80::1', 'febf::1', 'fe80::1%eth0', 'fe80::1.2.3.4%eth0'],
  unspecified: ['0.0.0.0', '0.1.2.3', '::'],
  'of a provider': ['100.64.0.1', '100.127.255.255'],
  multicast: ['224.0.0.1', '239.255.255.255', 'ff02::1'],
  broadcast: ['255.255.255.255'],
  'for documentation': ['192.0.2.1', '198.51.100.1', '203.0.113.1', '2001:db8::1', '3fff::1'],
  'for benchmarks': ['198.18.0.1', '198.19.255.255', '2001:2::1'],
  reserved: ['240.0.0.1', '192.0.0.1', '192.88.99.1', '4000::1', 'e000::1', '300::1'],
  'discard-only': ['100::1'],
  'IPv4 inside IPv6': [
    '::ffff:10.0.0.1',
    '::ffff:a00:1',
    '::ffff:127.0.0.1',
    '::10.0.0.1',
    '::8.8.8.8',
    '::ffff:0:10.0.0.1',
    '64:ff9b::10.0.0.1',
    '64:ff9b::7f00:1',
  ],
  'carried by tunnels': ['2002:a00:1::1', '2002:7f00:1::', '2002:808:808::1', '2001:0:a00:1::1', '64:ff9b:1::a00:1'],
  'no address': ['', 'localhost', '10.0.0', '1.2.3.4.5', '[::1]'],
}

describe('the guard of addresses', () => {
  it('lets public addresses pass', () => {
    const guard = createAddressGuard([])
    for (const address of PUBLIC) assert.equal(guard.refusal(address), null, address)
  })

  for (const [kind, addresses] of Object.entries(NOT_PUBLIC)) {
    it(`refuses addresses that are ${kind}`, () => {
      const guard = createAddressGuard([])
      for (const address of addresses) assert.notEqual(guard.refusal(address), null, address)
    })
  }

  it('says in words what an address is', () => {
    const guard = createAddressGuard([])
    assert.equal(guard.refusal('169.254.169.254'), 'a link-local address')
    assert.equal(guard.refusal('::ffff:10.0.0.1'), 'a private address')
    assert.equal(guard.refusal('fd00::1'), 'a private address')
    assert.equal(guard.refusal('2002:a00:1::1'), 'not a public address')
  })

  it('lets pass what the operator allows, and no neighbour of it', () => {
    const guard = createAddressGuard(['10.1.0.0/16', '127.0.0.1', 'fd00:1::/32'])
    for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '64:ff9b::10.1.2.3', '127.0.0.1', 'fd00:1::5'])
      assert.equal(guard.refusal(address), null, address)
    for (const address of ['10.2.0.1', '127.0.0.2', '::1', 'fd00:2::1', '::10.1.2.3'])
      assert.notEqual(guard.refusal(address), null, address)
  })

  it('takes networks and single addresses only', () => {
    for (const network of ['10.0.0.0/33', '10.1/16', '0x0a.0.0.0/8', 'localhost', '', 'fd00::/129', '10.0.0.0/', '*']) {
      assert.throws(() => createAddressGuard([network]), /is no network/, network)
    }
  })

  it('decides on an IPv4 address as on its mapped form', () => {
    const guard = createAddressGuard(['198.18.0.0/16'])
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        assert.equal(guard.refusal(`::ffff:${address}`), guard.refusal(address))
      }),
    )
  })

  it('never throws on an address that the system may give', () => {
    const guard = createAddressGuard([])
    fc.assert(fc.property(fc.oneof(fc.ipV6(), fc.ipV4(), fc.string()), (address) => guard.refusal(address) === null || true))
  })
})
