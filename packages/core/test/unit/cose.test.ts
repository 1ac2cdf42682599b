/// <reference types="node" />
import { generateKeyPairSync, sign } from 'node:crypto'
import { ed448 } from '@noble/curves/ed448.js'
import { ml_dsa44, ml_dsa65, ml_dsa87 } from '@noble/post-quantum/ml-dsa.js'
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { type CborKey, type CborMap, type CborValue, writeCbor } from '@postern/core/cbor'
import { isCoseAlg, readCoseKey, verifyAlgOf } from '@postern/core/cose'
import { coseVerifier } from '@postern/core/coseVerifier'
import { createCrypto as createNoble } from '@postern/core/crypto/noble'
import { createCrypto as createNode } from '@postern/core/crypto/node'
import { createCrypto as createWeb } from '@postern/core/crypto/web'
import { describe, expect, it } from 'vitest'
import { codeOf, refusalOf } from '../support.js'

const ports = [createNode(), createWeb(), createNoble()]
const data = new TextEncoder().encode('what was signed')
const bytes = (text: string | undefined): Uint8Array => decodeBase64url(text!)!
const cose = (...entries: readonly [CborKey, CborValue][]): CborMap => new Map(entries)

interface Sample {
  readonly alg: number
  readonly name: string
  readonly key: CborMap
  sign(): Uint8Array
}

function ec(alg: number, name: string, crv: number, curve: string, hash: string): Sample {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: curve })
  const { x, y } = publicKey.export({ format: 'jwk' })
  const key = cose([1, 2], [3, alg], [-1, crv], [-2, bytes(x)], [-3, bytes(y)])
  return { alg, name, key, sign: () => new Uint8Array(sign(hash, data, privateKey)) }
}

function rsa(alg: number, name: string, hash: string, pss = false): Sample {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const { n, e } = publicKey.export({ format: 'jwk' })
  const how = pss ? { key: privateKey, padding: 6, saltLength: 32 } : { key: privateKey }
  return {
    alg,
    name,
    key: cose([1, 3], [3, alg], [-1, bytes(n)], [-2, bytes(e)]),
    sign: () => new Uint8Array(sign(hash, data, how)),
  }
}

function okp(alg: number, name: string, crv: 6 | 7): Sample {
  const { privateKey, publicKey } = crv === 6 ? generateKeyPairSync('ed25519') : generateKeyPairSync('ed448')
  const x = bytes(publicKey.export({ format: 'jwk' }).x)
  return {
    alg,
    name,
    key: cose([1, 1], [3, alg], [-1, crv], [-2, x]),
    sign: () => new Uint8Array(sign(null, data, privateKey)),
  }
}

function mlDsa(alg: number, name: string, set: typeof ml_dsa44): Sample {
  const { publicKey, secretKey } = set.keygen()
  return { alg, name, key: cose([1, 7], [3, alg], [-1, publicKey]), sign: () => set.sign(data, secretKey) }
}

const samples: readonly Sample[] = [
  ec(-7, 'ES256', 1, 'prime256v1', 'sha256'),
  ec(-9, 'ESP256', 1, 'prime256v1', 'sha256'),
  ec(-35, 'ES384', 2, 'secp384r1', 'sha384'),
  ec(-51, 'ESP384', 2, 'secp384r1', 'sha384'),
  ec(-36, 'ES512', 3, 'secp521r1', 'sha512'),
  ec(-52, 'ESP512', 3, 'secp521r1', 'sha512'),
  okp(-8, 'EdDSA with Ed25519', 6),
  okp(-8, 'EdDSA with Ed448', 7),
  okp(-19, 'Ed25519', 6),
  okp(-53, 'Ed448', 7),
  rsa(-257, 'RS256', 'sha256'),
  rsa(-258, 'RS384', 'sha384'),
  rsa(-259, 'RS512', 'sha512'),
  rsa(-37, 'PS256', 'sha256', true),
  mlDsa(-48, 'ML-DSA-44', ml_dsa44),
  mlDsa(-49, 'ML-DSA-65', ml_dsa65),
  mlDsa(-50, 'ML-DSA-87', ml_dsa87),
]
const [es256, es384] = [samples[0]!, samples[2]!]

const changed = (map: CborMap, ...entries: readonly [CborKey, CborValue | undefined][]): CborMap => {
  const out = new Map(map)
  for (const [key, value] of entries) value === undefined ? out.delete(key) : out.set(key, value)
  return out
}

describe('COSE keys', () => {
  it.each(samples)(
    '$name ($alg) is read, prepared and verified on every port; a changed bit is not',
    async ({ alg, key, sign }) => {
      const read = readCoseKey(writeCbor(key))
      expect([read.alg, isCoseAlg(alg)]).toEqual([alg, true])
      expect(readCoseKey(key)).toEqual(read)
      const signature = sign()
      for (const port of ports) {
        const verifier = await coseVerifier(port, read)
        expect([port.name, await verifier.verify(data, signature)]).toEqual([port.name, true])
        const turned = signature.map((byte, i) => (i === signature.length - 5 ? byte ^ 1 : byte))
        expect(await verifier.verify(data, turned)).toBe(false)
        expect(await verifier.verify(data.subarray(1), signature)).toBe(false)
        for (const broken of [
          new Uint8Array(0),
          signature.subarray(1),
          Uint8Array.of(...signature, 0),
          new Uint8Array(signature.length),
        ])
          expect(await verifier.verify(data, broken)).toBe(false)
      }
    },
  )

  it('A13 a member too many, a private one, a key id, operations: refused, as is one too few', () => {
    for (const { name, key } of samples)
      for (const extra of [-4, -3, 2, 4, 5, 'x', -70_000].filter((k) => !key.has(k)))
        expect([name, codeOf(() => readCoseKey(changed(key, [extra, Uint8Array.of(1)])))]).toEqual([name, 'cose.malformed'])
    for (const { key } of samples)
      for (const member of key.keys()) expect(codeOf(() => readCoseKey(changed(key, [member, undefined])))).toBe('cose.malformed')
  })

  it('A13 an algorithm of another kind or curve, or one that is unknown, is refused', () => {
    for (const { alg, key } of samples)
      for (const other of [...samples.map((s) => s.alg), -65_535, -47, -6, 0, 1]) {
        const fits = verifyAlgOf(other, ...kindOf(key)) !== null
        const known = other === alg || key.get(1) !== 7 ? null : 'cose.malformed'
        expect([alg, other, codeOf(() => readCoseKey(changed(key, [3, other])))]).toEqual([
          alg,
          other,
          fits ? known : 'cose.algorithm',
        ])
        if (other === alg) expect(fits).toBe(true)
      }
    for (const curve of [2, 3, 6, 7, 8]) expect(codeOf(() => readCoseKey(changed(es256.key, [-1, curve])))).toMatch(/^cose\./)
  })

  it('A13 members of another type, length or sign are refused', () => {
    const key = es256.key
    const x = key.get(-2) as Uint8Array
    for (const bad of [
      changed(key, [1, '2']),
      changed(key, [3, '-7']),
      changed(key, [1, 4]),
      changed(key, [-1, 'P-256']),
      changed(key, [-2, x.subarray(1)]),
      changed(key, [-2, Uint8Array.of(0, ...x)]),
      changed(key, [-2, encodeBase64url(x)]),
      // A compressed point.
      changed(key, [-3, true]),
    ])
      expect(codeOf(() => readCoseKey(bad))).toMatch(/^cose\.(malformed|algorithm)$/)
    expect(codeOf(() => readCoseKey(Uint8Array.of(0x80)))).toBe('cose.malformed')
    expect(codeOf(() => readCoseKey(Uint8Array.of(0xa0, 0)))).toBe('cbor.malformed')
    const pq = samples.at(-1)!.key
    expect(codeOf(() => readCoseKey(changed(pq, [-1, new Uint8Array(2591)])))).toBe('cose.malformed')
    expect(codeOf(() => readCoseKey(changed(pq, [3, -49])))).toBe('cose.malformed')
  })

  it('A13 an RSA key of less than 2048 bits, with a padded modulus, an even exponent or one below 3 is refused', async () => {
    const { key } = samples.find((s) => s.name === 'RS256')!
    const n = key.get(-1) as Uint8Array
    for (const bad of [
      changed(key, [-1, n.subarray(1)]),
      changed(key, [-1, Uint8Array.of(0, ...n)]),
      changed(key, [-1, new Uint8Array(513).fill(255)]),
      ...[[1], [0], [2], [0, 3], [1, 0, 0], [1, 0, 0, 0, 1], []].map((e) => changed(key, [-2, Uint8Array.from(e)])),
    ])
      expect(codeOf(() => readCoseKey(bad))).toBe('cose.malformed')
    // 2041 bits in 256 bytes, and 3, which is odd but below what the ports take.
    for (const bad of [changed(key, [-1, n.map((byte, i) => (i === 0 ? 1 : byte))]), changed(key, [-2, Uint8Array.of(3)])])
      for (const port of ports) expect((await refusalOf(coseVerifier(port, readCoseKey(bad))))?.code).toBe('crypto.invalid_key')
  })

  it('A13 a point that is not on its curve, or of small order, is refused', async () => {
    for (const { key } of [es256, es384, samples[4]!])
      for (const port of ports) {
        const off = (key.get(-3) as Uint8Array).map((byte, i, all) => (i === all.length - 1 ? byte ^ 1 : byte))
        expect((await refusalOf(coseVerifier(port, readCoseKey(changed(key, [-3, off])))))?.code).toBe('crypto.invalid_key')
      }
    const small = [ed448.Point.ZERO, ed448.Point.BASE.multiply(ed448.Point.Fn.ORDER - 1n).add(ed448.Point.BASE)]
    const ed = samples.find((s) => s.name === 'Ed448')!.key
    for (const x of [...small.map((p) => p.toBytes()), new Uint8Array(57).fill(255), new Uint8Array(57)])
      for (const port of ports)
        expect((await refusalOf(coseVerifier(port, readCoseKey(changed(ed, [-2, x])))))?.code).toBe('crypto.invalid_key')
  })

  it('A13 an ECDSA signature has one spelling: DER, minimal, of two positive numbers', async () => {
    const verifier = await coseVerifier(ports[0]!, readCoseKey(es256.key))
    const signature = es256.sign()
    const length = signature[3]!
    const respelt = [
      // Long form, padded r, trailing byte inside and outside, an indefinite length, a set in place of the sequence.
      Uint8Array.of(0x30, 0x81, ...signature.subarray(1)),
      Uint8Array.of(0x30, signature[1]! + 1, 2, length + 1, 0, ...signature.subarray(4)),
      Uint8Array.of(0x30, signature[1]! + 1, ...signature.subarray(2), 0),
      Uint8Array.of(...signature, 0),
      Uint8Array.of(0x30, 0x80, ...signature.subarray(2), 0, 0),
      Uint8Array.of(0x31, ...signature.subarray(1)),
      Uint8Array.of(0x30, signature.length - 2, 2, 0, ...signature.subarray(4)),
    ]
    for (const bad of respelt) expect(await verifier.verify(data, bad)).toBe(false)
    // The zero before a byte that would read as negative is not left out.
    let padded = es256.sign()
    while (padded[3] !== 33) padded = es256.sign()
    expect(await verifier.verify(data, padded)).toBe(true)
    expect(await verifier.verify(data, Uint8Array.of(0x30, padded[1]! - 1, 2, 32, ...padded.subarray(5)))).toBe(false)
    expect(await verifier.verify(data, signature)).toBe(true)
  })
})

function kindOf(key: CborMap): [string, string | undefined] {
  const crv = { 1: 'P-256', 2: 'P-384', 3: 'P-521', 6: 'Ed25519', 7: 'Ed448' }[key.get(-1) as number]
  const kty = { 1: 'OKP', 2: 'EC', 3: 'RSA', 7: 'AKP' }[key.get(1) as number]!
  return [kty, kty === 'EC' || kty === 'OKP' ? crv : undefined]
}
