/**
 * Messages in chunks, each sealed by itself, with an end that is authenticated: `{ varint(length) ‖ ct }* ‖ 00 ‖ ct_final`.
 * @see draft-ietf-ohai-chunked-ohttp-08 §6
 */
import { utf8 } from '@postern/core/bytes'
import type { Now } from '@postern/core/cryptoPort'
import { isPosternError } from '@postern/core/errors'
import { EMPTY } from './labels.js'
import { andThen, inTurn, orElse } from './now.js'
import { lengthFrom, putVarint, varintAt, varintLength } from './varint.js'

/** Seals the next chunk, opens the next: the nonce counts. An HPKE context is one. */
export interface ChunkCipher {
  seal(aad: Uint8Array, plaintext: Uint8Array): Now<Uint8Array>
  /** @throws PosternError `hpke.open_failed` */
  open(aad: Uint8Array, ciphertext: Uint8Array): Now<Uint8Array>
  /** As `seal` and `open` with the tag apart, where that spares a copy. */
  readonly sealApart?:
    | ((aad: Uint8Array, plaintext: Uint8Array) => { readonly body: Uint8Array; readonly tag: Uint8Array })
    | undefined
  /** @throws PosternError `hpke.open_failed` */
  readonly openApart?: ((aad: Uint8Array, body: Uint8Array, tag: Uint8Array) => Uint8Array) | undefined
}

/** Why a chunked message is not one: it does not open, or it has no end that is authenticated. */
export type Refusal = (why: 'refused' | 'truncated', reason: string, cause?: unknown) => Error

export const FINAL: Uint8Array = /* @__PURE__ */ utf8('final')
export const TAG_BYTES = 16
/** From here on pieces of a stream cost less than a copy, where the tag goes apart. */
export const APART_BYTES = 32_768

/** A whole message behind `head`. Chunks are full but the last. */
export function sealChunks(cipher: ChunkCipher, head: Uint8Array, message: Uint8Array, chunkBytes: number): Now<Uint8Array> {
  const before = Math.max(0, Math.ceil(message.length / chunkBytes) - 1)
  const framed = varintLength(chunkBytes + TAG_BYTES) + chunkBytes + TAG_BYTES
  const out = new Uint8Array(head.length + before * framed + 1 + message.length - before * chunkBytes + TAG_BYTES)
  out.set(head)
  const body = inTurn(before, (i) =>
    andThen(cipher.seal(EMPTY, message.subarray(i * chunkBytes, (i + 1) * chunkBytes)), (sealed) => {
      const at = head.length + i * framed
      out.set(sealed, at + putVarint(out, at, sealed.length))
    }),
  )
  return andThen(body, () => {
    const last = before === 0 ? message : message.subarray(before * chunkBytes)
    const { sealApart } = cipher
    if (sealApart !== undefined) {
      const { body, tag } = sealApart(FINAL, last)
      out.set(body, out.length - TAG_BYTES - body.length)
      out.set(tag, out.length - TAG_BYTES)
      return out
    }
    return andThen(cipher.seal(FINAL, last), (sealed) => {
      out.set(sealed, out.length - sealed.length)
      return out
    })
  })
}

/** The whole message of chunks that are here whole. Nothing is returned of a message without its end. */
export function openChunks(cipher: ChunkCipher, chunks: Uint8Array, maxChunkBytes: number, refusal: Refusal): Now<Uint8Array> {
  const cut = cutChunks(chunks, maxChunkBytes, refusal)
  const last = cut.length - 1
  if (last === 0) return openChunk(cipher, FINAL, cut[0]!, refusal)
  const out = new Uint8Array(cut.reduce((sum, { length }) => sum + length - TAG_BYTES, 0))
  let at = 0
  const all = inTurn(cut.length, (i) =>
    andThen(openChunk(cipher, i === last ? FINAL : EMPTY, cut[i]!, refusal), (plaintext) => {
      out.set(plaintext, at)
      at += plaintext.length
    }),
  )
  return andThen(all, () => out)
}

export function openChunk(cipher: ChunkCipher, aad: Uint8Array, sealed: Uint8Array, refusal: Refusal): Now<Uint8Array> {
  return refusing(() => cipher.open(aad, sealed), refusal)
}

/** What `open` gives, its failure said as a refusal. */
export function refusing(open: () => Now<Uint8Array>, refusal: Refusal): Now<Uint8Array> {
  return orElse(open, (cause) => {
    throw isPosternError(cause, 'hpke.open_failed') ? refusal('refused', cause.code, cause) : cause
  })
}

/** The length of the chunk that a prefix announces; the prefix is not authenticated, so it is held against the limit before reading on. */
export function checkLength(length: number, maxChunkBytes: number, refusal: Refusal): void {
  checkFinal(length, maxChunkBytes, refusal)
  // An empty chunk that is not the last counts as one that does not open.
  if (length <= TAG_BYTES) throw refusal('refused', 'an empty chunk')
}

/** The last chunk has no length of its own; it is no longer than the others. */
export function checkFinal(length: number, maxChunkBytes: number, refusal: Refusal): void {
  if (length > maxChunkBytes + TAG_BYTES) throw refusal('refused', 'a chunk above the limit')
}

function cutChunks(chunks: Uint8Array, maxChunkBytes: number, refusal: Refusal): readonly Uint8Array[] {
  const cut: Uint8Array[] = []
  for (let at = 0; at < chunks.length; ) {
    const size = lengthFrom(chunks[at]!)
    if (size > chunks.length - at) break
    const length = varintAt(chunks, at, size)
    at += size
    if (length === 0) {
      if (chunks.length - at < TAG_BYTES) break
      checkFinal(chunks.length - at, maxChunkBytes, refusal)
      cut.push(chunks.subarray(at))
      return cut
    }
    checkLength(length, maxChunkBytes, refusal)
    if (length > chunks.length - at) break
    cut.push(chunks.subarray(at, (at += length)))
  }
  throw refusal('truncated', 'no end')
}
