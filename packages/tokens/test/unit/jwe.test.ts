import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import { clientsInConfig } from '@postern/tokens/clients'
import { requestObjects } from '@postern/tokens/jar'
import { signedResponses } from '@postern/tokens/jarm'
import { type Jwe, type JweAlg, type JweEnc, jwe } from '@postern/tokens/jwe'
import { CompactEncrypt, compactDecrypt, exportJWK, type GenerateKeyPairAlgorithm, generateKeyPair } from 'jose'
import { describe, expect, it } from 'vitest'
import { authorize, clientKeyPair, finish, good, goodClaims, granted, portal, queryOf } from '../authorization.js'
import { basic, ISSUER, REDIRECT, SECRET, VERIFIER, type World, world } from '../world.js'

const shared = new Uint8Array(32).fill(3)
const pair = async (alg: GenerateKeyPairAlgorithm, kid: string, o = {}) => {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true, ...o })
  return {
    privateKey,
    publicKey,
    private: { ...(await exportJWK(privateKey)), kid } as never,
    jwk: { ...(await exportJWK(publicKey)), kid, use: 'enc' } as JsonWebKey,
  }
}
const ec = await pair('ECDH-ES', 'ec')
const x25519 = await pair('ECDH-ES', 'x', { crv: 'X25519' })
const rsa = await pair('RSA-OAEP-256', 'rsa')
const keys = await clientKeyPair()
const own: Jwe = jwe({
  keys: [ec.private, x25519.private, rsa.private],
  sharedKey: ({ id }) => (id === 'portal' ? shared : null),
})
const client = { id: 'portal', kind: 'shared', auth: { method: 'none' }, redirectUris: [], grantTypes: [], scope: [] } as const
const jws = await keys.sign({ a: 1 })
const encrypt = (header: Record<string, unknown>, key: unknown, text = jws) =>
  new CompactEncrypt(utf8(text)).setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM', ...header } as never).encrypt(key as never)
const refused = expect.objectContaining({ code: 'jwe.refused' })
const refusedAt = (reason: string) => expect.objectContaining({ code: 'jwe.refused', reason: `jwe.${reason}` })

describe('what is encrypted to the issuer', () => {
  const cases: [JweAlg, JweEnc, string, unknown][] = [
    ['ECDH-ES', 'A256GCM', 'ec', ec.publicKey],
    ['ECDH-ES', 'A128GCM', 'ec', ec.publicKey],
    ['ECDH-ES+A256KW', 'A256GCM', 'ec', ec.publicKey],
    ['ECDH-ES+A256KW', 'A128GCM', 'x', x25519.publicKey],
    ['RSA-OAEP-256', 'A256GCM', 'rsa', rsa.publicKey],
    ['RSA-OAEP-256', 'A128GCM', 'rsa', rsa.publicKey],
    ['dir', 'A256GCM', 'shared', shared],
  ]
  it.each(cases)('opens %s with %s under key %s', async (alg, enc, kid, key) => {
    expect(await own.decrypt(await encrypt({ alg, enc, kid, cty: 'JWT' }, key), client)).toBe(jws)
  })

  it('needs no kid where one key fits, and one where several do', async () => {
    const one = jwe({ keys: [ec.private] })
    expect(await one.decrypt(await encrypt({}, ec.publicKey), client)).toBe(jws)
    await expect(own.decrypt(await encrypt({}, ec.publicKey), client)).rejects.toEqual(refused)
    await expect(one.decrypt(await encrypt({ kid: 'rsa' }, ec.publicKey), client)).rejects.toEqual(refused)
    const held = jwe({ keys: [{ ...(ec.private as JsonWebKey & { kid: string }), alg: 'ECDH-ES+A256KW' }] })
    await expect(held.decrypt(await encrypt({ kid: 'ec' }, ec.publicKey), client)).rejects.toEqual(refused)
  })

  it('T25 jose opens what this refuses: other algorithms, nested encryption, headers nobody asked for', async () => {
    const open = async (text: string, key: unknown) => compactDecrypt(text, key as never)
    const kid = 'ec'
    for (const header of [
      { enc: 'A256CBC-HS512', kid },
      { enc: 'A192GCM', kid },
      { alg: 'ECDH-ES+A128KW', kid },
      { kid, zip: 'DEF' },
      { kid, x5u: 'https://evil.example' },
      { kid, jku: 'https://evil.example' },
      { kid, private: true },
      { kid: '../ec' },
      { kid, cty: 'application/json' },
    ]) {
      const text = await encrypt(header, ec.publicKey)
      await expect(open(text, ec.privateKey), JSON.stringify(header)).resolves.toBeDefined()
      await expect(own.decrypt(text, client), JSON.stringify(header)).rejects.toEqual(refused)
    }
    const party = await new CompactEncrypt(utf8(jws))
      .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM', kid })
      .setKeyManagementParameters({ apu: utf8('a'), apv: utf8('b') })
      .encrypt(ec.publicKey)
    await expect(open(party, ec.privateKey)).resolves.toBeDefined()
    await expect(own.decrypt(party, client)).rejects.toEqual(refused)
    for (const text of [await encrypt({ kid }, ec.publicKey), '{"a":1}', 'a.b']) {
      const nested = await encrypt({ kid }, ec.publicKey, text)
      await expect(open(nested, ec.privateKey)).resolves.toBeDefined()
      await expect(own.decrypt(nested, client)).rejects.toEqual(refused)
    }
  })

  it('T25 a zip bomb and an iterated password are refused by their header, in no time', async () => {
    const bomb = await encrypt({ kid: 'ec', zip: 'DEF' }, ec.publicKey, 'a.b.'.padEnd(200_000, 'c'))
    const password = await new CompactEncrypt(utf8(jws))
      .setProtectedHeader({ alg: 'PBES2-HS256+A128KW', enc: 'A256GCM', p2c: 2000 })
      .encrypt(utf8('secret'))
    const huge = (): string => {
      const [head, ...rest] = password.split('.')
      const header = { ...JSON.parse(Buffer.from(head!, 'base64url').toString()), p2c: 2 ** 31 }
      return [encodeBase64url(utf8(JSON.stringify(header))), ...rest].join('.')
    }
    const start = performance.now()
    for (const text of [bomb, password, huge()]) await expect(own.decrypt(text, client)).rejects.toEqual(refused)
    expect(performance.now() - start).toBeLessThan(2000)
  })

  it('T29 an ephemeral key off the curve, of another curve, of low order or private is refused', async () => {
    const text = await encrypt({ kid: 'ec' }, ec.publicKey)
    const [head, ...rest] = text.split('.')
    const header = JSON.parse(Buffer.from(head!, 'base64url').toString()) as { epk: JsonWebKey }
    const { jwk: other } = await pair('ECDH-ES', 'p', { crv: 'P-384' })
    const cases: [unknown, string][] = [
      [{ ...header.epk, y: header.epk.x }, 'content'],
      [{ kty: 'EC', crv: 'P-384', x: other.x, y: other.y }, 'epk'],
      [{ kty: 'OKP', crv: 'X25519', x: encodeBase64url(new Uint8Array(32)) }, 'epk'],
      [{ ...header.epk, d: header.epk.x }, 'epk.member'],
      [{ ...header.epk, x: `${header.epk.x}=` }, 'epk.public'],
      [null, 'epk'],
      [undefined, 'epk'],
    ]
    for (const [epk, reason] of cases) {
      const changed = [encodeBase64url(utf8(JSON.stringify({ ...header, epk }))), ...rest].join('.')
      await expect(own.decrypt(changed, client), JSON.stringify(epk)).rejects.toEqual(refusedAt(reason))
    }
    const zero = {
      alg: 'ECDH-ES',
      enc: 'A256GCM',
      kid: 'x',
      epk: { kty: 'OKP', crv: 'X25519', x: encodeBase64url(new Uint8Array(32)) },
    }
    await expect(own.decrypt([encodeBase64url(utf8(JSON.stringify(zero))), ...rest].join('.'), client)).rejects.toEqual(refused)
  })

  it('any character changed, a padding, a duplicate member, another part: refused, with one code', async () => {
    const text = await encrypt({ kid: 'ec' }, ec.publicKey)
    const parts = text.split('.')
    for (let i = 0; i < text.length; i += 7) {
      const changed = text.slice(0, i) + (text[i] === 'A' ? 'B' : 'A') + text.slice(i + 1)
      if (changed !== text) await expect(own.decrypt(changed, client), String(i)).rejects.toEqual(refused)
    }
    const twice = encodeBase64url(utf8(`{"alg":"ECDH-ES","alg":"ECDH-ES","enc":"A256GCM","kid":"ec"}`))
    for (const wrong of [
      `${text}=`,
      `${text}.a`,
      parts.slice(0, 4).join('.'),
      [twice, ...parts.slice(1)].join('.'),
      ` ${text}`,
      text.padEnd(30_000, 'A'),
    ])
      await expect(own.decrypt(wrong, client)).rejects.toEqual(refused)
  })

  it('T25 a ciphertext written in a second way, which jose reads, and one of more than 24 KiB are refused', async () => {
    const text = await encrypt({ kid: 'ec' }, ec.publicKey, `${jws}${'A'.repeat((4 - (jws.length % 3)) % 3)}`)
    const parts = text.split('.')
    const last = parts[3]!.at(-1)!
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const second = [...parts.slice(0, 3), parts[3]!.slice(0, -1) + alphabet[alphabet.indexOf(last) + 1]!, parts[4]].join('.')
    expect(parts[3]!.length % 4).toBe(2)
    await expect(compactDecrypt(second, ec.privateKey)).resolves.toBeDefined()
    await expect(own.decrypt(second, client)).rejects.toEqual(refusedAt('base64url'))
    const long = await encrypt({ kid: 'ec' }, ec.publicKey, `a.b.${'c'.repeat(20_000)}`)
    await expect(compactDecrypt(long, ec.privateKey)).resolves.toBeDefined()
    await expect(own.decrypt(long, client)).rejects.toEqual(refusedAt('size'))
  })

  it('dir opens with the key shared with this client alone, of the right length', async () => {
    const text = await encrypt({ alg: 'dir', kid: 'shared' }, shared)
    await expect(own.decrypt(text, { ...client, id: 'other' })).rejects.toEqual(refused)
    await expect(jwe({ keys: [ec.private] }).decrypt(text, client)).rejects.toEqual(refused)
    await expect(jwe({ sharedKey: () => shared.subarray(0, 16) }).decrypt(text, client)).rejects.toEqual(refusedAt('shared key'))
  })
})

describe('what is encrypted to a client', () => {
  const cases: [JweAlg, JweEnc, Awaited<ReturnType<typeof pair>>][] = [
    ['ECDH-ES', 'A256GCM', ec],
    ['ECDH-ES+A256KW', 'A128GCM', ec],
    ['ECDH-ES+A256KW', 'A256GCM', x25519],
    ['RSA-OAEP-256', 'A256GCM', rsa],
  ]
  it.each(cases)('%s with %s is opened by jose', async (alg, enc, { jwk, privateKey }) => {
    const text = await own.encrypt(jws, client, { alg, enc }, [keys.jwk, jwk])
    const { plaintext, protectedHeader } = await compactDecrypt(text, privateKey)
    expect(Buffer.from(plaintext).toString()).toBe(jws)
    expect(protectedHeader).toMatchObject({ alg, enc, cty: 'JWT', kid: (jwk as { kid?: string }).kid })
  })

  it('dir is opened with the shared key', async () => {
    const text = await own.encrypt(jws, client, { alg: 'dir', enc: 'A256GCM' }, [])
    expect(Buffer.from((await compactDecrypt(text, shared)).plaintext).toString()).toBe(jws)
  })

  it('never goes out under a key that is for signing, or of another kind: it fails', async () => {
    const { use: _enc, ...plain } = ec.jwk
    for (const jwks of [[], [keys.jwk], [rsa.jwk], [{ ...ec.jwk, use: 'sig' }], [plain], [{ ...ec.jwk, alg: 'ECDH-ES+A256KW' }]])
      await expect(own.encrypt(jws, client, { alg: 'ECDH-ES', enc: 'A256GCM' }, jwks)).rejects.toEqual(
        expect.objectContaining({ code: 'tokens.config' }),
      )
    expect(await own.encrypt(jws, client, { alg: 'ECDH-ES', enc: 'A256GCM' }, [{ ...plain, alg: 'ECDH-ES' }])).toMatch(
      /^[\w-]+\.\.[\w-]+\.[\w-]+\.[\w-]+$/,
    )
  })
})

describe('an issuer with encryption', () => {
  const as = { alg: 'ECDH-ES+A256KW', enc: 'A256GCM' } as const
  const encrypting = async (o: { jwe?: Jwe } = { jwe: own }): Promise<World> =>
    world({
      clients: [await portal({ jwks: [keys.jwk, ec.jwk], encryption: { response: as, idToken: as, introspection: as } })],
      context: () => ({ jar: requestObjects(), jarm: signedResponses(), ...o }),
    })
  const headers = { authorization: basic('portal', SECRET) }
  const opened = async (text: string): Promise<string> =>
    Buffer.from((await compactDecrypt(text, ec.privateKey)).plaintext).toString()
  const claimsOf = (text: string) => JSON.parse(Buffer.from(text.split('.')[1]!, 'base64url').toString())

  it('publishes the keys to encrypt to, their public members alone, and announces what it can', async () => {
    const w = await encrypting()
    const { keys: set } = (await (await w.nodes[0]!.fetch(new Request(`${ISSUER}/jwks`))).json()) as { keys: JsonWebKey[] }
    const published = set.filter(({ use }) => use === 'enc')
    expect(published.map((key) => (key as { kid?: string }).kid)).toEqual(['ec', 'x', 'rsa'])
    expect(JSON.stringify(published)).not.toMatch(/"(?:d|p|q|dp|dq|qi|k)":/)
    const found = await (await w.nodes[0]!.wellKnown(new Request(`${ISSUER}/.well-known/openid-configuration`)))!.json()
    const encs = ['A128GCM', 'A256GCM']
    const algs = ['dir', 'ECDH-ES', 'ECDH-ES+A256KW', 'RSA-OAEP-256']
    expect(found).toMatchObject({
      request_object_encryption_alg_values_supported: algs,
      request_object_encryption_enc_values_supported: encs,
      authorization_encryption_alg_values_supported: algs,
      id_token_encryption_alg_values_supported: algs,
      introspection_encryption_enc_values_supported: encs,
    })
  })

  it('reads an encrypted request object, and answers, signs in and introspects encrypted', async () => {
    const w = await encrypting()
    const request = await encrypt(
      { kid: 'ec', cty: 'JWT' },
      ec.publicKey,
      await keys.sign(goodClaims(w, { response_mode: 'jwt' })),
    )
    const page = await authorize(w, { client_id: 'portal', request })
    const back = queryOf(await finish(w, page, granted(w)))
    const { code, state } = claimsOf(await opened(back.get('response')!))
    expect(state).toBe('inside')
    const form = { grant_type: 'authorization_code', code, code_verifier: VERIFIER, redirect_uri: REDIRECT }
    const { body } = await w.post('/token', form, { headers })
    expect(claimsOf(await opened(body.id_token))).toMatchObject({ iss: ISSUER, aud: 'portal', sub: 'user-1' })
    const told = await w.post('/introspect', { token: body.access_token }, { headers })
    expect(told.headers.get('content-type')).toBe('application/token-introspection+jwt')
    expect(claimsOf(await opened(told.body)).token_introspection).toMatchObject({ active: true, sub: 'user-1' })
  })

  it('T25 an encrypted object that was not signed, or is encrypted twice, is invalid_request_object', async () => {
    const w = await encrypting({ jwe: own })
    const claims = JSON.stringify(goodClaims(w))
    const none = `${encodeBase64url(utf8('{"alg":"none"}'))}.${encodeBase64url(utf8(claims))}.`
    const inner = await encrypt({ kid: 'ec' }, ec.publicKey, await keys.sign(goodClaims(w)))
    for (const text of [claims, none, inner, await (await clientKeyPair(9)).sign(goodClaims(w))]) {
      const request = await encrypt({ kid: 'ec' }, ec.publicKey, text)
      const reply = await w.post('/par', { request }, { headers })
      expect([reply.status, reply.body.error]).toEqual([400, 'invalid_request_object'])
    }
  })

  it('takes no client from configuration that wants encryption and has no key', async () => {
    const wanting = async (alg: JweAlg) => clientsInConfig([await portal({ encryption: { idToken: { alg, enc: 'A256GCM' } } })])
    await expect(wanting('ECDH-ES')).rejects.toEqual(expect.objectContaining({ code: 'metadata.refused' }))
    await expect(wanting('dir')).resolves.toBeDefined()
  })

  it('one without it turns away a client that wants it, and sends it nothing in the clear', async () => {
    const w = await encrypting({})
    expect((await w.post('/par', good, { headers })).status).toBe(500)
    expect((await w.post('/token', { grant_type: 'authorization_code', code: 'x' }, { headers })).status).toBe(500)
    const reply = await authorize(w, { ...good, response_mode: 'jwt', scope: 'payments' })
    expect([reply.status, reply.headers.get('location')]).toEqual([400, null])
  })
})
