/**
 * Apple Push Notification service, with provider tokens. It speaks HTTP/2 alone, and so must the `fetch` it is given.
 * @see https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns
 */
import type { Signer } from '@postern/core/cryptoPort'
import { signJws } from '@postern/core/jws'
import type { Ports } from '@postern/core/runtime'
import type { Timer } from '../internal/deadline.js'
import { within } from '../internal/limits.js'
import { mayPass, type PushPorts, post, refused } from '../internal/pushCall.js'
import {
  endpointError,
  messageOf,
  type PushEndpoint,
  type PushOptions,
  type PushOutcome,
  type PushPort,
  type TokenCache,
} from './port.js'

export interface ApnsOptions {
  readonly teamId: string
  readonly keyId: string
  /** ES256; the key of the team. */
  readonly signer: Signer
  /** The app's bundle id. */
  readonly topic: string
  /**
   * Key of a text in the app's own `Localizable.strings`, shown until the app has fetched what is asked: urgent messages must show something,
   * and this says nothing that Apple or a lock screen should not know.
   */
  readonly alertKey: string
  /** Keeps the provider token: Apple refuses a new one more often than every 20 minutes. */
  readonly tokens: TokenCache
  /** @defaultValue 'https://api.push.apple.com'; for development builds 'https://api.sandbox.push.apple.com' */
  readonly origin?: string
  /** 100–60,000 ms. @defaultValue 10,000 */
  readonly timeoutMs?: number
  readonly timer: Timer
  readonly runtime: Pick<Ports, 'clock' | 'random' | 'crypto' | 'fetch'>
}

/** A provider token is good for an hour and may be renewed after 20 minutes. */
const TOKEN_MS = 3_000_000
const GONE: ReadonlySet<string> = /* @__PURE__ */ new Set([
  'BadDeviceToken',
  'DeviceTokenNotForTopic',
  'Unregistered',
  'ExpiredToken',
])

/**
 * A push port for iOS. `high` is an alert that the app's notification extension replaces, `normal` wakes the app in the background, when the
 * system sees fit.
 * @throws RangeError for ids or a key that cannot be, or a time-out out of range
 */
export function apns(o: ApnsOptions): PushPort {
  const { teamId, keyId, signer, topic, alertKey, tokens, runtime, timer } = o
  const { timeoutMs = 10_000, origin = 'https://api.push.apple.com' } = o
  within('timeoutMs', timeoutMs, 100, 60_000)
  if (!/^[A-Z0-9]{10}$/.test(teamId) || !/^[A-Z0-9]{10}$/.test(keyId))
    throw new RangeError('teamId and keyId have ten capitals or digits')
  if (signer.alg !== 'ES256') throw new RangeError('signer is an ES256 key')
  const ports: PushPorts = { runtime, timer, timeoutMs }

  async function providerToken(): Promise<string> {
    const now = runtime.clock()
    const known = await tokens.read()
    if (known !== null && known.expiresAt > now) return known.token
    const token = await signJws(signer, { typ: 'JWT', kid: keyId }, { iss: teamId, iat: Math.floor(now / 1000) })
    await tokens.write({ token, expiresAt: now + TOKEN_MS })
    return token
  }

  return {
    kind: 'apns',
    serves: (endpoint) => endpoint.kind === 'apns',
    async send(endpoint: PushEndpoint, id: string, options: PushOptions): Promise<PushOutcome> {
      const message = messageOf(id, options)
      if (endpoint.kind !== 'apns' || !/^[0-9a-f]+$/.test(endpoint.token)) throw endpointError('kind')
      const high = options.urgency === 'high'
      const aps = high ? { alert: { 'loc-key': alertKey }, 'mutable-content': 1 } : { 'content-available': 1 }
      const headers = {
        authorization: `bearer ${await providerToken()}`,
        'content-type': 'application/json',
        'apns-topic': topic,
        'apns-push-type': high ? 'alert' : 'background',
        'apns-priority': high ? '10' : '5',
        'apns-expiration': String(options.ttlSec === 0 ? 0 : Math.floor(runtime.clock() / 1000) + options.ttlSec),
      }
      const answer = await post(ports, `${origin}/3/device/${endpoint.token}`, headers, JSON.stringify({ aps, ...message }))
      if (answer === null || mayPass(answer.status)) return 'retry'
      if (answer.status === 200) return 'sent'
      const reason = String(answer.body?.['reason'] ?? '')
      if (answer.status === 410 || GONE.has(reason)) return 'gone'
      if (reason === 'ExpiredProviderToken') {
        await tokens.write(null)
        return 'retry'
      }
      throw refused('apns', answer)
    },
  }
}
