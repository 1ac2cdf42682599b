import { createCrypto } from '@postern/core/crypto'
import { encodeBlockList, openBlockList } from '@postern/policy/pin/blocklist'
import { checkPin, type PinPolicy, parsePinPolicy } from '@postern/policy/pin/policy'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { bare, refused } from '../pins.js'

const crypto = createCrypto()
const coded = async (length: number, pins: readonly string[]) => {
  const { bytes, count, hash } = await encodeBlockList(length, pins, crypto)
  return { bytes, ref: { ref: `lists/${length}`, count, hash } }
}
const mismatch = expect.objectContaining({ code: 'pin.blocklist_mismatch' })
const rehash = async (bytes: Uint8Array) => {
  const digest = Buffer.from(await crypto.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)).toString('base64url')
  return `sha256:${digest}`
}

it('a list comes back as it went in, at any length, however many', () =>
  fc.assert(
    fc.asyncProperty(
      fc.constantFrom(4, 5, 6, 7, 12, 32).chain((length) =>
        fc.record({
          length: fc.constant(length),
          pins: fc.uniqueArray(fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: length, maxLength: length }), {
            minLength: 1,
            maxLength: 300,
          }),
          other: fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: length, maxLength: length }),
        }),
      ),
      async ({ length, pins, other }) => {
        const { bytes, ref } = await coded(length, pins)
        expect(ref.count).toBe(pins.length)
        const list = await openBlockList(length, ref, bytes, crypto)
        expect([...list.pins()].sort()).toEqual([...pins].sort())
        for (const pin of [...pins, other]) expect(list.has(pin)).toBe(pins.includes(pin))
        expect(list.has(`${pins[0]}0`)).toBe(false)
      },
    ),
  ))

it('a dense list is a bit a PIN, a sparse one a few bytes', async () => {
  const all = Array.from({ length: 10_000 }, (_, i) => String(i).padStart(4, '0'))
  const dense = await coded(
    4,
    all.filter((_, i) => (i * 7) % 3 !== 0),
  )
  expect([dense.bytes[0], dense.bytes.length]).toEqual([1, 1252])
  const sparse = await coded(6, ['000000', '999999'])
  expect([sparse.bytes[0], sparse.bytes.length < 10]).toEqual([2, true])
  const list = await openBlockList(4, dense.ref, dense.bytes, crypto)
  expect([...list.pins()]).toEqual(all.filter((_, i) => (i * 7) % 3 !== 0))
  expect([list.has('00000'), list.has('0001'), list.has('0003')]).toEqual([false, true, false])
})

it('only PINs of its length go into a list, and at least one', async () => {
  for (const pins of [[], ['123'], ['12345'], ['12a4'], ['１２３４']])
    await expect(encodeBlockList(4, pins, crypto)).rejects.toMatchObject({ code: 'pin.policy_invalid' })
})

it('a list that is not the one named stops PIN creation', async () => {
  const { bytes, ref } = await coded(4, ['1234', '9876', '5555'])
  const list = await openBlockList(4, ref, bytes, crypto)
  const p: PinPolicy = { ...bare, blocklists: { '4': ref } }
  expect(refused(p, '1234', { blocklists: { '4': list } })).toEqual(['blocked'])
  expect(refused(p, '1235', { blocklists: { '4': list } })).toEqual([])
  // PINs of another length need no list.
  expect(refused(p, '12345')).toEqual([])
  const other = await coded(4, ['0000', '1111', '2222'])
  for (const blocklists of [
    undefined,
    {},
    { '5': list },
    { '4': await openBlockList(4, other.ref, other.bytes, crypto) },
    { '4': { ...list, count: 2 } },
    { '4': { ...list, length: 5 } },
  ])
    expect(() => checkPin(p, new TextEncoder().encode('1235'), blocklists ? { blocklists } : {})).toThrow(mismatch)
})

it('any byte changed, another count and another length are refused when a list is opened', async () => {
  for (const pins of [
    ['1234', '9876', '5555'],
    Array.from({ length: 5000 }, (_, i) => String((i * 7919) % 10_000).padStart(4, '0')),
  ]) {
    const { bytes, ref } = await coded(4, pins)
    for (let i = 0; i < Math.min(bytes.length, 40); i++) {
      const bent = bytes.slice()
      bent[i]! ^= 1
      await expect(openBlockList(4, ref, bent, crypto)).rejects.toThrow(mismatch)
    }
    await expect(openBlockList(4, { ...ref, count: ref.count - 1 }, bytes, crypto)).rejects.toThrow(mismatch)
    await expect(openBlockList(4, { ...ref, count: ref.count + 1 }, bytes, crypto)).rejects.toThrow(mismatch)
    await expect(openBlockList(5, ref, bytes, crypto)).rejects.toThrow(mismatch)
  }
})

it('bytes that hash as named and are no list are refused all the same', async () => {
  const sparse = (await coded(4, ['1234', '9876'])).bytes
  const bad: [Uint8Array, number, number][] = [
    [Uint8Array.of(), 1, 4],
    [Uint8Array.of(3, 4, 0), 1, 4],
    [Uint8Array.of(2, 4), 1, 4],
    [Uint8Array.of(1, 4, 255), 8, 4],
    [Uint8Array.from([1, 7, ...new Array<number>(1_250_000).fill(0), 1]), 1, 7],
    // Past the end of the space: 10000 as four digits.
    [Uint8Array.of(2, 4, 14, 0b0100_1110, 0b0010_0000), 1, 4],
    // A bit, and a byte, after the last entry.
    [Uint8Array.from([...sparse.slice(0, -1), sparse.at(-1)! | 1]), 2, 4],
    [Uint8Array.from([...sparse, 0]), 2, 4],
    [sparse.slice(0, -1), 2, 4],
  ]
  for (const [bytes, count, length] of bad)
    await expect(openBlockList(length, { ref: 'x', count, hash: await rehash(bytes) }, bytes, crypto)).rejects.toThrow(mismatch)
})

it('what is no PIN of its length is on no list, however it is coded', async () => {
  const all = Array.from({ length: 10_000 }, (_, i) => String(i).padStart(4, '0'))
  for (const pins of [all, ['0000', '0012', '0100']]) {
    const { bytes, ref } = await coded(4, pins)
    const list = await openBlockList(4, ref, bytes, crypto)
    expect(['0012', '0100'].every(list.has)).toBe(true)
    for (const odd of ['  12', '+012', '1e02', '0x0c', '12.0', 'none', '012', '00012', ''])
      expect([odd, list.has(odd)]).toEqual([odd, false])
  }
})

it('bytes changed while a list is being opened change nothing', async () => {
  const { bytes, ref } = await coded(4, ['1234'])
  const mine = bytes.slice()
  const opening = openBlockList(4, ref, mine, crypto)
  mine.fill(0)
  expect((await opening).has('1234')).toBe(true)
})

it('a policy names its lists by a full hash', () => {
  const hash = `sha256:${'A'.repeat(43)}`
  expect(parsePinPolicy(JSON.stringify({ ...bare, blocklists: { '6': { ref: 'x', count: 3, hash } } })).blocklists['6']).toEqual({
    ref: 'x',
    count: 3,
    hash,
  })
  for (const [entry, pointer] of [
    [{ ref: '', count: 3, hash }, '/blocklists/6/ref'],
    [{ ref: 'x', count: 0, hash }, '/blocklists/6/count'],
    [{ ref: 'x', count: 3, hash: hash.slice(0, -1) }, '/blocklists/6/hash'],
    [{ ref: 'x', count: 3, hash: `sha512:${'A'.repeat(43)}` }, '/blocklists/6/hash'],
    [{ ref: 'x', count: 3 }, '/blocklists/6'],
    [{ ref: 'x', count: 3, hash, url: 'y' }, '/blocklists/6/url'],
  ] as const)
    expect(() => parsePinPolicy(JSON.stringify({ ...bare, blocklists: { '6': entry } }))).toThrow(
      expect.objectContaining({ code: 'pin.policy_invalid', reason: pointer }),
    )
})
