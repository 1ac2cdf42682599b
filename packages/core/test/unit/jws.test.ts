import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import { createCrypto } from '@postern/core/crypto'
import type { SignAlg } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'
import { thumbprint } from '@postern/core/jwk'
import { type JwsRules, readJws, readMacJws, signJws, verifyJws, verifyMacJws } from '@postern/core/jws'
import { describe, expect, it } from 'vitest'
import { refusalOf, seeded } from '../support.js'

const crypto = createCrypto()
const key = await crypto.generateKey('ES256', seeded('jws'))
const signer = await crypto.signer('ES256', key)
const verifier = await crypto.verifyKey('ES256', signer.publicJwk)
const rules: JwsRules = { algs: ['ES256', 'EdDSA', 'Ed25519'], typ: ['at+jwt'] }
const proofRules: JwsRules = { algs: ['ES256'], typ: ['dpop+jwt'], jwk: true }
const good = await signJws(signer, { typ: 'at+jwt', kid: 'k1' }, { sub: 'a' })
const [goodHead, goodPayload, goodSignature] = good.split('.') as [string, string, string]

const part = (value: string | object) => encodeBase64url(utf8(typeof value === 'string' ? value : JSON.stringify(value)))
const withHeader = (header: string | object, payload: string = goodPayload) => `${part(header)}.${payload}.${goodSignature}`
/** Signed properly, with whatever header: what is refused is refused for the header alone. */
const signed = async (header: string | object, payload: string | object = { sub: 'a' }) => {
  const text = `${part(header)}.${part(payload)}`
  return `${text}.${encodeBase64url(await signer.sign(utf8(text)))}`
}
const reason = (text: string, r: JwsRules = rules): string | null => {
  try {
    readJws(text, r)
    return null
  } catch (error) {
    if (error instanceof PosternError && error.code === 'jws.refused') return error.reason
    throw error
  }
}

describe('the gate', () => {
  it('lets an honest token through, which then verifies', async () => {
    const jws = readJws(good, rules)
    expect(jws).toMatchObject({ alg: 'ES256', kid: 'k1', jwk: null, header: { alg: 'ES256', typ: 'at+jwt', kid: 'k1' } })
    expect({ ...(await verifyJws(crypto, jws, verifier)) }).toEqual({ sub: 'a' })
  })

  it('carries the key of a proof, its required public members alone', async () => {
    const text = await signJws(signer, { typ: 'dpop+jwt', jwk: key }, { jti: '1' })
    expect(JSON.parse(atob(text.split('.')[0]!))).not.toHaveProperty('jwk.d')
    const jws = readJws(text, proofRules)
    expect(jws.jwk).toEqual({ crv: 'P-256', kty: 'EC', x: key.x, y: key.y })
    expect({ ...(await verifyJws(crypto, jws, await crypto.verifyKey('ES256', jws.jwk!))) }).toEqual({ jti: '1' })
    const more = await signed({
      alg: 'ES256',
      typ: 'dpop+jwt',
      jwk: { ...signer.publicJwk, use: 'sig', alg: 'ES256', kid: 'x', key_ops: ['verify'], ext: true },
    })
    expect(readJws(more, proofRules).jwk).toEqual(jws.jwk)
  })

  it.each([
    'none',
    'nOnE',
    'NONE',
    '',
    'HS256',
    'HS384',
    'HS512',
    'es256',
    'ES256 ',
    'ES384',
    'RS256',
    'ECDH-ES',
    'dir',
    'constructor',
  ])('T21 T22 alg %j is refused', (alg) => {
    expect(reason(withHeader({ alg, typ: 'at+jwt' }))).toBe('alg')
  })

  it.each([[null], [1], [['ES256']], [{}], [undefined]])('T21 an alg of %j is refused', (alg) => {
    expect(reason(withHeader({ alg, typ: 'at+jwt' }))).toBe('alg')
  })

  it('T21 an empty signature is refused, with any alg and with `none`', () => {
    expect(reason(`${goodHead}.${goodPayload}.`)).toBe('signature.length')
    expect(reason(`${part({ alg: 'none', typ: 'at+jwt' })}.${goodPayload}.`)).toBe('alg')
    expect(reason(`${goodHead}.${goodPayload}`)).toBe('parts')
  })

  it('T22 HS confusion: a token MACed with the public key never reaches a verifier, and no key serves another algorithm', async () => {
    const mac = await crypto.hmac(
      await crypto.hmacKey('SHA-256', utf8(JSON.stringify(signer.publicJwk))),
      utf8(`${part({ alg: 'HS256', typ: 'at+jwt' })}.${goodPayload}`),
    )
    const text = `${part({ alg: 'HS256', typ: 'at+jwt' })}.${goodPayload}.${encodeBase64url(mac)}`
    expect(reason(text)).toBe('alg')
    expect(reason(text, { algs: ['ES256', 'RS256', 'PS256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'], typ: ['at+jwt'] })).toBe('alg')
    // @ts-expect-error a MAC cannot be named in the rules
    const algs: readonly SignAlg[] = ['HS256']
    expect(algs).toHaveLength(1)
    const edwards = await crypto.signer('Ed25519', await crypto.generateKey('Ed25519', seeded('ed')))
    expect(
      await refusalOf(verifyJws(crypto, readJws(good, rules), await crypto.verifyKey('Ed25519', edwards.publicJwk))),
    ).toEqual({ code: 'jws.refused', reason: 'key.alg' })
  })

  it.each([
    '../../etc/passwd',
    "1' OR '1'='1",
    'a\u0000b',
    'x'.repeat(129),
    'x'.repeat(10_000),
    '',
    ' ',
    'a/b',
    'a:b',
    'é',
    '%2e',
    'a\n',
  ])('T23 kid %j is refused', (kid) => {
    expect(reason(withHeader({ alg: 'ES256', typ: 'at+jwt', kid }))).toBe(kid.length > 2000 ? 'header.size' : 'kid')
  })

  it.each([[1], [null], [{}], [['k1']], [true]])('T23 kid %j is refused', (kid) => {
    expect(reason(withHeader({ alg: 'ES256', typ: 'at+jwt', kid }))).toBe('kid')
  })

  it('T23 a kid of 1 to 128 unreserved characters passes', () => {
    for (const kid of ['a', 'A-Z.0_9~', 'x'.repeat(128)])
      expect(readJws(withHeader({ alg: 'ES256', typ: 'at+jwt', kid }), rules).kid).toBe(kid)
  })

  it.each([
    ['jku', 'https://evil.example/keys'],
    ['x5u', 'https://evil.example/cert'],
    ['x5c', ['MIIB']],
    ['x5t', 'abc'],
    ['x5t#S256', 'abc'],
    ['crit', ['exp']],
    ['crit', []],
    ['b64', false],
    ['b64', true],
    ['zip', 'DEF'],
    ['p2c', 2 ** 31],
    ['enc', 'A256GCM'],
    ['epk', {}],
    ['nonce', 'x'],
    ['exp', 1],
  ])('T24 T25 the header %s is refused, never followed', async (name, value) => {
    expect(reason(await signed({ alg: 'ES256', typ: 'at+jwt', [name]: value }))).toBe('header.member')
    expect(reason(await signed({ alg: 'ES256', typ: 'dpop+jwt', jwk: signer.publicJwk, [name]: value }), proofRules)).toBe(
      'header.member',
    )
  })

  it('T24 a key in the header is refused where none is asked for, and one is needed in proofs', async () => {
    expect(reason(await signed({ alg: 'ES256', typ: 'at+jwt', jwk: signer.publicJwk }))).toBe('jwk')
    expect(reason(await signed({ alg: 'ES256', typ: 'dpop+jwt' }), proofRules)).toBe('jwk')
  })

  it.each<[string, object, string]>([
    ['a private key', { d: 'AAAA' }, 'jwk.member'],
    ['a symmetric key', { kty: 'oct', k: 'AAAA' }, 'jwk.member'],
    ['another type', { kty: 'OKP' }, 'jwk.type'],
    ['another curve', { crv: 'P-384' }, 'jwk.type'],
    ['no curve', { crv: undefined }, 'jwk.type'],
    ['another alg', { alg: 'ES384' }, 'jwk.alg'],
    ['a short coordinate', { x: 'AAAA' }, 'jwk.public'],
    ['a coordinate with padding', { x: `${'A'.repeat(43)}=` }, 'jwk.public'],
    ['a coordinate with trailing bits', { x: `${'A'.repeat(42)}B` }, 'jwk.public'],
    ['no y', { y: undefined }, 'jwk.public'],
    ['an x5c of its own', { x5c: ['MIIB'] }, 'jwk.member'],
  ])('T24 a proof with %s is refused', async (_, change, expected) => {
    expect(reason(await signed({ alg: 'ES256', typ: 'dpop+jwt', jwk: { ...signer.publicJwk, ...change } }), proofRules)).toBe(
      expected,
    )
  })

  it.each([[[]], ['x'], [1], [null]])('T24 a proof whose jwk is %j is refused', async (jwk) => {
    expect(reason(await signed({ alg: 'ES256', typ: 'dpop+jwt', jwk }), proofRules)).toBe('jwk')
  })

  it('T25 duplicate members are refused in header and payload', async () => {
    expect(reason(await signed('{"alg":"ES256","typ":"at+jwt","alg":"ES256"}'))).toBe('header')
    expect(reason(await signed('{"alg":"ES256","typ":"at+jwt","\\u0061lg":"none"}'))).toBe('header')
    const jws = readJws(await signed({ alg: 'ES256', typ: 'at+jwt' }, '{"sub":"a","sub":"b"}'), rules)
    expect(await refusalOf(verifyJws(crypto, jws, verifier))).toEqual({ code: 'jws.refused', reason: 'payload' })
  })

  it.each(['JWT', 'jwt', 'application/jwt', 'at+jwt', 'application/kb+JWT', 1, null])(
    'T25 a nested token (cty %j) is refused',
    async (cty) => {
      expect(reason(await signed({ alg: 'ES256', typ: 'at+jwt', cty }, good))).toBe('cty')
      expect(reason(await signed({ alg: 'ES256', typ: 'at+jwt', cty: 'json' }))).toBeNull()
    },
  )

  it('T25 a JWE, a zip bomb, a huge p2c and a huge text are refused in bounded time', () => {
    const started = performance.now()
    expect(reason(`${part({ alg: 'PBES2-HS256+A128KW', enc: 'A128GCM', p2c: 2 ** 31, p2s: 'AAAA' })}.AAAA.AAAA.AAAA.AAAA`)).toBe(
      'parts',
    )
    expect(reason(`${part({ alg: 'dir', enc: 'A256GCM', zip: 'DEF' })}..AAAA.${'A'.repeat(8000)}.AAAA`)).toBe('parts')
    expect(reason('.'.repeat(16_000))).toBe('parts')
    expect(reason('a'.repeat(10_000_000))).toBe('size')
    expect(reason(withHeader(`{"alg":"ES256","typ":"at+jwt","kid":${'['.repeat(1900)}`))).toBe('header')
    expect(performance.now() - started).toBeLessThan(2000)
  })

  it.each([
    ['padding', `${good}=`],
    ['white space before', ` ${good}`],
    ['a line feed after', `${good}\n`],
    ['a line feed inside', `${goodHead}.\n${goodPayload}.${goodSignature}`],
    ['plus instead of minus', `${goodHead}.${goodPayload}.+${goodSignature.slice(1)}`],
    ['a NUL', `${goodHead}.${goodPayload}.\u0000${goodSignature.slice(1)}`],
    ['a character whose low byte is in the alphabet', `${goodHead}.${goodPayload}.\u0141${goodSignature.slice(1)}`],
    ['an empty header', `.${goodPayload}.${goodSignature}`],
    ['four parts', `${good}.AAAA`],
    ['a JSON serialisation', JSON.stringify({ protected: goodHead, payload: goodPayload, signature: goodSignature })],
  ])('refuses %s', (_, text) => {
    expect(reason(text)).toMatch(/^(?:base64url|parts|header)$/)
  })

  it('refuses a signature whose trailing bits are not zero: one token, one text', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = alphabet.indexOf(good.at(-1)!)
    for (let i = 1; i < 16; i++) expect(reason(good.slice(0, -1) + alphabet[last ^ i])).toBe('base64url')
  })

  it.each(['[]', '"x"', 'null', '1', '{}x', '', '{"alg":"ES256","typ":"at+jwt"', '\ufeff{"alg":"ES256","typ":"at+jwt"}'])(
    'refuses the header %j',
    (header) => {
      expect(reason(withHeader(header))).toBe('header')
    },
  )

  it('T26 a typ of another use, absent or in another case is refused; `undefined` in the rules accepts none', () => {
    for (const typ of ['JWT', 'dpop+jwt', 'AT+JWT', 'application/at+jwt', '', null, 1, undefined])
      expect(reason(withHeader({ alg: 'ES256', typ }))).toBe('typ')
    expect(reason(withHeader({ alg: 'ES256' }), { ...rules, typ: ['at+jwt', undefined] })).toBeNull()
    expect(reason(withHeader({ alg: 'ES256', typ: null }), { ...rules, typ: [undefined] })).toBe('typ')
  })

  it('keeps its limits to the byte: 16 KiB of text, 2 KiB of header', () => {
    const padded = (n: number) => `${goodHead}.${'A'.repeat(n - goodHead.length - goodSignature.length - 2)}.${goodSignature}`
    expect(reason(padded(16_384))).not.toBe('size')
    expect(reason(padded(16_385))).toBe('size')
    expect(reason(padded(16_385), { ...rules, maxBytes: 20_000 })).not.toBe('size')
    const header = (n: number) => `{"alg":"ES256","typ":"at+jwt"${' '.repeat(n - 31)}} `
    expect(reason(withHeader(header(2048)))).toBeNull()
    expect(reason(withHeader(header(2049)))).toBe('header.size')
  })

  it('refuses signatures of other lengths, DER among them', () => {
    for (const length of [0, 32, 63, 65, 70, 71, 72, 96, 128])
      expect(reason(`${goodHead}.${goodPayload}.${encodeBase64url(new Uint8Array(length))}`)).toBe('signature.length')
  })
})

describe('verifyJws', () => {
  it('refuses a changed payload, header or signature, and another key', async () => {
    const other = await crypto.signer('ES256', await crypto.generateKey('ES256', seeded('other')))
    const texts = [
      `${goodHead}.${part({ sub: 'b' })}.${goodSignature}`,
      withHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'k2' }),
      `${goodHead}.${goodPayload}.${encodeBase64url(new Uint8Array(64))}`,
      `${goodHead}.${goodPayload}.${encodeBase64url(new Uint8Array(64).fill(255))}`,
    ]
    for (const text of texts)
      expect(await refusalOf(verifyJws(crypto, readJws(text, rules), verifier))).toEqual({
        code: 'jws.refused',
        reason: 'signature',
      })
    expect(await refusalOf(verifyJws(crypto, readJws(good, rules), await crypto.verifyKey('ES256', other.publicJwk)))).toEqual({
      code: 'jws.refused',
      reason: 'signature',
    })
  })

  it.each(['[]', '"x"', 'null', '1', '', 'x', '{"exp":1e309}', '{"__proto__":{}}', `{"a":${'['.repeat(16)}${']'.repeat(16)}}`])(
    'refuses the payload %s though it is signed',
    async (payload) => {
      const jws = readJws(await signed({ alg: 'ES256', typ: 'at+jwt' }, payload), rules)
      expect(await refusalOf(verifyJws(crypto, jws, verifier))).toEqual({ code: 'jws.refused', reason: 'payload' })
    },
  )

  it('EdDSA and Ed25519 are one algorithm with two names', async () => {
    const jwk = await crypto.generateKey('Ed25519', seeded('ed'))
    for (const alg of ['EdDSA', 'Ed25519'] as const) {
      const text = await signJws(await crypto.signer(alg, jwk), { typ: 'at+jwt', kid: await thumbprint(crypto, jwk) }, { n: 1 })
      for (const as of ['EdDSA', 'Ed25519'] as const) {
        const { d: _, ...open } = jwk
        expect({ ...(await verifyJws(crypto, readJws(text, rules), await crypto.verifyKey(as, open))) }).toEqual({ n: 1 })
      }
    }
  })
})

describe('signJws', () => {
  it('does not let a signer of another form out of the house', async () => {
    const der = { ...signer, sign: () => new Uint8Array(71) }
    expect((await refusalOf(signJws(der, { typ: 'at+jwt' }, {})))?.code).toBe('keys.invalid')
  })
})

describe('the gate of the one use that MACs have', () => {
  const key = utf8('a secret of thirty-two characters')
  const macRules = { typ: ['JWT'] }
  const maced = async (header: object, payload: object = { sub: 'a' }, raw = key) => {
    const text = `${part(header)}.${part(payload)}`
    return `${text}.${encodeBase64url(await crypto.hmac(await crypto.hmacKey('SHA-256', raw), utf8(text)))}`
  }

  it('lets HS256 through, which then verifies under its key alone', async () => {
    const jws = readMacJws(await maced({ alg: 'HS256', typ: 'JWT', kid: 'k' }), macRules)
    expect({ ...(await verifyMacJws(crypto, jws, await crypto.hmacKey('SHA-256', key))) }).toEqual({ sub: 'a' })
    expect(await refusalOf(verifyMacJws(crypto, jws, await crypto.hmacKey('SHA-256', utf8('another'))))).toMatchObject({
      reason: 'signature',
    })
    expect(await refusalOf(verifyMacJws(crypto, jws, await crypto.hmacKey('SHA-512', key)))).toMatchObject({ reason: 'key.alg' })
  })

  it('T21 T22 T24 T25 refuses every other alg, a short MAC, and what no header may say', async () => {
    const why = (text: string) => {
      try {
        readMacJws(text, macRules)
        return null
      } catch (error) {
        return (error as PosternError).reason
      }
    }
    for (const alg of ['none', 'HS384', 'HS512', 'hs256', 'ES256', '', null])
      expect(why(await maced({ alg, typ: 'JWT' }))).toBe('alg')
    expect(why(await maced({ alg: 'HS256', typ: 'at+jwt' }))).toBe('typ')
    expect(why(await maced({ alg: 'HS256', typ: 'JWT', crit: ['exp'] }))).toBe('header.member')
    expect(why(await maced({ alg: 'HS256', typ: 'JWT', jwk: signer.publicJwk }))).toBe('jwk')
    const text = await maced({ alg: 'HS256', typ: 'JWT' })
    expect(why(text.slice(0, text.lastIndexOf('.') + 1))).toBe('signature.length')
    expect(why(text.slice(0, -3))).toBe('signature.length')
  })
})

describe('headers that are known', () => {
  it('are read once, say the same, and let nothing else of the text pass unread', async () => {
    const known = new Map()
    const fresh = readJws(good, rules)
    expect([readJws(good, { ...rules, known }), readJws(good, { ...rules, known })]).toEqual([fresh, fresh])
    expect([...known.keys()]).toEqual([goodHead])
    for (const bad of [
      `${goodHead}.${goodPayload}=.${goodSignature}`,
      `${goodHead}.${goodPayload}.${goodSignature.slice(0, -2)}`,
      `${goodHead} .${goodPayload}.${goodSignature}`,
      `${goodHead}.${goodPayload}`,
    ])
      expect(reason(bad, { ...rules, known })).toBe(reason(bad))
    const altered = readJws(`${goodHead}.${part({ sub: 'b' })}.${goodSignature}`, { ...rules, known })
    expect(await refusalOf(verifyJws(crypto, altered, verifier))).toMatchObject({ reason: 'signature' })
  })

  it('pass no algorithm that is not one any more, and a header that was refused is not kept', () => {
    const known = new Map()
    readJws(good, { ...rules, known })
    expect(reason(good, { ...rules, algs: ['Ed25519'], known })).toBe('alg')
    expect(reason(withHeader({ alg: 'none', typ: 'at+jwt' }), { ...rules, known })).toBe('alg')
    expect(reason(withHeader({ alg: 'ES256', typ: 'at+jwt', jku: 'https://evil.example' }), { ...rules, known })).toBe(
      'header.member',
    )
    expect(known.size).toBe(1)
  })

  it('of a signer are written once, and differ by type and key id', async () => {
    const of = async (typ: string, kid?: string) =>
      (await signJws(signer, { typ, ...(kid !== undefined && { kid }) }, { a: 1, b: undefined })).split('.')
    expect((await of('x', 'k'))[0]).toBe(part({ alg: 'ES256', typ: 'x', kid: 'k' }))
    expect((await of('x', 'k'))[0]).toBe(part({ alg: 'ES256', typ: 'x', kid: 'k' }))
    expect((await of('x'))[0]).toBe(part({ alg: 'ES256', typ: 'x' }))
    expect((await of('y', 'k'))[0]).toBe(part({ alg: 'ES256', typ: 'y', kid: 'k' }))
    expect((await of('x', 'k'))[1]).toBe(part({ a: 1 }))
  })
})
