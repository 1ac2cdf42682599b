/** The client data that an authenticator signed: read strictly and judged in the order of the specification. @see WebAuthn Level 3 §5.8.1, §7.1 steps 5 to 11, §7.2 steps 9 to 14 */
import { encodeBase64url } from '@postern/core/base64url'
import { type JsonObject, type JsonValue, parseJson } from '@postern/core/json'
import type { OriginRules } from '../webauthn/origins.js'
import { refuse } from './refusal.js'

/** Of both ceremonies. */
export interface ClientExpected extends OriginRules {
  readonly challenge: Uint8Array
}

/**
 * Judges the signed bytes alone; a challenge or an origin that stands elsewhere in an answer proves nothing. Members that are not known are
 * allowed here, as the specification demands.
 * @throws PosternError `webauthn.malformed` | `.type` | `.challenge` | `.origin` | `.cross_origin`
 * @throws RangeError for an expected challenge that is too short to be one
 */
export function checkClientData(bytes: Uint8Array, type: 'webauthn.create' | 'webauthn.get', expected: ClientExpected): void {
  // A session that lost its challenge must not be one whose challenge anybody can guess.
  if (expected.challenge.length < 16) throw new RangeError('a challenge has 16 bytes at least') // §13.4.3
  const challenge = encodeBase64url(expected.challenge)
  if (isPlain(bytes, type, challenge, expected.origins)) return
  const data = readClientData(bytes)
  const { origin, crossOrigin = false, topOrigin } = data
  if (data['type'] !== type) throw refuse('webauthn.type', 'type') //                                      §7.1 step 7
  if (data['challenge'] !== challenge) throw refuse('webauthn.challenge', 'challenge') //                  8
  if (typeof origin !== 'string' || !expected.origins.includes(origin)) throw refuse('webauthn.origin', 'origin') // 9
  if (typeof crossOrigin !== 'boolean') throw refuse('webauthn.malformed', 'crossOrigin')
  if (topOrigin === undefined) {
    if (crossOrigin && expected.crossOrigin !== true) throw refuse('webauthn.cross_origin', 'crossOrigin') // 10
    return
  }
  // A top origin where nothing is framed contradicts itself.
  if (typeof topOrigin !== 'string' || !crossOrigin || !(expected.topOrigins ?? []).includes(topOrigin))
    // 11
    throw refuse('webauthn.cross_origin', 'topOrigin')
}

/**
 * Whether the bytes are exactly what a browser writes when nothing is out of the ordinary (§5.8.1.1): then every step is passed at once. Nearly
 * every assertion ends here; reading JSON costs as much as both hashes.
 */
function isPlain(bytes: Uint8Array, type: string, challenge: string, origins: readonly string[]): boolean {
  for (const origin of origins) {
    const head = `{"type":"${type}","challenge":"${challenge}","origin":"${origin}"`
    for (const tail of PLAIN_TAILS)
      if (bytes.length === head.length + tail.length && spells(bytes, head + tail)) return PLAIN_ORIGIN.test(origin)
  }
  return false
}

/** The rest of an answer that no frame gave; not every browser says so. */
const PLAIN_TAILS: readonly string[] = [',"crossOrigin":false}', '}']
/** Written as it is in JSON. */
const PLAIN_ORIGIN = /^[a-zA-Z0-9:/._-]+$/

function spells(bytes: Uint8Array, text: string): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== text.charCodeAt(i)) return false
  return true
}

function readClientData(bytes: Uint8Array): JsonObject {
  // UTF-8 decode of the Encoding Standard strips a byte order mark.
  const marked = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
  let value: JsonValue
  try {
    value = parseJson(marked ? bytes.subarray(3) : bytes)
  } catch {
    throw refuse('webauthn.malformed', 'client data')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refuse('webauthn.malformed', 'client data')
  return value as JsonObject
}
