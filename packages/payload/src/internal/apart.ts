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

/** The two methods, or none. */
export function apartOf(
  { sealApart, openApart }: CryptoPort,
  key: AeadKey,
  nonces: NonceCounter,
): Pick<ChunkCipher, 'sealApart' | 'openApart'> {
  if (sealApart === undefined || openApart === undefined) return {}
  return {
    sealApart: (aad, plaintext) => sealApart(key, nonces.toSeal(), aad, plaintext),
    openApart(aad, body, tag) {
      const plaintext = openApart(key, nonces.toOpen(), aad, body, tag)
      if (plaintext === null) throw new PosternError('hpke.open_failed')
      nonces.opened()
      return plaintext
    },
  }
}
