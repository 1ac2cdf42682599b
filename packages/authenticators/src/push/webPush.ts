/** Web Push: browsers and their push services. @see RFC 8030, RFC 8291, RFC 8292 */
import { decodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import type { Signer } from '@postern/core/cryptoPort'
import type { Ports } from '@postern/core/runtime'
import { sealForSubscriber } from '../internal/aes128gcm.js'
import type { Timer } from '../internal/deadline.js'
import { within } from '../internal/limits.js'
import { mayPass, type PushPorts, post, refused } from '../internal/pushCall.js'
import { vapidHeader } from '../internal/vapid.js'
import {
  checkUrl,
  endpointError,
  messageOf,
  type PushEndpoint,
  type PushOptions,
  type PushOutcome,
  type PushPort,
  subscriberKeys,
} from './port.js'

export type { Timer } from '../internal/deadline.js'

/** The push services of the browsers, for {@link WebPushOptions.hosts}. */
export const browserServices: readonly string[] = [
  'fcm.googleapis.com',
  'updates.push.services.mozilla.com',
  '*.push.apple.com',
  '*.notify.windows.com',
]

export interface WebPushOptions {
  /** The operator's ES256 key, whose public half the app subscribed with (`applicationServerKey`). */
  readonly signer: Signer
  /** Whom a push service may write to: `mailto:` or `https:`. */
  readonly subject: string
  /** Hosts that endpoints may be of: `host`, `host:port`, or `*.domain` for every name below it. An app names the endpoint; this list decides. */
  readonly hosts: readonly string[]
  /** 100–60,000 ms. @defaultValue 10,000 */
  readonly timeoutMs?: number
  readonly timer: Timer
  readonly runtime: Pick<Ports, 'clock' | 'random' | 'crypto' | 'fetch'>
}

/**
 * A push port over the `fetch` it is given. Each message has a key pair of its own.
 * @throws RangeError for a key that is not ES256, a subject that is none, no hosts, a time-out out of range
 */
export function webPush(o: WebPushOptions): PushPort {
  const { signer, subject, runtime, timer, timeoutMs = 10_000 } = o
  const hosts = o.hosts.map((host) => host.toLowerCase())
  within('timeoutMs', timeoutMs, 100, 60_000)
  if (signer.alg !== 'ES256') throw new RangeError('signer is an ES256 key')
  if (!/^(mailto:|https:\/\/)./.test(subject)) throw new RangeError('subject is a mailto: or https: URI')
  if (hosts.length === 0) throw new RangeError('hosts names at least one')
  const ports: PushPorts = { runtime, timer, timeoutMs }
  const allowed = ({ host, hostname }: URL): boolean =>
    hosts.some((name) => (name.startsWith('*.') ? hostname.endsWith(name.slice(1)) && host === hostname : host === name))

  return {
    kind: 'web-push',
    serves: (endpoint) => endpoint.kind === 'web-push' && URL.canParse(endpoint.url) && allowed(new URL(endpoint.url)),
    async send(endpoint: PushEndpoint, id: string, options: PushOptions): Promise<PushOutcome> {
      const message = messageOf(id, options)
      if (endpoint.kind !== 'web-push') throw endpointError('kind')
      const url = checkUrl(endpoint.url)
      if (!allowed(url)) throw endpointError('host')
      const body = await sealed(ports, endpoint, message)
      const headers = {
        authorization: await vapidHeader(signer, { audience: url.origin, subject, now: runtime.clock() }),
        'content-type': 'application/octet-stream',
        'content-encoding': 'aes128gcm',
        ttl: String(options.ttlSec),
        urgency: options.urgency,
      }
      const answer = await post(ports, url.href, headers, body)
      if (answer === null || mayPass(answer.status)) return 'retry'
      if (answer.status === 404 || answer.status === 410) return 'gone' // RFC 8030 §7.3
      if (answer.status >= 200 && answer.status < 300) return 'sent' // RFC 8030 §5
      throw refused('web push', answer)
    },
  }
}

async function sealed(
  { runtime }: PushPorts,
  endpoint: PushEndpoint & { readonly kind: 'web-push' },
  message: object,
): Promise<Uint8Array> {
  const { crypto, random } = runtime
  const { d } = await crypto.generateKey('ES256', random)
  const sender = await crypto.dhKeyPair('P-256', decodeBase64url(d!)!)
  const plaintext = utf8(JSON.stringify(message))
  const body = await sealForSubscriber(crypto, { ...subscriberKeys(endpoint), sender, salt: random(16), plaintext })
  if (body === null) throw endpointError('p256dh is no point of the curve')
  return body
}
