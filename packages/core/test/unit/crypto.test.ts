/// <reference types="node" />
import { constants, generateKeyPairSync, privateEncrypt } from 'node:crypto'
import { encodeBase64url } from '@postern/core/base64url'
import { concat, fromHex, hex, utf8 } from '@postern/core/bytes'
import { createCrypto as createNoble } from '@postern/core/crypto/noble'
import { createCrypto as createNode } from '@postern/core/crypto/node'
import { createCrypto as createWeb } from '@postern/core/crypto/web'
import type { SignAlg } from '@postern/core/cryptoPort'
import { systemPorts } from '@postern/core/systemRuntime'
import { CompactSign, compactVerify, importJWK } from 'jose'
import { describe, expect, it } from 'vitest'
import { refusalOf, seeded } from '../support.js'

const ports = [createNode(), createWeb(), createNoble()]
const bytes = (text: string): Uint8Array => fromHex(text)!
const b64 = (text: string): string => encodeBase64url(bytes(text))
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const rsaJwk = rsa.privateKey.export({ format: 'jwk' }) as JsonWebKey
const rsaPublic: JsonWebKey = { kty: 'RSA', n: rsaJwk.n!, e: rsaJwk.e! }
const message = utf8('message')

describe.each(ports)('crypto on $name', (crypto) => {
  const verifies = async (alg: SignAlg, jwk: JsonWebKey, data: Uint8Array, signature: Uint8Array) =>
    crypto.verify(await crypto.verifyKey(alg, jwk), data, signature)
  const refuses = async (alg: SignAlg, jwk: JsonWebKey) =>
    (await refusalOf((async () => crypto.verifyKey(alg, jwk))()))?.code === 'crypto.invalid_key'

  it('answers RFC 4231 test case 2', async () => {
    const mac = await crypto.hmac(await crypto.hmacKey('SHA-256', utf8('Jefe')), utf8('what do ya want for nothing?'))
    expect(hex(mac)).toBe('5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843')
  })

  it('answers the first iteration of RFC 7748 §5.2', async () => {
    const nine = Uint8Array.of(9, ...new Uint8Array(31))
    const pair = await crypto.dhKeyPair('X25519', nine)
    const answer = '422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079'
    expect([hex(pair.publicKey), hex((await crypto.dh('X25519', pair, nine))!)]).toEqual([answer, answer])
  })

  it('answers RFC 8032 §7.1 test 1', async () => {
    const x = b64('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a')
    const d = b64('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60')
    const signer = await crypto.signer('Ed25519', { kty: 'OKP', crv: 'Ed25519', x, d })
    expect(hex(await signer.sign(new Uint8Array(0))).slice(0, 32)).toBe('e5564300c360ac729086e2cc806e828a')
  })

  it('T29 ECDSA: zeros, out of range, DER, wrong length and a point off the curve are refused', async () => {
    const jwk = await crypto.generateKey('ES256', seeded('t29'))
    const signer = await crypto.signer('ES256', jwk)
    const good = await signer.sign(message)
    const n = bytes('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551')
    const der = concat(Uint8Array.of(0x30, 0x44, 2, 32), good.slice(0, 32), Uint8Array.of(2, 32), good.slice(32))
    expect(await verifies('ES256', signer.publicJwk, message, good)).toBe(true)
    const bad = [
      new Uint8Array(64),
      concat(n, good.slice(32)),
      concat(good.slice(0, 32), n),
      der,
      good.slice(1),
      concat(good, Uint8Array.of(0)),
      new Uint8Array(0),
    ]
    for (const signature of bad) expect(await verifies('ES256', signer.publicJwk, message, signature)).toBe(false)
    expect(await refuses('ES256', { ...signer.publicJwk, y: signer.publicJwk.x! })).toBe(true)
    expect(await refuses('ES256', jwk)).toBe(true)
    expect(await refuses('ES384', signer.publicJwk)).toBe(true)
    expect(await refuses('ES256', { ...signer.publicJwk, x: `${signer.publicJwk.x}=` })).toBe(true)
  })

  it.each([
    ['ES256', 32, 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n],
    ['ES384', 48, 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n],
    ['ES512', 66, 2n ** 521n - 1n],
  ] as const)('T29 %s: a point is one of the curve, its coordinates below p', async (alg, size, p) => {
    const publicOf = async (seed: string) => (await crypto.signer(alg, await crypto.generateKey(alg, seeded(seed)))).publicJwk
    const coordinate = (n: bigint) => b64(n.toString(16).padStart(2 * size, '0'))
    const number = (text: string) => BigInt(`0x${Buffer.from(text, 'base64url').toString('hex')}`)
    for (const seed of ['a', 'b', 'c']) {
      const jwk = await publicOf(seed)
      const [x, y] = [number(jwk.x!), number(jwk.y!)]
      expect(await refuses(alg, jwk)).toBe(false)
      expect(await refuses(alg, { ...jwk, y: coordinate(p - y) })).toBe(false)
      const bad = [
        [x, y ^ 1n],
        [x ^ 1n, y],
        [y, x],
        [0n, 0n],
        [x, 0n],
        [0n, y],
        [p - 1n, y],
        [x, p],
      ] as const
      for (const [badX, badY] of bad)
        expect([badX, badY, await refuses(alg, { ...jwk, x: coordinate(badX), y: coordinate(badY) })]).toEqual([badX, badY, true])
      // The same point, written with coordinates that are not reduced, where the bytes have room for them.
      if (alg !== 'ES512') continue
      expect(await refuses(alg, { ...jwk, x: coordinate(x + p) })).toBe(true)
      expect(await refuses(alg, { ...jwk, y: coordinate(y + p) })).toBe(true)
    }
  })

  it('T29 Ed25519: a key of small order and an S that is not canonical are refused', async () => {
    for (const x of [
      `01${'00'.repeat(31)}`,
      '00'.repeat(32),
      'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
      `ee${'ff'.repeat(30)}7f`,
    ])
      expect(await refuses('Ed25519', { kty: 'OKP', crv: 'Ed25519', x: b64(x) })).toBe(true)
    const signer = await crypto.signer('Ed25519', await crypto.generateKey('Ed25519', seeded('s')))
    const signature = await signer.sign(message)
    expect(await verifies('EdDSA', signer.publicJwk, message, signature)).toBe(true)
    let carry = 0
    const order = bytes('edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010')
    const lax = signature.map((byte, i) => {
      if (i < 32) return byte
      carry += byte + order[i - 32]!
      const low = carry & 255
      carry >>= 8
      return low
    })
    expect(await verifies('Ed25519', signer.publicJwk, message, lax)).toBe(false)
  })

  it('T30 RSA: e = 1, 512 bits and lax PKCS#1 padding are refused', async () => {
    expect(await refuses('RS256', { ...rsaPublic, e: 'AQ' })).toBe(true)
    expect(await refuses('RS256', { ...rsaPublic, n: rsaPublic.n!.slice(0, 84) })).toBe(true)
    const digestInfo = concat(bytes('3031300d060960864801650304020105000420'), await crypto.digest('SHA-256', message))
    const raw = (em: Uint8Array): Uint8Array =>
      new Uint8Array(privateEncrypt({ key: rsa.privateKey, padding: constants.RSA_NO_PADDING }, em))
    const em = (padding: number, tail: number): Uint8Array =>
      concat(Uint8Array.of(0, 1), new Uint8Array(padding).fill(255), Uint8Array.of(0), digestInfo, new Uint8Array(tail))
    expect(await verifies('RS256', rsaPublic, message, raw(em(202, 0)))).toBe(true)
    expect(await verifies('RS256', rsaPublic, message, raw(em(8, 194)))).toBe(false)
  })

  it('C10 X25519 of low order and P-256 off the curve are null', async () => {
    const pair = await crypto.dhKeyPair('X25519', seeded('c10')(32))
    for (const point of ['00'.repeat(32), `01${'00'.repeat(31)}`, `ec${'ff'.repeat(30)}7f`, '00'])
      expect(await crypto.dh('X25519', pair, bytes(point))).toBeNull()
    const p256 = await crypto.dhKeyPair('P-256', seeded('c10')(32))
    expect(
      await crypto.dh(
        'P-256',
        p256,
        p256.publicKey.map((byte, i) => (i === 64 ? byte ^ 1 : byte)),
      ),
    ).toBeNull()
    expect((await refusalOf((async () => crypto.dhKeyPair('P-256', new Uint8Array(32)))()))?.code).toBe('crypto.invalid_key')
  })

  it.each(['ES256', 'ES384', 'ES512', 'Ed25519', 'RS256', 'PS256'] as const)('agrees with jose on %s both ways', async (alg) => {
    const jwk = alg === 'RS256' || alg === 'PS256' ? rsaJwk : await crypto.generateKey(alg, seeded(alg))
    const text = await new CompactSign(message).setProtectedHeader({ alg }).sign(await importJWK(jwk as never, alg))
    const [header, payload, signature] = text.split('.')
    const { d: _, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...open } = jwk
    expect(await verifies(alg, open, utf8(`${header}.${payload}`), new Uint8Array(Buffer.from(signature!, 'base64url')))).toBe(
      true,
    )
    if (crypto.name === 'noble' && jwk.kty === 'RSA') return
    const signed = await (await crypto.signer(alg, jwk)).sign(utf8(`${header}.${payload}`))
    await compactVerify(`${header}.${payload}.${encodeBase64url(signed)}`, await importJWK(open as never, alg))
  })
})

it('the ports of the process have the crypto of Node and a clock that never steps back', () => {
  const { clock, random, crypto } = systemPorts()
  const before = clock()
  expect([crypto.name, random(70_000).length, before <= clock()]).toEqual(['node', 70_000, true])
})
