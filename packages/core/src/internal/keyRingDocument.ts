/** The key-ring document as strict JSON. */
import { decodeBase64url } from '../base64url.js'
import { PosternError } from '../errors.js'
import { integer, list, object, oneOf, optional, type Reader, text } from '../fields.js'
import type { JsonValue } from '../json.js'
import type { KeyRingDocument } from '../keyRing.js'
import { isSound } from './schedule.js'

/** Keys that one ring may hold. */
export const MAX_KEYS = 64

const time = integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
const schedule = { publishAt: time, activateAt: time, retireAt: time, dropAt: time }
const base64url = text({ min: 1, max: 1024, pattern: /^[A-Za-z0-9_-]+$/ })
const secret: Reader<string> = (value, path) => {
  const encoded = base64url(value, path)
  if (decodeBase64url(encoded)?.length !== 32) throw new PosternError('json.shape', { reason: `${path ?? ''} is not 32 bytes` })
  return encoded
}
const jwk = object({
  kty: oneOf('EC', 'OKP', 'RSA'),
  crv: optional(text({ max: 16 })),
  x: optional(base64url),
  y: optional(base64url),
  n: optional(base64url),
  e: optional(base64url),
  d: optional(base64url),
})
const signingKey = object({
  ...schedule,
  kid: text({ min: 43, max: 43 }),
  alg: oneOf('ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519', 'RS256', 'PS256'),
  jwk,
})
const sealKey = object({ ...schedule, kid: text({ max: 8, pattern: /^[0-9a-f]{8}$/ }), secret })
const document = object({
  v: integer({ min: 1, max: 1 }),
  root: secret,
  signing: list(signingKey, { max: MAX_KEYS }),
  long: list(sealKey, { max: MAX_KEYS }),
  short: list(sealKey, { max: MAX_KEYS }),
})

/** The document that a JSON value is. @throws PosternError `keys.invalid` */
export function readKeyRingDocument(value: JsonValue): KeyRingDocument {
  try {
    const read = document(value)
    for (const keys of [read.signing, read.long, read.short]) {
      if (keys.length === 0 || !isSound(keys)) throw new PosternError('json.shape', { reason: 'keys do not follow one another' })
      if (new Set(keys.map(({ kid }) => kid)).size !== keys.length)
        throw new PosternError('json.shape', { reason: 'two keys have one kid' })
    }
    return read as KeyRingDocument
  } catch (cause) {
    throw new PosternError('keys.invalid', {
      reason: cause instanceof PosternError ? (cause.reason ?? cause.code) : 'unreadable',
      cause,
    })
  }
}
