/** The payload of a key document: strict JSON, unknown members refused. */
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { PosternError } from '@postern/core/errors'
import { integer, list, object, type Reader, text } from '@postern/core/fields'
import { type JsonObject, parseJson } from '@postern/core/json'
import type { KeyDocument, SessionOffer } from '../keys.js'
import { decodeKeyConfigs, encodeKeyConfigs } from './keyConfig.js'

const seconds = integer({ min: 0, max: 2 ** 40 })
const readSession: Reader<SessionOffer> = object({
  kems: list(integer({ min: 0, max: 65_535 }), { max: 16 }),
  aeads: list(integer({ min: 0, max: 65_535 }), { max: 16 }),
  chunk: integer({ min: 1, max: 2 ** 24 }),
})
const readMembers = object({
  v: integer({ min: 1, max: 1 }),
  origin: text({ min: 1, max: 512 }),
  gateway: text({ min: 1, max: 2048 }),
  seq: integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  iat: seconds,
  exp: seconds,
  keys: text({ max: 12_000 }),
  session: (value, path): SessionOffer | null => (value === null ? null : readSession(value, path)),
})

export function toPayload({ origin, gateway, seq, iat, exp, keys, session }: KeyDocument): JsonObject {
  const offer = session === null ? null : { kems: session.kems, aeads: session.aeads, chunk: session.chunk }
  return { v: 1, origin, gateway, seq, iat, exp, keys: encodeBase64url(encodeKeyConfigs(keys)), session: offer }
}

/** @throws PosternError `json.shape` | `payload.keys_untrusted` */
export function readPayload(payload: JsonObject): KeyDocument {
  const { origin, gateway, seq, iat, exp, keys, session } = readMembers(payload)
  const bytes = decodeBase64url(keys)
  if (bytes === null || !isGateway(gateway, origin)) throw new PosternError('payload.keys_untrusted', { reason: 'members' })
  return { origin, gateway, seq, iat, exp, keys: decodeKeyConfigs(bytes), session }
}

function isGateway(gateway: string, origin: string): boolean {
  if (!URL.canParse(gateway) || !URL.canParse(origin)) return false
  const url = new URL(gateway)
  return url.protocol === new URL(origin).protocol && url.hash === '' && url.username === '' && url.password === ''
}

/** The payload of a document of one's own, unverified: what the last signing said. */
export function peekPayload(text: string): KeyDocument {
  const bytes = decodeBase64url(text.split('.')[1] ?? '')
  return readPayload(parseJson(bytes ?? '') as JsonObject)
}
