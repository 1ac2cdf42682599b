/**
 * Firebase Cloud Messaging, HTTP v1: a data message, which the app and no other shows.
 * @see https://firebase.google.com/docs/cloud-messaging/send/v1-api
 */
import type { Signer } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'
import type { JsonObject, JsonValue } from '@postern/core/json'
import { signJws } from '@postern/core/jws'
import type { Ports } from '@postern/core/runtime'
import type { Timer } from '../internal/deadline.js'
import { within } from '../internal/limits.js'
import { type Answer, mayPass, type PushPorts, post, refused } from '../internal/pushCall.js'
import {
  endpointError,
  messageOf,
  type PushEndpoint,
  type PushOptions,
  type PushOutcome,
  type PushPort,
  type TokenCache,
} from './port.js'

/** A service account of the Firebase project. */
export interface ServiceAccount {
  /** `client_email` */
  readonly email: string
  /** `private_key_id` */
  readonly keyId?: string
  /** RS256 */
  readonly signer: Signer
}

export interface FcmOptions {
  readonly projectId: string
  readonly account: ServiceAccount
  /** Keeps the access token, which lives an hour. */
  readonly tokens: TokenCache
  /** @defaultValue 'https://fcm.googleapis.com' */
  readonly origin?: string
  /** @defaultValue 'https://oauth2.googleapis.com/token' */
  readonly tokenUrl?: string
  /** Of each call, 100–60,000 ms. @defaultValue 10,000 */
  readonly timeoutMs?: number
  readonly timer: Timer
  readonly runtime: Pick<Ports, 'clock' | 'random' | 'crypto' | 'fetch'>
}

const SCOPE = 'https://www.googleapis.com/auth/firebase.messaging'
const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const HOUR_SEC = 3600
/** A token is not used up to its last moment. */
const SPARE_MS = 60_000

/**
 * A push port for Android and other FCM clients, over the `fetch` it is given.
 * @throws RangeError for a project id or key that cannot be, or a time-out out of range
 */
export function fcm(o: FcmOptions): PushPort {
  const { projectId, tokens, runtime, timer, timeoutMs = 10_000, origin = 'https://fcm.googleapis.com' } = o
  within('timeoutMs', timeoutMs, 100, 60_000)
  if (!/^[a-z0-9-]{4,64}$/.test(projectId)) throw new RangeError('projectId is 4 to 64 lower-case letters, digits or hyphens')
  if (o.account.signer.alg !== 'RS256') throw new RangeError('account.signer is an RS256 key')
  const ports: PushPorts = { runtime, timer, timeoutMs }
  const url = `${origin}/v1/projects/${projectId}/messages:send`

  async function accessToken(): Promise<string | null> {
    const known = await tokens.read()
    if (known !== null && known.expiresAt > runtime.clock()) return known.token
    const fresh = await exchange(ports, o)
    if (fresh !== null) await tokens.write(fresh)
    return fresh?.token ?? null
  }

  return {
    kind: 'fcm',
    serves: (endpoint) => endpoint.kind === 'fcm',
    async send(endpoint: PushEndpoint, id: string, options: PushOptions): Promise<PushOutcome> {
      const data = messageOf(id, options)
      if (endpoint.kind !== 'fcm') throw endpointError('kind')
      const token = await accessToken()
      if (token === null) return 'retry'
      const { ttlSec, urgency } = options
      const android = { priority: urgency === 'high' ? 'HIGH' : 'NORMAL', ttl: `${ttlSec}s` }
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      const answer = await post(ports, url, headers, JSON.stringify({ message: { token: endpoint.token, data, android } }))
      if (answer === null || mayPass(answer.status)) return 'retry'
      if (answer.status === 200) return 'sent'
      if (answer.status === 401) {
        await tokens.write(null)
        return 'retry'
      }
      if (isGone(answer)) return 'gone'
      throw refused('fcm', answer)
    },
  }
}

/** A signed statement for an access token (RFC 7523 §2.1); `null` when the service cannot be reached. */
async function exchange(ports: PushPorts, o: FcmOptions): Promise<{ readonly token: string; readonly expiresAt: number } | null> {
  const { account, tokenUrl = 'https://oauth2.googleapis.com/token' } = o
  const { email, keyId, signer } = account
  const now = ports.runtime.clock()
  const iat = Math.floor(now / 1000)
  const header = keyId === undefined ? { typ: 'JWT' } : { typ: 'JWT', kid: keyId }
  const assertion = await signJws(signer, header, { iss: email, scope: SCOPE, aud: tokenUrl, iat, exp: iat + HOUR_SEC })
  const body = new URLSearchParams({ grant_type: GRANT, assertion }).toString()
  const answer = await post(ports, tokenUrl, { 'content-type': 'application/x-www-form-urlencoded' }, body)
  if (answer === null || mayPass(answer.status)) return null
  const { access_token: token, expires_in: sec } = answer.body ?? {}
  if (answer.status !== 200 || typeof token !== 'string' || typeof sec !== 'number')
    throw new PosternError('push.refused', { reason: `fcm: no access token, status ${answer.status}` })
  return { token, expiresAt: now + sec * 1000 - SPARE_MS }
}

/** Unregistered, of another sender, or no token at all. */
function isGone({ body }: Answer): boolean {
  const error = body?.['error'] as JsonObject | undefined
  const details: readonly JsonValue[] = Array.isArray(error?.['details']) ? error['details'] : []
  return details.some((detail) => {
    const { errorCode, fieldViolations } = (typeof detail === 'object' && detail !== null ? detail : {}) as JsonObject
    if (errorCode === 'UNREGISTERED' || errorCode === 'SENDER_ID_MISMATCH') return true
    return Array.isArray(fieldViolations) && fieldViolations.some((one) => (one as JsonObject)?.['field'] === 'message.token')
  })
}
