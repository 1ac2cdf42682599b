/// <reference types="node" />
import { existsSync, readFileSync } from 'node:fs'
import { fromHex, hex } from '@postern/core/bytes'
import { createCrypto } from '@postern/core/crypto'
import { hkdfExpand, hkdfExtract } from '@postern/core/hkdf'
import { describe, expect, it } from 'vitest'
import { VECTORS } from '../support.js'

interface Case {
  readonly tcId: number
  readonly ikm: string
  readonly salt: string
  readonly info: string
  readonly size: number
  readonly okm: string
  readonly result: 'valid' | 'invalid'
}
const file = `${VECTORS}/payload/wycheproof/hkdf_sha256_test.json`
const present = process.env.POSTERN_REQUIRE === 'all' || existsSync(file)

describe.skipIf(!present)('Wycheproof HKDF-SHA-256', () => {
  it('every vector, valid and invalid', async () => {
    const crypto = createCrypto()
    const { testGroups } = JSON.parse(readFileSync(file, 'utf8')) as { testGroups: readonly { tests: readonly Case[] }[] }
    const cases = testGroups.flatMap(({ tests }) => tests)
    expect(cases.length).toBeGreaterThan(50)
    for (const { tcId, ikm, salt, info, size, okm, result } of cases) {
      const prk = await hkdfExtract(crypto, 'SHA-256', fromHex(salt)!, fromHex(ikm)!)
      const out = hkdfExpand(crypto, 'SHA-256', prk, fromHex(info)!, size)
      if (result === 'valid') expect(hex(await out), `tcId ${tcId}`).toBe(okm)
      else await expect(out, `tcId ${tcId}`).rejects.toThrow(RangeError)
    }
  })
})
