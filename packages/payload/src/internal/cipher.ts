/**
 * A key and its nonces in their order. A class where the house has functions: a session makes two a call, and a dozen closures each time
 * were a tenth of it.
 */
import type { AeadKey, CryptoPort, Now } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'
import type { ChunkCipher } from './chunks.js'

/** Keeps the advantage against AES-GCM below 2^-56 at 64 KiB a message, and far from where nonces would begin anew. */
export const MAX_MESSAGES: number = 2 ** 24

/** Nonce `base XOR n` for the n-th message; two ways of one key must not share a cipher. */
export class CountingCipher implements ChunkCipher {
  protected readonly crypto: CryptoPort
  private readonly key: AeadKey | null
  private readonly base: Uint8Array
  private readonly most: number
  private count = 0

  /** @param key - `null` for one that neither seals nor opens */
  constructor(crypto: CryptoPort, key: AeadKey | null, base: Uint8Array, most: number = MAX_MESSAGES) {
    this.crypto = crypto
    this.key = key
    this.base = base
    this.most = most
  }

  seal(aad: Uint8Array, plaintext: Uint8Array): Now<Uint8Array> {
    const key = this.usable()
    // Taken before anything can wait: two seals at once never share a nonce.
    return this.crypto.seal(key, nonceAt(this.base, this.count++), aad, plaintext)
  }

  open(aad: Uint8Array, ciphertext: Uint8Array): Now<Uint8Array> {
    const key = this.usable()
    const at = this.count
    const opened = this.crypto.open(key, nonceAt(this.base, at), aad, ciphertext)
    return opened instanceof Promise ? opened.then((plaintext) => this.opened(at, plaintext)) : this.opened(at, opened)
  }

  /** Sealing with the tag apart, where the port can: it spares a copy. */
  get sealApart(): ChunkCipher['sealApart'] {
    const { sealApart } = this.crypto
    if (sealApart === undefined) return undefined
    return (aad, plaintext) => sealApart(this.usable(), nonceAt(this.base, this.count++), aad, plaintext)
  }

  get openApart(): ChunkCipher['openApart'] {
    const { openApart } = this.crypto
    if (openApart === undefined) return undefined
    return (aad, body, tag) => {
      const at = this.count
      return this.opened(at, openApart(this.usable(), nonceAt(this.base, at), aad, body, tag))
    }
  }

  private usable(): AeadKey {
    if (this.key === null)
      throw new PosternError('crypto.unsupported', { publicMessage: 'An export-only suite neither seals nor opens.' })
    if (this.count >= this.most) throw new PosternError('hpke.exhausted')
    return this.key
  }

  /** A message that did not open leaves the sequence where it was. */
  private opened(at: number, plaintext: Uint8Array | null): Uint8Array {
    if (plaintext === null) throw new PosternError('hpke.open_failed')
    this.count = at + 1
    return plaintext
  }
}

/** base_nonce XOR seq. @see RFC 9180 §5.2 */
function nonceAt(base: Uint8Array, sequence: number): Uint8Array {
  // Nothing to compute, and the only one of most messages.
  if (sequence === 0) return base
  const nonce = base.slice()
  for (let i = 0; i < 4; i++) nonce[11 - i]! ^= (sequence >>> (8 * i)) & 255
  return nonce
}
