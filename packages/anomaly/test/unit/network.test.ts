import { expect, it } from 'vitest'
import { parseAddress, prefixOf, resolveNetwork } from '../../src/network.js'

const ip = (text: string) => parseAddress(text)!

it.each([
  ['192.0.2.1', [192, 0, 2, 1]],
  ['::', new Array(16).fill(0)],
  ['2001:db8::1', [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]],
  ['::ffff:192.0.2.1', [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1]],
  ['1:2:3:4:5:6:7:8', [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8]],
])('%s is parsed', (text, bytes) => expect([...ip(text)]).toEqual(bytes))

it.each([
  '',
  '1.2.3',
  '1.2.3.256',
  '01.2.3.4',
  '1.2.3.4.5',
  ':::',
  '1::2::3',
  '12345::',
  '1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:8:9',
  'fe80::1%eth0',
  '1.2.3.4::',
  'x'.repeat(100),
])('%j is no address', (text) => expect(parseAddress(text)).toBeNull())

it('the prefix is /24 of IPv4, mapped or not, and /48 of IPv6', () => {
  expect([...prefixOf(ip('192.0.2.77'))!]).toEqual([192, 0, 2])
  expect([...prefixOf(ip('::ffff:192.0.2.77'))!]).toEqual([192, 0, 2])
  expect([...prefixOf(ip('2001:db8:aaaa:bbbb::1'))!]).toEqual([0x20, 1, 0xd, 0xb8, 0xaa, 0xaa])
  expect(prefixOf(new Uint8Array(5))).toBeNull()
})

const resolvers = {
  geo: { radiusKm: { city: 25, country: 500 }, resolve: () => ({ country: 'DE', lat: 52, lon: 13, radiusKm: 25 }) },
  asn: { resolve: () => ({ asn: 64500, kind: 'fixed' as const }) },
}

it.each([
  '127.0.0.1',
  '10.1.2.3',
  '172.31.0.1',
  '192.168.1.1',
  '169.254.0.1',
  '100.64.0.1',
  '::1',
  'fd00::1',
  'fe80::1',
  '::ffff:10.0.0.1',
])('%s is local: no place, no ASN, no resolver asked', async (text) =>
  expect(await resolveNetwork(ip(text), resolvers)).toMatchObject({ asn: null, kind: null, place: null }),
)

it('a resolver that throws knows nothing, the other is still heard', async () => {
  const geo = { ...resolvers.geo, resolve: () => Promise.reject(new Error('down')) }
  expect(await resolveNetwork(ip('192.0.2.1'), { ...resolvers, geo })).toMatchObject({ asn: 64500, place: null })
  expect(await resolveNetwork(null, resolvers)).toEqual({ ip: null, asn: null, kind: null, place: null })
})
