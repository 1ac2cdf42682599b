import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import { createCrypto } from '@postern/core/crypto'
import { parseJson } from '@postern/core/json'
import { readJws, signJws, verifyJws } from '@postern/core/jws'
import { createKeyRingDocument, openKeyRing } from '@postern/core/keyRing'
import { createSealer } from '@postern/core/sealed'
import { bench, describe } from 'vitest'

const crypto = createCrypto()
const random = (n: number): Uint8Array => globalThis.crypto.getRandomValues(new Uint8Array(n))
const clock = (): number => 1_800_000_000_000
const keys = await openKeyRing(await createKeyRingDocument({ clock, random, crypto }), crypto)
const { signer } = keys.signing.active(clock())
const verifier = await crypto.verifyKey(signer.alg, signer.publicJwk)
const rules = { algs: ['ES256'], typ: ['at+jwt'] } as const
const claims = {
  iss: 'https://bank.example',
  sub: 'a'.repeat(26),
  aud: 'https://api.example',
  exp: 1_800_000_300,
  iat: 1_800_000_000,
  jti: 'b'.repeat(80),
  scope: 'read write',
}
const token = await signJws(signer, { typ: 'at+jwt', kid: 'k' }, claims)
const jws = readJws(token, rules)

// Bound: the gate and the encoding cost at most 1.25 (sign) and 1.2 (verify) times the bare signature of the same bytes.
describe('ES256 JWS', () => {
  bench('bare sign', async () => void (await signer.sign(jws.signed)))
  bench('signJws', async () => void (await signJws(signer, { typ: 'at+jwt', kid: 'k' }, claims)))
  bench('bare verify', async () => void (await crypto.verify(verifier, jws.signed, jws.signature)))
  bench('readJws and verifyJws', async () => void (await verifyJws(crypto, readJws(token, rules), verifier)))
})

const sealer = createSealer({ ring: keys.short, crypto, random, clock })
const scope = { type: 'code', tenant: 'bank', issuer: 'https://bank.example', purpose: '' }
const plaintext = random(400)
const sealed = await sealer.seal(scope, plaintext)
describe('sealed values of 400 bytes', () => {
  bench('seal', async () => void (await sealer.seal(scope, plaintext)))
  bench('sealDeterministic', async () => void (await sealer.sealDeterministic(scope, plaintext)))
  bench('open', async () => void (await sealer.open(scope, sealed)))
})

const text = JSON.stringify(Array.from({ length: 20 }, () => claims))
const bytes = utf8(text)
describe('strict JSON of 5 KB', () => {
  bench('JSON.parse', () => void JSON.parse(text))
  bench('parseJson, text', () => void parseJson(text))
  bench('parseJson, bytes', () => void parseJson(bytes))
})

const encoded = encodeBase64url(plaintext)
describe('base64url of 400 bytes', () => {
  bench('encode', () => void encodeBase64url(plaintext))
  bench('decode', () => void decodeBase64url(encoded))
})
