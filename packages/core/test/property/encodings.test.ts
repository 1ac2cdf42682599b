/// <reference types="node" />
import { decodeBase32, encodeBase32 } from '@postern/core/base32'
import { decodeBase64url, encodeBase64url, encodeTextBase64url } from '@postern/core/base64url'
import { concat, equal, fromHex, fromUtf8, hex, toUnsigned, u8, u16, u32, u64, utf8 } from '@postern/core/bytes'
import { decodeEvent, encodeEvent, type PosternEvent } from '@postern/core/events'
import { ulid } from '@postern/core/ids'
import { lp, tuple } from '@postern/core/tuple'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeByTable, encodeByTable } from '../../src/internal/base64urlTable.js'
import { RUNS, seeded } from '../support.js'

const bytes = fc.uint8Array({ maxLength: 70 })
const check = <T extends [unknown, ...unknown[]]>(property: fc.IProperty<T>, runs: number = RUNS) =>
  fc.assert(property, { numRuns: runs })

describe('base64url', () => {
  // One text a byte string, and it is the canonical one: all texts of up to 3 characters, against Buffer.
  it('accepts exactly the texts that an independent encoder writes', () => {
    const alphabet = 'ABCMNOPQZabyz0189-_+/= \n\u0141'
    const texts = ['']
    for (const a of alphabet)
      for (const b of ['', ...alphabet]) for (const c of b === '' ? [''] : ['', ...alphabet]) texts.push(a + b + c)
    for (const text of texts) {
      const lenient = Buffer.from(text, 'base64url')
      const canonical = /^[A-Za-z0-9_-]*$/.test(text) && lenient.toString('base64url') === text
      expect(decodeBase64url(text), JSON.stringify(text)).toEqual(canonical ? new Uint8Array(lenient) : null)
    }
  })

  it('by table it is the same as by the runtime’s own codec, for texts that are none, too', () => {
    check(
      fc.property(bytes, (raw) => {
        expect(encodeByTable(raw)).toBe(encodeBase64url(raw))
      }),
    )
    check(
      fc.property(fc.string({ unit: fc.constantFrom(...'ABQZagwz0189-_+/= \n\u0141\ud800'), maxLength: 9 }), (text) => {
        expect(decodeByTable(text)).toEqual(decodeBase64url(text))
      }),
      RUNS * 5,
    )
  })

  it('what it reads shares its buffer with nothing', () => {
    const raw = decodeBase64url('AAAA')!
    expect(raw.buffer.byteLength).toBe(3)
    expect(Object.getPrototypeOf(raw)).toBe(Uint8Array.prototype)
  })

  it('writes what Buffer writes and reads it back', () =>
    check(
      fc.property(bytes, (raw) => {
        expect(encodeBase64url(raw)).toBe(Buffer.from(raw).toString('base64url'))
        expect(decodeBase64url(encodeBase64url(raw))).toEqual(raw)
      }),
    ))

  it('of a text it is that of its UTF-8, lone surrogates as every encoder writes them', () =>
    check(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(encodeTextBase64url(text)).toBe(encodeBase64url(utf8(text)))
        expect(encodeTextBase64url(`${text}\ud800`)).toBe(encodeBase64url(utf8(`${text}\ud800`)))
      }),
    ))

  it('a changed character gives other bytes or none', () =>
    check(
      fc.property(bytes, fc.nat(), fc.string({ minLength: 1, maxLength: 1, unit: 'binary' }), (raw, at, character) => {
        const text = encodeBase64url(raw)
        const changed = text.slice(0, at % (text.length + 1)) + character + text.slice((at % (text.length + 1)) + 1)
        if (changed !== text) expect(decodeBase64url(changed)).not.toEqual(raw)
      }),
      RUNS * 5,
    ))
})

it('base32 round-trips, and a text that decodes is the one that is written', () => {
  check(
    fc.property(bytes, (raw) => {
      expect(decodeBase32(encodeBase32(raw))).toEqual(raw)
    }),
  )
  check(
    fc.property(fc.string({ unit: fc.constantFrom(...'aaabyz2367A1= é'), maxLength: 9 }), (text) => {
      const raw = decodeBase32(text)
      if (raw !== null) expect(encodeBase32(raw)).toBe(text)
    }),
    RUNS * 5,
  )
  expect(encodeBase32(utf8('foobar'))).toBe('mzxw6ytboi')
  expect(['a', 'aaa', 'aaaaaa', 'ab', 'aaab', 'A2', 'a1', 'aa======', 'é2'].map(decodeBase32)).toEqual(Array(9).fill(null))
})

it('hexadecimal, UTF-8 and integers round-trip', () =>
  check(
    fc.property(bytes, fc.string({ unit: 'binary' }), fc.maxSafeNat(), (raw, text, n) => {
      expect(fromHex(hex(raw))).toEqual(raw)
      expect(fromHex(hex(raw).toUpperCase())).toEqual(raw)
      expect(fromUtf8(utf8(text))).toBe(text)
      expect(toUnsigned(u64(n))).toBe(n)
      expect([u8(n % 256), u16(n % 65536), u32(n % 2 ** 32)].map(toUnsigned)).toEqual([n % 256, n % 65536, n % 2 ** 32])
    }),
  ))

it('H07 strict UTF-8: bytes that decode are the bytes that the text encodes to, and a failure leaves no trace', () =>
  check(
    fc.property(
      fc.oneof(
        bytes,
        fc
          .array(fc.constantFrom(0x61, 0xc3, 0xa9, 0xed, 0xa0, 0x80, 0xf0, 0x9f, 0x98, 0xef, 0xbb, 0xbf), { maxLength: 6 })
          .map((list) => Uint8Array.from(list)),
      ),
      (raw) => {
        const text = fromUtf8(raw)
        if (text !== null) expect(utf8(text)).toEqual(raw)
        else expect(Buffer.from(raw).toString('utf8')).toContain('\ufffd')
        expect(fromUtf8(utf8('ok'))).toBe('ok')
      },
    ),
    RUNS * 5,
  ))

it('integers out of range are refused', () => {
  for (const bad of [-1, 0.5, Number.NaN, 2 ** 53])
    for (const write of [u8, u16, u32, u64]) expect(() => write(bad)).toThrow(RangeError)
  expect(() => u8(256)).toThrow(RangeError)
  expect(() => u16(65536)).toThrow(RangeError)
  expect(() => u32(2 ** 32)).toThrow(RangeError)
  expect(() => toUnsigned(new Uint8Array(8).fill(255))).toThrow(RangeError)
  expect([fromHex('0'), fromHex('0g'), fromHex('0x'), fromHex(' 0')]).toEqual([null, null, null, null])
})

it('equality and joining are those of the bytes', () =>
  check(
    fc.property(bytes, bytes, (a, b) => {
      expect(equal(a, b)).toBe(hex(a) === hex(b))
      expect(equal(a, a.slice())).toBe(true)
      expect(hex(concat(a, b))).toBe(hex(a) + hex(b))
    }),
  ))

it('the tuple encoding is injective: it can be read back', () =>
  check(
    fc.property(fc.string({ maxLength: 5 }), fc.array(fc.uint8Array({ maxLength: 4 }), { maxLength: 5 }), (label, fields) => {
      const encoded = tuple(label, ...fields)
      let at = 0
      const take = () => {
        const length = toUnsigned(encoded.slice(at, at + 2))
        at += 2 + length
        return encoded.slice(at - length, at)
      }
      expect(fromUtf8(take())).toBe(label)
      expect(Array.from({ length: encoded[at++]! }, take)).toEqual(fields)
      expect(at).toBe(encoded.length)
    }),
  ))

it('the tuple encoding refuses what its lengths cannot say', () => {
  expect(() => lp(new Uint8Array(65_536))).toThrow(RangeError)
  expect(() => tuple('x', ...Array.from({ length: 256 }, () => ''))).toThrow(RangeError)
  expect(lp('é')).toEqual(Uint8Array.of(0, 2, 0xc3, 0xa9))
})

it('ulids sort by their time, fit their alphabet and differ', () => {
  const random = seeded('ulid')
  check(
    fc.property(fc.nat(2 ** 31 - 1), fc.nat(2 ** 31 - 1), (a, b) => {
      const [x, y] = [a, b].map((t) => ulid(() => t * 131_071, random)) as [string, string]
      expect(x).toMatch(/^[0-9a-hjkmnp-tv-z]{26}$/)
      expect(x).not.toBe(y)
      if (a !== b) expect(x < y).toBe(a < b)
    }),
  )
  expect(
    ulid(
      () => 1_469_918_176_385,
      () => new Uint8Array(16),
    ),
  ).toBe(`01aryz6s41${'0'.repeat(16)}`)
})

it('events round-trip through the outbox, and other bytes are none', () => {
  const event: PosternEvent = { id: '0', at: 1, tenant: 't', type: 'login.failed', outcome: 'failure', reason: 'pin.refused' }
  expect(decodeEvent(encodeEvent(event))).toEqual(event)
  for (const text of ['', '{', 'null', '1', '[]', '{"id":"0","at":1,"tenant":"t","type":"no.such","outcome":"failure"}'])
    expect(decodeEvent(utf8(text))).toBeNull()
  expect(decodeEvent(Uint8Array.of(0xff))).toBeNull()
})
