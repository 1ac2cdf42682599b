/**
 * Push as the suite sees it: a way to wake the app with an opaque id, and with nothing else. What is asked, of whom and by whom, the app
 * fetches over its own channel, so that no push service and no lock screen learns it.
 */
import { decodeBase64url } from '@postern/core/base64url'
import type { Now } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'

/** Where an app is reached; plain JSON, as the app sends it and the host keeps it. */
export type PushEndpoint =
  /** A subscription of the Push API: `p256dh` 65 bytes, `auth` 16, both base64url (RFC 8291 §2). */
  | { readonly kind: 'web-push'; readonly url: string; readonly p256dh: string; readonly auth: string }
  /** An FCM registration token. */
  | { readonly kind: 'fcm'; readonly token: string }
  /** An APNs device token, hexadecimal. */
  | { readonly kind: 'apns'; readonly token: string }

/** How a message is to be treated on its way. */
export interface PushOptions {
  /** How long the service keeps trying, seconds; 0–2,419,200. */
  readonly ttlSec: number
  /** `high` wakes a sleeping device. */
  readonly urgency: 'high' | 'normal'
}

/** `gone`: the endpoint is dead and must be forgotten. `retry`: later, the same. */
export type PushOutcome = 'sent' | 'gone' | 'retry'

/** One push service. */
export interface PushPort {
  readonly kind: PushEndpoint['kind']
  /** Whether an endpoint is of this service and of a host that is allowed here. */
  serves(endpoint: PushEndpoint): boolean
  /**
   * @param id - opaque, `[A-Za-z0-9_-]{1,64}`
   * @throws PosternError `push.endpoint` for an endpoint that is not served | `push.refused` when the service refuses for good
   * @throws RangeError for an id or a TTL out of range
   */
  send(endpoint: PushEndpoint, id: string, o: PushOptions): Promise<PushOutcome>
}

/** A token that a service wants used again for a while. */
export interface CachedToken {
  readonly token: string
  /** ms */
  readonly expiresAt: number
}

/** Where such a token is kept: in this process, or shared by all. */
export interface TokenCache {
  read(): Now<CachedToken | null>
  write(token: CachedToken | null): Now<void>
}

const MAX_TTL_SEC = 2_419_200
const ID = /^[A-Za-z0-9_-]{1,64}$/
const FCM_TOKEN = /^[A-Za-z0-9_:-]{16,4096}$/
const APNS_TOKEN = /^(?:[0-9a-f]{2}){32,100}$/

/** Reads what an app sent as its endpoint, strictly. @throws PosternError `push.endpoint` */
export function readEndpoint(value: unknown): PushEndpoint {
  if (typeof value !== 'object' || value === null) throw endpointError('no object')
  const { kind, ...members } = value as Readonly<Record<string, unknown>>
  const text = (name: string): string => {
    const found = members[name]
    if (typeof found !== 'string') throw endpointError(name)
    return found
  }
  const names = Object.keys(members).sort().join()
  if (kind === 'web-push' && names === 'auth,p256dh,url') {
    const endpoint = { kind, url: text('url'), p256dh: text('p256dh'), auth: text('auth') } as const
    checkUrl(endpoint.url)
    subscriberKeys(endpoint)
    return endpoint
  }
  const token = names === 'token' ? text('token') : ''
  if (kind === 'fcm' && FCM_TOKEN.test(token)) return { kind, token }
  if (kind === 'apns' && APNS_TOKEN.test(token.toLowerCase())) return { kind, token: token.toLowerCase() }
  throw endpointError('kind or members')
}

/** The subscriber's keys as bytes. @throws PosternError `push.endpoint` */
export function subscriberKeys(e: PushEndpoint & { readonly kind: 'web-push' }): {
  readonly p256dh: Uint8Array
  readonly auth: Uint8Array
} {
  const [p256dh, auth] = [decodeBase64url(e.p256dh), decodeBase64url(e.auth)]
  if (p256dh?.length !== 65 || p256dh[0] !== 4 || auth?.length !== 16) throw endpointError('keys')
  return { p256dh, auth }
}

/** An https URL without credentials or fragment. @throws PosternError `push.endpoint` */
export function checkUrl(text: string): URL {
  const url = text.length <= 2048 && URL.canParse(text) ? new URL(text) : null
  if (url?.protocol !== 'https:' || url.username !== '' || url.password !== '' || url.hash !== '') throw endpointError('url')
  return url
}

/** The whole of what a message says. @throws RangeError */
export function messageOf(id: string, { ttlSec }: PushOptions): { readonly postern: string } {
  if (!ID.test(id)) throw new RangeError('a push id is 1 to 64 letters, digits, - or _')
  if (!Number.isInteger(ttlSec) || ttlSec < 0 || ttlSec > MAX_TTL_SEC)
    throw new RangeError(`ttlSec is a whole number from 0 to ${MAX_TTL_SEC}`)
  return { postern: id }
}

export function endpointError(reason: string): PosternError<'push.endpoint'> {
  return new PosternError('push.endpoint', { reason })
}
