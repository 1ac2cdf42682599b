/// <reference types="node" />
import { existsSync, readFileSync } from 'node:fs'
import { concat, fromHex, hex } from '@postern/core/bytes'
import { createCrypto as createNoble } from '@postern/core/crypto/noble'
import { createCrypto as createNode } from '@postern/core/crypto/node'
import { createCrypto as createWeb } from '@postern/core/crypto/web'
import { hkdfExpand, hkdfExtract } from '@postern/core/hkdf'
import { describe, expect, it } from 'vitest'
import { VECTORS } from '../support.js'

const folder = `${VECTORS}/payload/wycheproof`
const missing = !existsSync(folder) && process.env.POSTERN_REQUIRE !== 'all'
type Case = Record<string, string> & { tcId: number; size: number }
type Group = { ivSize: number; keySize: number; tagSize: number; tests: Case[] }
const groups = (file: string): Group[] => JSON.parse(readFileSync(`${folder}/${file}_test.json`, 'utf8')).testGroups
const bytes = (text: string | undefined): Uint8Array => fromHex(text!)!

describe.skipIf(missing).each([createNode(), createWeb(), createNoble()])('Wycheproof on $name', (crypto) => {
  it.each(['aes_gcm', 'chacha20_poly1305'])('%s', async (file) => {
    let run = 0
    for (const { ivSize, keySize, tagSize, tests } of groups(file)) {
      if (ivSize !== 96 || tagSize !== 128 || keySize === 192) continue
      for (const t of tests) {
        const key = await crypto.aeadKey(file === 'aes_gcm' ? (keySize === 128 ? 'A128GCM' : 'A256GCM') : 'C20P', bytes(t.key))
        const opened = await crypto.open(key, bytes(t.iv), bytes(t.aad), concat(bytes(t.ct), bytes(t.tag)))
        expect([t.tcId, opened && hex(opened)]).toEqual([t.tcId, t.result === 'invalid' ? null : t.msg])
        if (t.result === 'valid')
          expect(hex(await crypto.seal(key, bytes(t.iv), bytes(t.aad), bytes(t.msg)))).toBe(`${t.ct}${t.tag}`)
        run++
      }
    }
    expect(run).toBeGreaterThan(50)
  })

  it('x25519', async () => {
    for (const { tests } of groups('x25519'))
      for (const t of tests) {
        const secret = await crypto.dh('X25519', await crypto.dhKeyPair('X25519', bytes(t.private)), bytes(t.public))
        expect([t.tcId, secret && hex(secret)]).toEqual([t.tcId, /^0+$/.test(t.shared!) ? null : t.shared])
      }
  })

  it('hkdf_sha256', async () => {
    for (const { tests } of groups('hkdf_sha256'))
      for (const t of tests) {
        if (t.result !== 'valid') continue
        const prk = await hkdfExtract(crypto, 'SHA-256', bytes(t.salt), bytes(t.ikm))
        expect([t.tcId, hex(await hkdfExpand(crypto, 'SHA-256', prk, bytes(t.info), t.size))]).toEqual([t.tcId, t.okm])
      }
  })
})
