/// <reference types="node" />
import { concat, utf8 } from '@postern/core/bytes'
import { allTags, type KeyDescription, originTags, readKeyDescription } from '@postern/core/keydescription'
import { describe, expect, it } from 'vitest'
import { codeOf, refusalOf } from '../support.js'

/** A DER writer of the test's own. */
const der = (tag: number | readonly number[], ...parts: readonly Uint8Array[]): Uint8Array => {
  const content = concat(...parts)
  const length = content.length < 128 ? [content.length] : [0x82, content.length >> 8, content.length & 255]
  return Uint8Array.from([...(typeof tag === 'number' ? [tag] : tag), ...length, ...content])
}
const seq = (...parts: readonly Uint8Array[]) => der(0x30, ...parts)
const int = (...bytes: readonly number[]) => der(2, Uint8Array.from(bytes))
const enumerated = (n: number) => der(10, Uint8Array.of(n))
const octets = (text: string) => der(4, utf8(text))
/** A context tag in its one spelling. */
const tag = (n: number, ...value: readonly Uint8Array[]) =>
  der(n < 31 ? 0xa0 + n : n < 128 ? [0xbf, n] : [0xbf, 0x80 + (n >> 7), n & 127], ...value)

interface Parts {
  readonly version?: number
  readonly level?: number
  readonly software?: readonly Uint8Array[]
  readonly hardware?: readonly Uint8Array[]
  readonly more?: readonly Uint8Array[]
}
const description = ({ version = 3, level = 1, software = [], hardware = [], more = [] }: Parts) =>
  seq(
    int(version),
    enumerated(level),
    int(version),
    enumerated(level),
    octets('challenge'),
    octets(''),
    seq(...software),
    seq(...hardware),
    ...more,
  )
const read = (parts: Parts): KeyDescription => readKeyDescription(description(parts), allTags)
const reason = async (parts: Parts) => (await refusalOf((async () => read(parts))()))?.reason

describe('a key description', () => {
  it.each([1, 2, 3, 4, 100])('of schema %i is read', (version) => {
    const root = [octets('key'), der(1, Uint8Array.of(255)), enumerated(0)]
    const hardware = [
      tag(1, der(0x31, int(2), int(3))),
      tag(11, int(2)),
      tag(702, int(0)),
      tag(704, seq(...root, ...(version < 3 ? [] : [octets('hash')]))),
    ]
    const { attestationVersion, hardware: list, challenge } = read({ version, hardware })
    expect([attestationVersion, challenge]).toEqual([version, utf8('challenge')])
    expect(list).toEqual({
      purpose: [2, 3],
      mlDsaVariant: 2,
      origin: 0,
      rootOfTrust: {
        verifiedBootKey: utf8('key'),
        locked: true,
        bootState: 'verified',
        verifiedBootHash: version < 3 ? null : utf8('hash'),
      },
      ordered: true,
    })
  })

  it('reads the tags that are asked for, and steps over the rest', () => {
    const hardware = [tag(1, der(0x31, int(2))), tag(3, int(1, 0)), tag(702, int(0))]
    const bytes = description({ hardware })
    expect(readKeyDescription(bytes, allTags).hardware).toEqual({ ordered: true, purpose: [2], keySize: 256, origin: 0 })
    expect(readKeyDescription(bytes, originTags).hardware).toEqual({ ordered: true, purpose: [2], origin: 0 })
    // What nobody asked for is not looked into, but may not be there twice.
    const odd = [tag(3, octets('x')), tag(702, int(0))]
    expect(codeOf(() => readKeyDescription(description({ hardware: odd }), allTags))).toBe('der.malformed')
    expect(readKeyDescription(description({ hardware: odd }), originTags).hardware).toEqual({ ordered: true, origin: 0 })
    expect(codeOf(() => readKeyDescription(description({ hardware: [...odd, odd[0]!] }), originTags))).toBe(
      'keydescription.refused',
    )
  })

  it('says at which level, and in which state the phone was booted', () => {
    expect([0, 1, 2].map((level) => read({ level }).attestationLevel)).toEqual(['software', 'tee', 'strongbox'])
    const booted = (state: number, locked: number) =>
      read({ hardware: [tag(704, seq(octets(''), der(1, Uint8Array.of(locked)), enumerated(state)))] }).hardware.rootOfTrust
    expect([0, 1, 2, 3].map((state) => booted(state, 0)?.bootState)).toEqual(['verified', 'self-signed', 'unverified', 'failed'])
    expect(booted(0, 0)?.locked).toBe(false)
  })

  it('steps over tags that are not known, says when they are out of order, refuses one that is there twice', async () => {
    const odd = tag(999, octets('a vendor’s own'))
    expect(read({ software: [odd, tag(16_000, int(1), int(2), int(3))] }).software).toEqual({ ordered: true })
    expect(read({ software: [tag(702, int(0)), tag(1, der(0x31, int(2)))] }).software).toEqual({
      origin: 0,
      purpose: [2],
      ordered: false,
    })
    for (const twice of [
      [tag(702, int(0)), tag(702, int(0))],
      [odd, odd],
    ])
      expect(await reason({ software: twice })).toBe('tag')
    expect(await reason({ software: [int(1)] })).toBe('tag')
  })

  it('refuses members too many or too few, numbers that mean nothing, and values of another type', async () => {
    expect(await reason({ more: [int(0)] })).toBe('members')
    expect(await reason({ level: 3 })).toBe('enumerated')
    expect(await reason({ hardware: [tag(702, int(0), int(0))] })).toBe('value')
    expect(await reason({ hardware: [tag(702)] })).toBe('value')
    expect(await reason({ hardware: [tag(1, int(2))] })).toBe('set')
    expect(await reason({ hardware: [tag(600, der(5, Uint8Array.of(0)))] })).toBe('null')
    expect(await reason({ hardware: [tag(600, int(1))] })).toBe('null')
    const root = [octets(''), der(1, Uint8Array.of(255)), enumerated(0), octets('')]
    expect(await reason({ hardware: [tag(704, seq(...root, octets('')))] })).toBe('rootOfTrust')
    expect(await reason({ hardware: [tag(704, seq(octets(''), der(1, Uint8Array.of(255)), enumerated(4)))] })).toBe('enumerated')
    for (const bad of [
      { hardware: [tag(702, octets('0'))] },
      { hardware: [tag(704, seq(octets(''), der(1, Uint8Array.of(1)), enumerated(0)))] },
      { hardware: [tag(704, seq(octets('')))] },
      { hardware: [tag(709, int(1))] },
      { software: [der([0xbf, 0x85, 0x3e], int(0)).subarray(0, 5)] },
    ])
      expect(codeOf(() => read(bad))).toBe('der.malformed')
    expect(codeOf(() => readKeyDescription(new Uint8Array(0), allTags))).toBe('der.malformed')
    expect(codeOf(() => readKeyDescription(seq(), allTags))).toBe('keydescription.refused')
  })
})
