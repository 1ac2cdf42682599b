/// <reference types="node" />
import { existsSync, readFileSync } from 'node:fs'
import { fromHex, hex } from '@postern/core/bytes'
import { createCrypto as createNoble } from '@postern/core/crypto/noble'
import { createCrypto as createNode } from '@postern/core/crypto/node'
import { createCrypto as createWeb } from '@postern/core/crypto/web'
import { PosternError } from '@postern/core/errors'
import { describe, expect, it } from 'vitest'
import { seeded, VECTORS } from '../support.js'

interface Case {
  readonly tcId: number
  readonly seed: string
  readonly ek?: string
  readonly c: string
  readonly K: string
  readonly result: 'valid' | 'invalid'
}

const file = `${VECTORS}/payload/wycheproof/mlkem_768_test.json`
const missing = !existsSync(file) && process.env.POSTERN_REQUIRE !== 'all'
const bytes = (text: string): Uint8Array => fromHex(text)!

describe.skipIf(missing).each([createNode(), createWeb(), createNoble()])('Wycheproof ML-KEM-768 on $name', (crypto) => {
  it('every case: pair, decapsulation, what is refused', async () => {
    const groups = JSON.parse(readFileSync(file, 'utf8')).testGroups as readonly { readonly tests: readonly Case[] }[]
    const tests = groups.flatMap((group) => group.tests)
    for (const { tcId, seed, ek, c, K, result } of tests) {
      const pair = await (async () => crypto.mlKemPair(bytes(seed)))().catch((error: unknown) => {
        expect(error).toBeInstanceOf(PosternError)
        return null
      })
      if (pair !== null && ek !== undefined) expect([tcId, hex(pair.publicKey)]).toEqual([tcId, ek])
      const secret = pair === null ? null : await crypto.mlKemDecap(pair, bytes(c))
      expect([tcId, secret && hex(secret)]).toEqual([tcId, result === 'valid' ? K : null])
    }
    expect(tests.length).toBe(193)
  })

  it('what is encapsulated comes out, a key that is not reduced or short is refused, a changed ciphertext gives another secret', async () => {
    const random = seeded('ml-kem')
    const pair = await crypto.mlKemPair(random(64))
    const { ciphertext, secret } = (await crypto.mlKemEncap(pair.publicKey, random(32)))!
    expect(hex((await crypto.mlKemDecap(pair, ciphertext))!)).toBe(hex(secret))
    const bad = pair.publicKey.slice().fill(0xff, 0, 3)
    for (const key of [bad, pair.publicKey.slice(1), new Uint8Array(0)])
      expect(await crypto.mlKemEncap(key, random(32))).toBeNull()
    ciphertext[9]! ^= 1
    expect(hex((await crypto.mlKemDecap(pair, ciphertext))!)).not.toBe(hex(secret))
  })
})
