/** Sealing and opening with the tag apart, for ports where that spares a copy of each large chunk. */
import type { AeadKey, CryptoPort } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'
import type { ChunkCipher } from './chunks.js'

/** Nonces in their order. */
export interface NonceCounter {
  /** The next one to seal with, never given again. */
  toSeal(): Uint8Array
  /** The next one to open with. */
  toOpen(): Uint8Array
  /** What it was to open did. */
  opened(): void
}

/** The method, where the port has one. Made without spreading: a session makes two ciphers a call. */
export function sealingApart(crypto: CryptoPort, key: AeadKey, nonces: NonceCounter): ChunkCipher['sealApart'] {
  const { sealApart } = crypto
  return sealApart === undefined ? undefined : (aad, plaintext) => sealApart(key, nonces.toSeal(), aad, plaintext)
}

export function openingApart(crypto: CryptoPort, key: AeadKey, nonces: NonceCounter): ChunkCipher['openApart'] {
  const { openApart } = crypto
  if (openApart === undefined) return undefined
  return (aad, body, tag) => {
    const plaintext = openApart(key, nonces.toOpen(), aad, body, tag)
    if (plaintext === null) throw new PosternError('hpke.open_failed')
    nonces.opened()
    return plaintext
  }
}
