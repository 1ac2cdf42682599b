import { createCrypto } from '@postern/core/crypto'
import { publicJwk, thumbprint } from '@postern/core/jwk'
import { calculateJwkThumbprint } from 'jose'
import { expect, it } from 'vitest'
import { codeOf, seeded } from '../support.js'

const crypto = createCrypto()
const n =
  '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw'

it('RFC 7638 §3.1: the example key has the example thumbprint, whatever else it says', async () => {
  expect(await thumbprint(crypto, { kty: 'RSA', n, e: 'AQAB', alg: 'RS256', use: 'sig' })).toBe(
    'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs',
  )
})

it('agrees with an independent implementation, and private members change nothing', async () => {
  for (const alg of ['ES256', 'Ed25519'] as const) {
    const jwk = await crypto.generateKey(alg, seeded(alg))
    expect(await thumbprint(crypto, jwk)).toBe(await calculateJwkThumbprint(jwk as Parameters<typeof calculateJwkThumbprint>[0]))
    expect(await thumbprint(crypto, publicJwk(jwk))).toBe(await thumbprint(crypto, jwk))
    expect(publicJwk(jwk)).not.toHaveProperty('d')
  }
})

const x = 'A'.repeat(43)
it.each<[string, JsonWebKey]>([
  ['a symmetric key', { kty: 'oct', k: 'AAAA' }],
  ['no type', {}],
  ['an unknown curve', { kty: 'EC', crv: 'secp256k1', x, y: x }],
  ['a curve named like an inherited member', { kty: 'EC', crv: 'constructor', x, y: x }],
  ['a curve of another type', { kty: 'OKP', crv: 'P-256', x }],
  ['a missing coordinate', { kty: 'EC', crv: 'P-256', x }],
  ['a coordinate with a leading zero too many', { kty: 'OKP', crv: 'Ed25519', x: 'A'.repeat(44) }],
  ['padding', { kty: 'OKP', crv: 'Ed25519', x: `${x}=` }],
  ['an RSA modulus with a leading zero', { kty: 'RSA', n: `AA${n}`, e: 'AQAB' }],
  ['an empty exponent', { kty: 'RSA', n, e: '' }],
  ['a modulus above 4096 bits', { kty: 'RSA', n: '_'.repeat(684), e: 'AQAB' }],
])('refuses %s, so that one key has one name', (_, jwk) => {
  expect(codeOf(() => publicJwk(jwk))).toBe('crypto.invalid_key')
})
