import { concat, equal } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type BhttpRequest,
  type BhttpResponse,
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from '../../src/bhttp.js'
import { paddedLength, padme } from '../../src/internal/padme.js'
import { varintLength } from '../../src/internal/varint.js'
import { writerOf } from '../../src/internal/writer.js'
import { createKemRing, openKemRing, verifyKeyDocument } from '../../src/keys.js'
import { decodeKeyConfigs, openRequest, openResponse, sealRequest, sealResponse } from '../../src/ohttp.js'
import { backends } from '../backends.js'
import { random } from '../world.js'

const runs = { numRuns: Number(process.env['POSTERN_RUNS'] ?? 100) }
const chars = (set: string, max: number, min = 0) => fc.string({ unit: fc.constantFrom(...set), minLength: min, maxLength: max })
const lower = 'abcdefghijklmnopqrstuvwxyz0123456789-_.!#'
const latin = String.fromCharCode(9, 32, 33, 65, 97, 126, 128, 159, 255)
const FORBIDDEN = ['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'te', 'host', 'content-length']
const line = fc.tuple(
  chars(lower, 20, 1).filter((name) => !FORBIDDEN.includes(name)),
  chars(latin, 60),
)
const fields = fc.array(line, { maxLength: 30 })
const content = fc.uint8Array({ maxLength: 3000 })
const request: fc.Arbitrary<BhttpRequest> = fc.record({
  method: chars('ABCZabc-', 32, 1),
  scheme: fc.constant('https'),
  authority: fc.constantFrom('a.example', 'a.example:8443', '[::1]:1'),
  path: chars('abc/?=&%._~-', 200).map((rest) => `/${rest}`),
  fields,
  content,
  trailers: fields,
})
const response: fc.Arbitrary<BhttpResponse> = fc.record({
  status: fc.integer({ min: 200, max: 599 }),
  fields,
  content,
  trailers: fields,
})
const pad = fc.constantFrom(false as const, { floor: 256 }, { floor: 1024 })

/** The same message with indeterminate length, its content in pieces. */
function indeterminate(message: BhttpRequest, cut: number): Uint8Array {
  const out = writerOf()
  const section = (lines: BhttpRequest['fields']): void => {
    for (const [name, value] of lines) {
      out.latin1(name)
      out.latin1(value)
    }
    out.varint(0)
  }
  out.varint(2)
  for (const text of [message.method, message.scheme, message.authority, message.path]) out.latin1(text)
  section(message.fields)
  for (let at = 0; at < message.content.length; at += cut) {
    const piece = message.content.subarray(at, at + cut)
    out.varint(piece.length)
    out.bytes(piece)
  }
  out.varint(0)
  section(message.trailers)
  return out.finish((length) => length)
}

describe('Binary HTTP', () => {
  it('any request and response comes back as it was, padded or not', () => {
    fc.assert(
      fc.property(request, response, pad, (a, b, p) => {
        expect(decodeRequest(encodeRequest(a, { pad: p }))).toEqual({ ...a, content: Uint8Array.from(a.content) })
        expect(decodeResponse(encodeResponse(b, { pad: p }))).toEqual({ ...b, content: Uint8Array.from(b.content) })
      }),
      runs,
    )
  })

  it('an indeterminate-length message reads like the known-length one, whatever its pieces', () => {
    fc.assert(
      fc.property(request, fc.integer({ min: 1, max: 700 }), (a, cut) => {
        expect(decodeRequest(indeterminate(a, cut))).toEqual(decodeRequest(encodeRequest(a)))
      }),
      runs,
    )
  })

  it('an unpadded message that is cut is refused, unless the cut leaves out whole sections', () => {
    const none = { content: new Uint8Array(0), trailers: [] }
    const size = (message: BhttpRequest) => encodeRequest(message, { pad: false }).length
    fc.assert(
      fc.property(request, fc.nat(), (a, n) => {
        const whole = encodeRequest({ ...a, trailers: [['x', 'y']] }, { pad: false })
        const ends = [size({ ...a, ...none, fields: [] }) - 3, size({ ...a, ...none }) - 2, size({ ...a, trailers: [] }) - 1]
        for (const length of [n % whole.length, ...ends]) {
          const code = codeOfNow(() => decodeRequest(whole.subarray(0, length)))
          expect(code).toBe(ends.includes(length) ? null : 'bhttp.malformed')
        }
      }),
      runs,
    )
  })

  it('bytes of any kind give a message or a coded error, and so do key configurations', () => {
    const near = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.tuple(request, fc.uint8Array({ maxLength: 4 }), fc.nat()).map(([a, noise, at]) => spoil(encodeRequest(a), noise, at)),
    )
    fc.assert(
      fc.property(near, (bytes) => {
        for (const parse of [decodeRequest, decodeResponse, decodeKeyConfigs])
          try {
            parse(bytes)
          } catch (error) {
            expect(error).toBeInstanceOf(PosternError)
          }
      }),
      { numRuns: runs.numRuns * 5 },
    )
  })

  it('a length of gigabytes is refused before anything is held', () => {
    const huge = Uint8Array.of(0xc0, 0, 0, 0, 0x80, 0, 0, 0)
    expect(() => decodeRequest(concat(Uint8Array.of(0, 3, 71, 69, 84), huge))).toThrow('bhttp.malformed')
    expect(() => decodeRequest(Uint8Array.of(0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff))).toThrow('bhttp.malformed')
  })

  it.each<[string, Partial<BhttpRequest>, string]>([
    ['129 fields', { fields: Array.from({ length: 129 }, (_, i) => [`x${i}`, '']) }, 'bhttp.limit'],
    ['32 KiB of fields', { fields: [['x', 'y'.repeat(32_768)]] }, 'bhttp.limit'],
    ['a path above 8 KiB', { path: `/${'a'.repeat(8192)}` }, 'bhttp.limit'],
    ['CONNECT', { method: 'CONNECT' }, 'bhttp.malformed'],
    ['a method above 32', { method: 'A'.repeat(33) }, 'bhttp.malformed'],
    ['userinfo', { authority: 'u@a.example' }, 'bhttp.malformed'],
    ['a fragment', { path: '/a#b' }, 'bhttp.malformed'],
    ['a path of a star', { path: '*' }, 'bhttp.malformed'],
    ['a pseudo-field', { fields: [[':path', '/']] }, 'bhttp.malformed'],
    ['an upper-case name', { fields: [['Date', '']] }, 'bhttp.malformed'],
    ['CR LF in a value', { fields: [['a', 'b\r\nc: d']] }, 'bhttp.malformed'],
    ['a field of one hop', { fields: [['connection', 'close']] }, 'bhttp.malformed'],
    ['another host', { fields: [['host', 'b.example']] }, 'bhttp.malformed'],
    ['another content-length', { fields: [['content-length', '5']] }, 'bhttp.malformed'],
    ['te', { fields: [['te', 'gzip']] }, 'bhttp.malformed'],
  ])('refuses %s', (_, change, code) => {
    const base = {
      method: 'GET',
      scheme: 'https',
      authority: 'a.example',
      path: '/',
      fields: [],
      content: new Uint8Array(0),
      trailers: [],
    }
    expect(() => encodeRequest({ ...base, ...change })).toThrow(code)
    expect(() => decodeRequest(indeterminate({ ...base, ...change }, 9))).toThrow(code)
  })

  it('padding that is not zero is refused', () => {
    const bytes = encodeResponse({ status: 200, fields: [], content: new Uint8Array(0), trailers: [] })
    bytes[255] = 1
    expect(() => decodeResponse(bytes)).toThrow('bhttp.malformed')
  })
})

describe('padding', () => {
  it('is monotone, depends on the length alone and adds at most 6.3 % above the floor', () => {
    const floor = { floor: 256 }
    for (const [length, expected] of [
      [0, 256],
      [256, 256],
      [257, 272],
      [1025, 1088],
      [5000, 5120],
      [16_385, 17_408],
      [65_537, 67_584],
    ] as const)
      expect(paddedLength(length, floor)).toBe(expected)
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 2 ** 40 }), (length) => {
        expect(padme(length)).toBeGreaterThanOrEqual(length)
        expect(padme(length + 1)).toBeGreaterThanOrEqual(padme(length))
        expect(padme(padme(length))).toBe(padme(length))
        if (length >= 256) expect(padme(length) / length).toBeLessThan(1.063)
      }),
      runs,
    )
    expect([63, 64, 16_383, 16_384, 2 ** 30].map(varintLength)).toEqual([1, 2, 2, 4, 8])
  })
})

describe('encapsulated messages', () => {
  it('any message comes back; any flipped bit or cut is refused, both ways, on every backend', async () => {
    for (const crypto of backends)
      for (const kem of [0x0020, 0x0010] as const) {
        const ring = await openKemRing(await createKemRing({ clock: () => 1e12, random, crypto }, { kem }), crypto)
        const { config } = ring.offered(1e12)[0]!
        const numRuns = Math.ceil(runs.numRuns / (crypto.name === 'node' ? 4 : 20))
        await fc.assert(
          fc.asyncProperty(
            content,
            fc.nat(),
            fc.nat({ max: 7 }),
            fc.constantFrom(1, 2, 3) as fc.Arbitrary<1 | 2 | 3>,
            async (message, at, bit, aead) => {
              const { sealed, exchange } = await sealRequest({ crypto, random }, config, aead, message)
              const find = (id: number) => ring.find(id, 1e12)
              const opened = await openRequest(crypto, find, sealed)
              expect(equal(opened.message, message)).toBe(true)
              const reply = await sealResponse({ crypto, random }, opened.exchange, message)
              expect(equal(await openResponse(crypto, exchange, reply), message)).toBe(true)
              for (const bad of [flip(sealed, at, bit), sealed.subarray(0, at % sealed.length)])
                await expect((async () => openRequest(crypto, find, bad))()).rejects.toThrow(/payload\.(refused|key_unknown)/)
              for (const bad of [flip(reply, at, bit), reply.subarray(0, at % reply.length)])
                await expect((async () => openResponse(crypto, exchange, bad))()).rejects.toThrow('payload.reply_refused')
            },
          ),
          { numRuns },
        )
      }
  })

  it('on a synchronous backend nothing is a promise', async () => {
    const crypto = backends[0]!
    const ring = await openKemRing(await createKemRing({ clock: () => 1e12, random, crypto }), crypto)
    const result = sealRequest({ crypto, random }, ring.offered(1e12)[0]!.config, 2, new Uint8Array(9))
    expect(result).not.toBeInstanceOf(Promise)
    const { sealed } = result as Awaited<typeof result>
    const opened = openRequest(crypto, (id) => ring.find(id, 1e12), sealed)
    expect(opened).not.toBeInstanceOf(Promise)
    expect(sealResponse({ crypto, random }, (opened as Awaited<typeof opened>).exchange, sealed)).not.toBeInstanceOf(Promise)
  })
})

describe('key documents', () => {
  it('texts of any kind are refused with a code', async () => {
    const crypto = backends[0]!
    const { publicJwk } = await crypto.signer('ES256', await crypto.generateKey('ES256', random))
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string(),
          fc.array(fc.base64String(), { maxLength: 4 }).map((parts) => parts.join('.')),
        ),
        async (text) => {
          const rules = { roots: [publicJwk], origin: 'https://a.example', now: 0 } as const
          await expect(verifyKeyDocument(crypto, text, rules)).rejects.toThrow('payload.keys_untrusted')
        },
      ),
      runs,
    )
  })
})

function codeOfNow(call: () => unknown): string | null {
  try {
    call()
    return null
  } catch (error) {
    return (error as PosternError).code
  }
}

function flip(bytes: Uint8Array, at: number, bit: number): Uint8Array {
  const out = bytes.slice()
  out[at % out.length]! ^= 1 << bit
  return out
}

function spoil(bytes: Uint8Array, noise: Uint8Array, at: number): Uint8Array {
  const out = bytes.slice()
  noise.forEach((byte, i) => {
    out[(at + i * 7) % out.length] = byte
  })
  return out
}
