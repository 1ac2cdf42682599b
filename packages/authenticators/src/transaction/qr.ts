/**
 * The rotating picture of a transaction whose user is not known yet: issuer ‖ `/q/` ‖ base64url(`01 ‖ id(16) ‖ u32(step) ‖ tag(16)`).
 * A step lasts 15 s; this one and the one before are accepted. It stops stale pictures, not a relay in real time.
 */
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { concat, equal, toUnsigned, u8, u32 } from '@postern/core/bytes'
import type { CryptoPort, HmacKey } from '@postern/core/cryptoPort'
import { tuple } from '@postern/core/tuple'

/** How long one picture is the current one: 15 s, in ms. */
export const qrStepMs = 15_000

const PAYLOAD_BYTES = 37

/**
 * What stands in the picture now.
 * @param key - K_q
 * @param o.id - of the transaction, 16 bytes
 * @param o.now - ms
 */
export async function qrText(
  crypto: CryptoPort,
  key: HmacKey,
  o: { readonly issuer: string; readonly tenant: string; readonly id: Uint8Array; readonly now: number },
): Promise<string> {
  const step = u32(Math.floor(o.now / qrStepMs))
  const payload = concat(u8(1), o.id, step, await tagOf(crypto, key, o.tenant, o.id, step))
  return `${o.issuer}/q/${encodeBase64url(payload)}`
}

/** The payload of a scanned text, 37 bytes, or `null` when it is no picture of this issuer. */
export function readQr(text: string, issuer: string): Uint8Array | null {
  const start = `${issuer}/q/`
  const payload = text.startsWith(start) && text.length < start.length + 64 ? decodeBase64url(text.slice(start.length)) : null
  return payload?.length === PAYLOAD_BYTES && payload[0] === 1 ? payload : null
}

/** The id inside a payload that this server made within the last two steps, or `null`. */
export async function openQr(
  crypto: CryptoPort,
  key: HmacKey,
  payload: Uint8Array,
  o: { readonly tenant: string; readonly now: number },
): Promise<Uint8Array | null> {
  if (payload.length !== PAYLOAD_BYTES || payload[0] !== 1) return null
  const [id, step, tag] = [payload.slice(1, 17), payload.slice(17, 21), payload.slice(21)]
  if (!equal(tag, await tagOf(crypto, key, o.tenant, id, step))) return null
  const age = Math.floor(o.now / qrStepMs) - toUnsigned(step)
  return age === 0 || age === 1 ? id : null
}

/** `HMAC-SHA-256(K_q, T("postern:txn/v1:qr", tenant, id, u32(step)))[0..16]`. */
async function tagOf(crypto: CryptoPort, key: HmacKey, tenant: string, id: Uint8Array, step: Uint8Array): Promise<Uint8Array> {
  const mac = await crypto.hmac(key, tuple('postern:txn/v1:qr', tenant, id, step))
  return mac.subarray(0, 16)
}
