/**
 * Where an answer may come from: web origins, Android apps by their signing certificate, iOS apps by their bundle, and the pages that may frame
 * them; and the document by which a relying party names the other sites that may use its passkeys.
 * @see WebAuthn Level 3 §5.8.1, §5.11, §13.4.9
 */
import { encodeBase64url } from '@postern/core/base64url'

/** Exact texts; nothing is derived from the RP id, for a subdomain may belong to somebody else. */
export interface OriginRules {
  readonly origins: readonly string[]
  /** Take an answer from a frame that does not say in whose page it is. @defaultValue false */
  readonly crossOrigin?: boolean
  /** The pages whose frames may answer. @defaultValue none */
  readonly topOrigins?: readonly string[]
}

const ANDROID = /^android:apk-key-hash:[A-Za-z0-9_-]{43}$/
/** A name that stands for several is no origin, though URLs take it. */
const WEB = /^https?:\/\/[^*]+$/
const IOS = /^ios:bundle-id:[A-Za-z0-9.-]{1,155}$/

/** The origin of an Android app: SHA-256 of its signing certificate, 32 bytes. @throws RangeError for another length */
export function androidOrigin(certificateSha256: Uint8Array): string {
  if (certificateSha256.length !== 32) throw new RangeError('the SHA-256 of a signing certificate has 32 bytes')
  return `android:apk-key-hash:${encodeBase64url(certificateSha256)}`
}

/** The origin that an iOS app without associated domains writes; with them it writes the web origin. */
export function iosOrigin(bundleId: string): string {
  const origin = `ios:bundle-id:${bundleId}`
  if (!IOS.test(origin)) throw new RangeError('a bundle id has letters, digits, dots and hyphens')
  return origin
}

/** Whether a text is an origin as clients write them: `https://host[:port]` (`http://localhost[:port]` for development), or an app's. */
export function isOrigin(text: string): boolean {
  if (ANDROID.test(text) || IOS.test(text)) return true
  if (!WEB.test(text) || !URL.canParse(text)) return false
  const { origin, protocol, hostname } = new URL(text)
  return origin === text && (protocol === 'https:' || (protocol === 'http:' && hostname === 'localhost'))
}

/**
 * The body of `https://<rpId>/.well-known/webauthn`, to be sent as `application/json`. Browsers count the names before the public suffix
 * (`bank` of `bank.com`, `bank.no`) and stop after five.
 * @throws RangeError for what is no https origin
 * @see WebAuthn Level 3 §5.11
 */
export function relatedOrigins(origins: readonly string[]): { readonly origins: readonly string[] } {
  const list = [...new Set(origins)]
  for (const origin of list)
    if (!isOrigin(origin) || !origin.startsWith('https://')) throw new RangeError(`${origin} is not an https origin`)
  return { origins: list }
}
