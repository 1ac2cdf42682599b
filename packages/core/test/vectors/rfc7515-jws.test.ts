/// <reference types="node" />
import { existsSync, readFileSync } from 'node:fs'
import { decodeBase64url } from '@postern/core/base64url'
import { createCrypto } from '@postern/core/crypto'
import type { SignAlg } from '@postern/core/cryptoPort'
import { readJws, signJws, verifyJws } from '@postern/core/jws'
import * as fc from 'fast-check'
import { compactVerify, exportJWK, generateKeyPair, importJWK, SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import { codeOf, RUNS, refusalOf, seeded, VECTORS } from '../support.js'

const crypto = createCrypto()
const none = { typ: [undefined] } as const

describe('RFC 7515', () => {
  it('A.3: the ES256 example verifies', async () => {
    const text =
      'eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q'
    const key = await crypto.verifyKey('ES256', {
      kty: 'EC',
      crv: 'P-256',
      x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
      y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
    })
    const jws = readJws(text, { algs: ['ES256'], ...none })
    expect({ ...(await verifyJws(crypto, jws, key)) }).toEqual({
      iss: 'joe',
      exp: 1300819380,
      'http://example.com/is_root': true,
    })
  })

  it('A.1: the HS256 example is refused, T22', () => {
    const text =
      'eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'
    expect(codeOf(() => readJws(text, { algs: ['ES256', 'RS256'], typ: ['JWT'] }))).toBe('jws.refused')
  })

  it('A.5: the unsecured example is refused, T21', () => {
    const text =
      'eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.'
    expect(codeOf(() => readJws(text, { algs: ['ES256'], ...none }))).toBe('jws.refused')
  })

  it('A.4: the ES512 example passes the gate and is refused for its payload, which is no JSON', async () => {
    const text =
      'eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn'
    const key = await crypto.verifyKey('ES512', {
      kty: 'EC',
      crv: 'P-521',
      x: 'AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk',
      y: 'ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2',
    })
    expect(await refusalOf(verifyJws(crypto, readJws(text, { algs: ['ES512'], ...none }), key))).toEqual({
      code: 'jws.refused',
      reason: 'payload',
    })
  })
})

describe('against jose', () => {
  const algs: readonly SignAlg[] = ['ES256', 'ES384', 'ES512', 'Ed25519', 'EdDSA', 'RS256', 'PS256']

  it.each(algs)('a token that jose signs with %s is accepted', async (alg) => {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
    const text = await new SignJWT({ sub: 'a', n: 1 }).setProtectedHeader({ alg, typ: 'at+jwt', kid: 'k' }).sign(privateKey)
    const key = await crypto.verifyKey(alg, (await exportJWK(publicKey)) as JsonWebKey)
    expect({ ...(await verifyJws(crypto, readJws(text, { algs: [alg], typ: ['at+jwt'] }), key)) }).toEqual({ sub: 'a', n: 1 })
  })

  it('jose accepts what is signed here, and whatever mutation of it our gate and verifier accept', async () => {
    const signer = await crypto.signer('ES256', await crypto.generateKey('ES256', seeded('jose')))
    const key = await crypto.verifyKey('ES256', signer.publicJwk)
    const peer = await importJWK(signer.publicJwk as Parameters<typeof importJWK>[0], 'ES256')
    const text = await signJws(signer, { typ: 'at+jwt', kid: 'k' }, { sub: 'a', list: [1, 2] })
    expect((await compactVerify(text, peer)).protectedHeader).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: 'k' })
    const change = fc.tuple(fc.nat(text.length), fc.nat(2), fc.constantFrom('', 'A', '_', '.', '=', ' ', '+', '\n'))
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 2 }), async (changes) => {
        const changed = changes.reduce((out, [at, cut, put]) => out.slice(0, at) + put + out.slice(at + cut), text)
        const ours = await accepted(async () => verifyJws(crypto, readJws(changed, { algs: ['ES256'], typ: ['at+jwt'] }), key))
        const theirs = await accepted(() => compactVerify(changed, peer))
        if (ours) expect(theirs).toBe(true)
        expect(ours).toBe(changed === text)
      }),
      { numRuns: RUNS },
    )
  })
})

const blob = `${VECTORS}/auth/mds3/mds3-blob.jwt`
describe.skipIf(process.env.POSTERN_REQUIRE !== 'all' && !existsSync(blob))('a real object with x5c', () => {
  it.each(['at+jwt', 'dpop+jwt', 'oauth-authz-req+jwt', 'JWT', undefined])(
    'T24 the FIDO metadata blob is refused for typ %s, large texts allowed or not',
    (typ) => {
      const text = readFileSync(blob, 'utf8').trim()
      for (const maxBytes of [16_384, 2 ** 30])
        for (const jwk of [false, true])
          expect(codeOf(() => readJws(text, { algs: ['RS256', 'ES256'], typ: [typ], maxBytes, jwk }))).toBe('jws.refused')
      // With its certificates cut to one short entry, so that size is not what refuses it.
      const [head, payload, signature] = text.split('.') as [string, string, string]
      const header = JSON.parse(new TextDecoder().decode(decodeBase64url(head)!)) as { x5c: string[]; alg: string; typ?: string }
      expect(header.x5c.length).toBeGreaterThan(0)
      const short = Buffer.from(JSON.stringify({ ...header, x5c: ['MIIB'] })).toString('base64url')
      expect(
        codeOf(() => readJws(`${short}.${payload}.${signature}`, { algs: ['RS256'], typ: [header.typ], maxBytes: 2 ** 30 })),
      ).toBe('jws.refused')
      const { x5c: _, ...rest } = header
      const without = Buffer.from(JSON.stringify(rest)).toString('base64url')
      expect(
        codeOf(() => readJws(`${without}.${payload}.${signature}`, { algs: ['RS256'], typ: [header.typ], maxBytes: 2 ** 30 })),
      ).toBeNull()
    },
  )
})

async function accepted(call: () => Promise<unknown>): Promise<boolean> {
  try {
    await call()
    return true
  } catch {
    return false
  }
}
