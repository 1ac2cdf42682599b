import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import { createCrypto as noble } from '@postern/core/crypto/noble'
import { createCrypto as node } from '@postern/core/crypto/node'
import { createCrypto as web } from '@postern/core/crypto/web'
import { describe, expect, it } from 'vitest'
import { sealForSubscriber, sealRecord } from '../../src/internal/aes128gcm.js'
import { vectorFile } from '../vectorFile.js'

const none = new Uint8Array(0)
const from = (text: string | undefined): Uint8Array => decodeBase64url(text ?? '')!
const record = vectorFile<Readonly<Record<string, string>>>('payload/ece/rfc8188-section-3.1.json', {})
const appendix = vectorFile<Readonly<Record<string, string>>>('payload/ece/rfc8291-appendix-a.json', {})
const section = vectorFile<Readonly<Record<string, string>>>('auth/rfc/webpush-8291.json', {})

describe.each([node(), web(), noble()])('on $name', (crypto) => {
  it.skipIf(record.absent)('RFC 8188 section 3.1: one record', async () => {
    const { key, body, plaintext } = record.data
    const salt = from(body).slice(0, 16)
    const sealed = await sealRecord(crypto, { ikm: from(key), salt, keyId: none, plaintext: utf8(plaintext!) })
    expect(encodeBase64url(sealed)).toBe(body)
  })

  it.skipIf(appendix.absent || section.absent)('RFC 8291 section 5 and Appendix A: a message for one subscriber', async () => {
    const { as_private, ua_public, salt, auth_secret, plaintext, body } = appendix.data
    const { senderPrivate, receiverPublic, authSecret } = section.data
    expect([senderPrivate, receiverPublic, authSecret, section.data['salt'], section.data['body']]).toEqual([
      as_private,
      ua_public,
      auth_secret,
      salt,
      body,
    ])
    const sender = await crypto.dhKeyPair('P-256', from(as_private))
    const message = { p256dh: from(ua_public), auth: from(auth_secret), sender, salt: from(salt), plaintext: utf8(plaintext!) }
    expect(encodeBase64url((await sealForSubscriber(crypto, message))!)).toBe(body)
  })

  it('a key off the curve gives nothing, and a message too long for a record is refused', async () => {
    const sender = await crypto.dhKeyPair('P-256', new Uint8Array(32).fill(1))
    const off = sender.publicKey.slice()
    off[64]! ^= 1
    const message = { p256dh: off, auth: new Uint8Array(16), sender, salt: new Uint8Array(16), plaintext: none }
    expect(await sealForSubscriber(crypto, message)).toBe(null)
    const o = { ikm: none, salt: new Uint8Array(16), keyId: none }
    expect(await sealRecord(crypto, { ...o, plaintext: new Uint8Array(4079) })).toHaveLength(21 + 4096)
    await expect(sealRecord(crypto, { ...o, plaintext: new Uint8Array(4080) })).rejects.toThrow(RangeError)
  })
})
