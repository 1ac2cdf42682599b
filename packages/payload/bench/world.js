// What the cases share: ports, keys, one request in three forms.
import { createCipheriv, createSecretKey, randomBytes } from 'node:crypto'
import { createCrypto } from '@postern/core/crypto'
import { createKemRing, openKemRing } from '@postern/payload/keys'
import { random } from './harness.js'

export const crypto = createCrypto()
export const now = Date.now()
export const ring = await openKemRing(await createKemRing({ clock: () => now, random, crypto }), crypto)
export const { config } = ring.offered(now)[0]
/** @param {number} id */
export const find = (id) => ring.find(id, now)

export const fields = [
  ['content-type', 'application/json'],
  ['authorization', `DPoP ${'a'.repeat(200)}`],
  ['date', new Date(now).toUTCString()],
]
export const url = 'https://api.bank.example/transfers?x=1'

/** @param {Uint8Array} content */
export const message = (content) => ({
  ...{ method: 'POST', scheme: 'https', authority: 'api.bank.example', path: '/transfers?x=1' },
  ...{ fields, content, trailers: [] },
})

/** One raw AES-256-GCM call in the fastest form of the key that this runtime has. @param {number} size */
export function rawAes(size) {
  const [raw, iv, plaintext] = [randomBytes(32), randomBytes(12), randomBytes(size)]
  const key = Number.parseInt(process.versions.node, 10) >= 22 ? createSecretKey(raw) : raw
  const run = () => {
    const cipher = createCipheriv('aes-256-gcm', key, iv)
    const body = cipher.update(plaintext)
    cipher.final()
    return [body, cipher.getAuthTag()]
  }
  return { run, each: 240 }
}
