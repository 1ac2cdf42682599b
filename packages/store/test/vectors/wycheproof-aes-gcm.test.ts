/// <reference types="node" />
/** The cipher under `sealed`, as it is used there: 256-bit keys, 96-bit nonces, 128-bit tags. */
import { existsSync, readFileSync } from 'node:fs'
import { concat, fromHex, hex } from '@postern/core/bytes'
import { createCrypto as createNoble } from '@postern/core/crypto/noble'
import { createCrypto as createNode } from '@postern/core/crypto/node'
import { createCrypto as createWeb } from '@postern/core/crypto/web'
import { describe, expect, it } from 'vitest'

const folder = process.env['POSTERN_VECTORS'] ?? new URL('../../../../../shared/vectors', import.meta.url).pathname
const file = `${folder}/payload/wycheproof/aes_gcm_test.json`
const missing = !existsSync(file) && process.env['POSTERN_REQUIRE'] !== 'all'

type Group = { ivSize: number; keySize: number; tagSize: number; tests: (Record<string, string> & { tcId: number })[] }
const bytes = (text: string | undefined): Uint8Array => fromHex(text!)!

describe.skipIf(missing).each([createNode(), createWeb(), createNoble()])('Wycheproof AES-256-GCM on $name', (crypto) => {
  it('valid vectors seal and open, every other is refused', async () => {
    const groups: Group[] = JSON.parse(readFileSync(file, 'utf8')).testGroups
    const tests = groups.flatMap((group) =>
      group.keySize === 256 && group.ivSize === 96 && group.tagSize === 128 ? group.tests : [],
    )
    for (const t of tests) {
      const key = await crypto.aeadKey('A256GCM', bytes(t['key']))
      const opened = await crypto.open(key, bytes(t['iv']), bytes(t['aad']), concat(bytes(t['ct']), bytes(t['tag'])))
      expect([t.tcId, opened && hex(opened)]).toEqual([t.tcId, t['result'] === 'invalid' ? null : t['msg']])
      if (t['result'] !== 'valid') continue
      expect(hex(await crypto.seal(key, bytes(t['iv']), bytes(t['aad']), bytes(t['msg'])))).toBe(`${t['ct']}${t['tag']}`)
    }
    expect(tests).toHaveLength(66)
  })
})
