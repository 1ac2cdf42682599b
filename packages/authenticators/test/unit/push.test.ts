/// <reference types="node" />
import { createECDH, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { apns } from '@postern/authenticators/push/apns'
import { fcm } from '@postern/authenticators/push/fcm'
import {
  type CachedToken,
  type PushEndpoint,
  type PushPort,
  readEndpoint,
  type TokenCache,
} from '@postern/authenticators/push/port'
import { browserServices, webPush } from '@postern/authenticators/push/webPush'
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import type { Fetch } from '@postern/core/runtime'
import { decodeProtectedHeader, importSPKI, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { timer } from '../answers.js'
import { noOpenssl, type Peer, pushPeer, type Said } from '../pushPeer.js'
import { crypto } from '../world.js'

/** RFC 8188 and 8291 by the decoder of npm's web-push. */
const ece = createRequire(createRequire(import.meta.url).resolve('web-push'))('http_ece') as {
  decrypt(body: Buffer, o: { version: 'aes128gcm'; privateKey: object; authSecret: string }): Buffer
}
const now = Date.now()
const random = (n: number): Uint8Array => new Uint8Array(randomBytes(n))
const options = { ttlSec: 60, urgency: 'high' } as const
const runtimeOf = (fetch: Fetch) => ({ clock: () => now, random, crypto, fetch })
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'ok',
    (error: { code?: string; name: string }) => error.code ?? error.name,
  )

function cacheOf(): TokenCache & { kept: CachedToken | null; writes: number } {
  return {
    kept: null,
    writes: 0,
    read() {
      return this.kept
    },
    write(token) {
      this.kept = token
      this.writes++
    },
  }
}

/** A browser: its keys and where it is reached. */
function browser(host = 'updates.push.services.mozilla.com') {
  const ecdh = createECDH('prime256v1')
  ecdh.generateKeys()
  const auth = randomBytes(16)
  const endpoint = {
    kind: 'web-push',
    url: `https://${host}/wpush/v2/abc`,
    p256dh: encodeBase64url(ecdh.getPublicKey()),
    auth: encodeBase64url(auth),
  } as const
  const read = (body: Buffer) =>
    JSON.parse(ece.decrypt(body, { version: 'aes128gcm', privateKey: ecdh, authSecret: endpoint.auth }).toString())
  return { endpoint, read }
}

describe.skipIf(noOpenssl)('Web Push', () => {
  let peer: Peer
  let port: PushPort
  let key: string
  beforeAll(async () => {
    peer = await pushPeer(['updates.push.services.mozilla.com', 'web.push.apple.com', 'evil.example'])
    const signer = await crypto.signer('ES256', await crypto.generateKey('ES256', random))
    key = createPublicKey({ key: signer.publicJwk as object, format: 'jwk' } as never).export({
      type: 'spki',
      format: 'pem',
    }) as string
    const o = { signer, subject: 'mailto:push@bank.example', hosts: browserServices, timer, timeoutMs: 300 }
    port = webPush({ ...o, runtime: runtimeOf(peer.fetch) })
  })
  afterAll(() => peer.close())

  it('carries an opaque id and nothing else, which the browser alone can read', async () => {
    const { endpoint, read } = browser()
    expect(await port.send(endpoint, 'opaque-id_1', options)).toBe('sent')
    const { method, host, path, headers, body } = peer.received.at(-1)!
    expect([method, host, path]).toEqual(['POST', 'updates.push.services.mozilla.com', '/wpush/v2/abc'])
    expect(headers).toMatchObject({ ttl: '60', urgency: 'high', 'content-encoding': 'aes128gcm' })
    expect(read(body)).toEqual({ postern: 'opaque-id_1' })
    expect(body.toString('latin1')).not.toContain('opaque')
    const other = browser()
    expect(() => other.read(body)).toThrow()
  })

  it('every message has a key pair and a salt of its own', async () => {
    const { endpoint, read } = browser()
    for (let i = 0; i < 2; i++) await port.send(endpoint, 'same', options)
    const [one, two] = peer.received.slice(-2).map((r) => r.body)
    expect(one!.subarray(0, 86).equals(two!.subarray(0, 86))).toBe(false)
    expect([read(one!), read(two!)]).toEqual([{ postern: 'same' }, { postern: 'same' }])
  })

  it('RFC 8292: says who sends, to this service and for half a day', async () => {
    await port.send(browser('web.push.apple.com').endpoint, 'x', options)
    const [, token, k] = /^vapid t=([^,]+), k=(\S+)$/.exec(peer.received.at(-1)!.headers['authorization']!)!
    const { payload, protectedHeader } = await jwtVerify(token!, await importSPKI(key, 'ES256'), {
      audience: 'https://web.push.apple.com',
    })
    expect(protectedHeader).toEqual({ typ: 'JWT', alg: 'ES256' })
    expect(payload).toMatchObject({ sub: 'mailto:push@bank.example', exp: Math.floor(now / 1000) + 43_200 })
    const raw = decodeBase64url(k!)!
    expect([raw.length, raw[0]]).toEqual([65, 4])
    expect(createPublicKey(key).export({ format: 'jwk' })).toMatchObject({
      x: encodeBase64url(raw.subarray(1, 33)),
      y: encodeBase64url(raw.subarray(33)),
    })
  })

  it.each<readonly [Said, string]>([
    [{ status: 201 }, 'sent'],
    [{ status: 202 }, 'sent'],
    [{ status: 200, body: 'x'.repeat(100_000) }, 'sent'],
    [{ status: 404 }, 'gone'],
    [{ status: 410, body: '{"errno":106}' }, 'gone'],
    [{ status: 429, headers: { 'retry-after': '1' } }, 'retry'],
    [{ status: 500 }, 'retry'],
    [{ status: 503, body: 'not JSON' }, 'retry'],
    ['hang', 'retry'],
    ['cut', 'retry'],
    [{ status: 400 }, 'push.refused'],
    [{ status: 401 }, 'push.refused'],
    [{ status: 403, body: '{"reason":"bad key"}' }, 'push.refused'],
    [{ status: 413 }, 'push.refused'],
    [{ status: 301, headers: { location: 'https://evil.example/' } }, 'push.refused'],
    [{ status: 307, headers: { location: 'https://evil.example/' } }, 'push.refused'],
  ])('an answer %o is %s', async (said, outcome) => {
    peer.answer = () => said
    const before = peer.received.length
    const done = port.send(browser().endpoint, 'x', options)
    expect(await done.catch((error: { code: string }) => error.code)).toBe(outcome)
    // Once: no redirect is followed and nothing is sent twice.
    expect(peer.received.length).toBe(before + 1)
    peer.answer = () => ({ status: 201 })
  })

  it('goes to no host that is not allowed, whatever the app names', async () => {
    const before = peer.received.length
    for (const url of [
      'https://evil.example/x',
      'https://push.apple.com/x',
      'https://web.push.apple.com.evil.example/x',
      'https://evilpush.apple.com/x',
      'https://web.push.apple.com:8443/x',
      'https://updates.push.services.mozilla.com:444/x',
      'https://user:pw@updates.push.services.mozilla.com/x',
      'http://updates.push.services.mozilla.com/x',
      'https://127.0.0.1/x',
      'https://[::1]/x',
      'file:///etc/passwd',
      'x',
    ]) {
      const endpoint = { ...browser().endpoint, url }
      expect(await codeOf(port.send(endpoint, 'x', options)), url).toBe('push.endpoint')
      if (!url.includes('@') && !url.startsWith('http:')) expect(port.serves(endpoint), url).toBe(false)
    }
    expect(peer.received.length).toBe(before)
    expect(port.serves(browser('a.b.push.apple.com').endpoint)).toBe(true)
    expect(port.serves({ kind: 'fcm', token: 'x' })).toBe(false)
    expect(await codeOf(port.send({ kind: 'fcm', token: 'x' }, 'x', options))).toBe('push.endpoint')
  })

  it('keys off the curve or of another size, ids and TTLs out of range are refused before anything is sent', async () => {
    const before = peer.received.length
    const { endpoint } = browser()
    const off = decodeBase64url(endpoint.p256dh)!
    off[64]! ^= 1
    for (const bad of [{ p256dh: encodeBase64url(off) }, { p256dh: 'AAAA' }, { auth: 'AAAA' }, { p256dh: `${endpoint.p256dh}=` }])
      expect(await codeOf(port.send({ ...endpoint, ...bad }, 'x', options))).toBe('push.endpoint')
    for (const id of ['', 'a b', 'x'.repeat(65), 'ä', '{"a":1}'])
      expect(await codeOf(port.send(endpoint, id, options))).toBe('RangeError')
    for (const ttlSec of [-1, 0.5, 2_419_201])
      expect(await codeOf(port.send(endpoint, 'x', { ...options, ttlSec }))).toBe('RangeError')
    expect(peer.received.length).toBe(before)
  })

  it('an answer without end is not read to its end', async () => {
    let read = 0
    const endless: Fetch = async () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            read++
            controller.enqueue(new Uint8Array(4096))
          },
        }),
        { status: 201 },
      )
    const signer = await crypto.signer('ES256', await crypto.generateKey('ES256', random))
    const o = { signer, subject: 'mailto:a@b.example', hosts: browserServices, timer, runtime: runtimeOf(endless) }
    expect(await webPush(o).send(browser().endpoint, 'x', options)).toBe('sent')
    expect(read).toBeLessThan(10)
  })

  it('options that cannot be are refused at once', async () => {
    const signer = await crypto.signer('ES256', await crypto.generateKey('ES256', random))
    const good = { signer, subject: 'mailto:a@b.example', hosts: ['a.example'], timer, runtime: runtimeOf(peer.fetch) }
    expect(webPush(good).kind).toBe('web-push')
    const other = await crypto.signer('ES384', await crypto.generateKey('ES384', random))
    for (const bad of [{ subject: 'a@b.example' }, { hosts: [] }, { timeoutMs: 1 }, { signer: other }])
      expect(() => webPush({ ...good, ...bad })).toThrow(RangeError)
  })
})

describe.skipIf(noOpenssl)('FCM', () => {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const endpoint = { kind: 'fcm', token: 'f'.repeat(140) } as const
  let peer: Peer
  let cache: ReturnType<typeof cacheOf>
  const made = async (o: object = {}) => {
    cache = cacheOf()
    const signer = await crypto.signer('RS256', pair.privateKey.export({ format: 'jwk' }) as JsonWebKey)
    const account = { email: 'push@bank.iam.example', keyId: 'k1', signer }
    return fcm({ projectId: 'bank-app', account, tokens: cache, timer, timeoutMs: 300, runtime: runtimeOf(peer.fetch), ...o })
  }
  /** Google: gives out tokens and takes messages that carry one. */
  const google =
    (message: Said = { status: 200, body: '{"name":"projects/x/messages/1"}' }): Peer['answer'] =>
    (r) =>
      r.host === 'oauth2.googleapis.com'
        ? { status: 200, body: JSON.stringify({ access_token: 'at-1', expires_in: 3599, token_type: 'Bearer' }) }
        : message
  beforeAll(async () => {
    peer = await pushPeer(['fcm.googleapis.com', 'oauth2.googleapis.com'])
  })
  afterAll(() => peer.close())

  it('sends a data message of an opaque id and nothing else', async () => {
    peer.answer = google()
    const port = await made()
    expect(await port.send(endpoint, 'opaque', options)).toBe('sent')
    const { method, host, path, headers, body } = peer.received.at(-1)!
    expect([method, host, path, headers['authorization']]).toEqual([
      'POST',
      'fcm.googleapis.com',
      '/v1/projects/bank-app/messages:send',
      'Bearer at-1',
    ])
    expect(JSON.parse(body.toString())).toEqual({
      message: { token: endpoint.token, data: { postern: 'opaque' }, android: { priority: 'HIGH', ttl: '60s' } },
    })
    await port.send(endpoint, 'opaque', { ttlSec: 0, urgency: 'normal' })
    expect(JSON.parse(peer.received.at(-1)!.body.toString()).message.android).toEqual({ priority: 'NORMAL', ttl: '0s' })
  })

  it('RFC 7523: asks for an access token with the account’s signature, and again only when it has run out', async () => {
    peer.answer = google()
    const port = await made()
    const before = peer.received.length
    for (let i = 0; i < 3; i++) await port.send(endpoint, 'x', options)
    const asked = peer.received.slice(before).filter((r) => r.host === 'oauth2.googleapis.com')
    expect(asked).toHaveLength(1)
    const form = new URLSearchParams(asked[0]!.body.toString())
    expect(form.get('grant_type')).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer')
    const assertion = form.get('assertion')!
    expect(decodeProtectedHeader(assertion)).toEqual({ alg: 'RS256', typ: 'JWT', kid: 'k1' })
    const { payload } = await jwtVerify(assertion, pair.publicKey, {
      audience: 'https://oauth2.googleapis.com/token',
      issuer: 'push@bank.iam.example',
    })
    expect(payload).toMatchObject({
      scope: 'https://www.googleapis.com/auth/firebase.messaging',
      exp: Math.floor(now / 1000) + 3600,
    })
    expect(cache.kept).toEqual({ token: 'at-1', expiresAt: now + 3_539_000 })
    cache.kept = { token: 'old', expiresAt: now }
    await port.send(endpoint, 'x', options)
    expect(peer.received.slice(before).filter((r) => r.host === 'oauth2.googleapis.com')).toHaveLength(2)
  })

  const error = (status: number, ...details: object[]): Said => ({
    status,
    body: JSON.stringify({ error: { code: status, details } }),
  })
  it.each<readonly [string, Said, string]>([
    [
      'unregistered',
      error(404, { '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError', errorCode: 'UNREGISTERED' }),
      'gone',
    ],
    ['of another sender', error(403, { errorCode: 'SENDER_ID_MISMATCH' }), 'gone'],
    [
      'a token that is none',
      error(400, { errorCode: 'INVALID_ARGUMENT' }, { fieldViolations: [{ field: 'message.token' }] }),
      'gone',
    ],
    [
      'another bad argument',
      error(400, { errorCode: 'INVALID_ARGUMENT' }, { fieldViolations: [{ field: 'message.data' }] }),
      'push.refused',
    ],
    ['an unknown project', error(404), 'push.refused'],
    [
      'details that are none',
      { status: 403, body: '{"error":{"details":[null,1,"x",{"fieldViolations":[null]}]}}' },
      'push.refused',
    ],
    ['a quota', error(429, { errorCode: 'QUOTA_EXCEEDED' }), 'retry'],
    ['overload', error(503, { errorCode: 'UNAVAILABLE' }), 'retry'],
    ['silence', 'hang', 'retry'],
    ['a redirect', { status: 302, headers: { location: 'https://fcm.googleapis.com/x' } }, 'push.refused'],
  ])('%s: the outcome is as documented', async (_, said, outcome) => {
    peer.answer = google(said)
    const port = await made()
    expect(await port.send(endpoint, 'x', options).catch((e: { code: string }) => e.code)).toBe(outcome)
  })

  it('a token that is refused is forgotten, and the message may be sent again', async () => {
    peer.answer = google({ status: 401 })
    const port = await made()
    expect(await port.send(endpoint, 'x', options)).toBe('retry')
    expect(cache.kept).toBe(null)
  })

  it.each<readonly [Said, string]>([
    [{ status: 503 }, 'retry'],
    ['cut', 'retry'],
    [{ status: 400, body: '{"error":"invalid_grant"}' }, 'push.refused'],
    [{ status: 200, body: '{"access_token":1}' }, 'push.refused'],
    [{ status: 200, body: '[]' }, 'push.refused'],
  ])('no access token because of %o: %s, and no message goes out', async (said, outcome) => {
    peer.answer = () => said
    const port = await made()
    expect(await port.send(endpoint, 'x', options).catch((e: { code: string }) => e.code)).toBe(outcome)
    expect(peer.received.at(-1)!.host).toBe('oauth2.googleapis.com')
    expect(cache.writes).toBe(0)
  })

  it('options and endpoints that cannot be are refused', async () => {
    const port = await made()
    expect([port.serves(endpoint), port.serves({ kind: 'apns', token: 'ab' })]).toEqual([true, false])
    expect(await codeOf(port.send({ kind: 'apns', token: 'ab' }, 'x', options))).toBe('push.endpoint')
    await expect(made({ projectId: '../x' })).rejects.toThrow(RangeError)
    await expect(made({ timeoutMs: 1 })).rejects.toThrow(RangeError)
    const signer = await crypto.signer('ES256', await crypto.generateKey('ES256', random))
    await expect(made({ account: { email: 'x', signer } })).rejects.toThrow(RangeError)
  })
})

describe.skipIf(noOpenssl)('APNs', () => {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const endpoint = { kind: 'apns', token: 'ab'.repeat(32) } as const
  let peer: Peer
  let cache: ReturnType<typeof cacheOf>
  const made = async (o: object = {}) => {
    cache = cacheOf()
    const signer = await crypto.signer('ES256', pair.privateKey.export({ format: 'jwk' }) as JsonWebKey)
    const ids = { teamId: 'ABCDE12345', keyId: 'KEY4567890', topic: 'example.bank.app', alertKey: 'CONFIRM' }
    return apns({ ...ids, signer, tokens: cache, timer, timeoutMs: 500, runtime: runtimeOf(peer.fetch), ...o })
  }
  beforeAll(async () => {
    peer = await pushPeer(['api.push.apple.com'], true)
  })
  afterAll(() => peer.close())

  it('sends an opaque id over HTTP/2, beside a text of the app’s own', async () => {
    peer.answer = () => ({ status: 200 })
    const port = await made()
    expect(await port.send(endpoint, 'opaque', options)).toBe('sent')
    const { method, host, path, headers, body, version } = peer.received.at(-1)!
    expect([method, host, path, version]).toEqual(['POST', 'api.push.apple.com', `/3/device/${endpoint.token}`, '2.0'])
    expect(headers).toMatchObject({
      'apns-topic': 'example.bank.app',
      'apns-push-type': 'alert',
      'apns-priority': '10',
      'apns-expiration': String(Math.floor(now / 1000) + 60),
    })
    expect(JSON.parse(body.toString())).toEqual({
      aps: { alert: { 'loc-key': 'CONFIRM' }, 'mutable-content': 1 },
      postern: 'opaque',
    })
    await port.send(endpoint, 'opaque', { ttlSec: 0, urgency: 'normal' })
    const quiet = peer.received.at(-1)!
    expect(quiet.headers).toMatchObject({ 'apns-push-type': 'background', 'apns-priority': '5', 'apns-expiration': '0' })
    expect(JSON.parse(quiet.body.toString())).toEqual({ aps: { 'content-available': 1 }, postern: 'opaque' })
  })

  it('signs one provider token for 50 minutes', async () => {
    peer.answer = () => ({ status: 200 })
    const port = await made()
    for (let i = 0; i < 3; i++) await port.send(endpoint, 'x', options)
    expect(cache.writes).toBe(1)
    const token = peer.received.at(-1)!.headers['authorization']!.replace(/^bearer /, '')
    const { payload, protectedHeader } = await jwtVerify(token, pair.publicKey)
    expect(protectedHeader).toMatchObject({ alg: 'ES256', kid: 'KEY4567890' })
    expect(payload).toEqual({ iss: 'ABCDE12345', iat: Math.floor(now / 1000) })
    expect(cache.kept!.expiresAt).toBe(now + 3_000_000)
    cache.kept = { token: 'old', expiresAt: now }
    await port.send(endpoint, 'x', options)
    expect(cache.writes).toBe(2)
  })

  it.each<readonly [number, string, string]>([
    [410, 'Unregistered', 'gone'],
    [410, 'ExpiredToken', 'gone'],
    [400, 'BadDeviceToken', 'gone'],
    [400, 'DeviceTokenNotForTopic', 'gone'],
    [400, 'BadTopic', 'push.refused'],
    [403, 'InvalidProviderToken', 'push.refused'],
    [403, 'ExpiredProviderToken', 'retry'],
    [429, 'TooManyRequests', 'retry'],
    [500, 'InternalServerError', 'retry'],
    [503, 'Shutdown', 'retry'],
  ])('%i %s: %s', async (status, reason, outcome) => {
    peer.answer = () => ({ status, body: JSON.stringify({ reason }) })
    const port = await made()
    expect(await port.send(endpoint, 'x', options).catch((e: { code: string }) => e.code)).toBe(outcome)
    expect(cache.kept === null).toBe(reason === 'ExpiredProviderToken')
  })

  it('silence is to be tried again', async () => {
    peer.answer = () => 'hang'
    expect(await (await made()).send(endpoint, 'x', options)).toBe('retry')
  })

  it('options and endpoints that cannot be are refused', async () => {
    const port = await made()
    expect([port.serves(endpoint), port.serves({ kind: 'fcm', token: 'x' })]).toEqual([true, false])
    expect(await codeOf(port.send({ kind: 'fcm', token: 'x' }, 'x', options))).toBe('push.endpoint')
    expect(await codeOf(port.send({ kind: 'apns', token: '../x' }, 'x', options))).toBe('push.endpoint')
    for (const bad of [{ teamId: 'short' }, { keyId: 'lower12345' }, { timeoutMs: 1 }])
      await expect(made(bad)).rejects.toThrow(RangeError)
    const signer = await crypto.signer('ES384', await crypto.generateKey('ES384', random))
    await expect(made({ signer })).rejects.toThrow(RangeError)
  })
})

describe('endpoints, as apps send them', () => {
  it('are read as they are', () => {
    for (const endpoint of [
      browser().endpoint,
      { kind: 'fcm', token: 'f:A_-'.repeat(40) },
      { kind: 'apns', token: 'ab'.repeat(32) },
    ])
      expect(readEndpoint(JSON.parse(JSON.stringify(endpoint)))).toEqual(endpoint)
    expect(readEndpoint({ kind: 'apns', token: 'AB'.repeat(32) })).toEqual({
      kind: 'apns',
      token: 'ab'.repeat(32),
    } satisfies PushEndpoint)
  })

  const { endpoint } = browser()
  it.each([
    null,
    'x',
    [],
    {},
    { kind: 'sms', token: 'f'.repeat(40) },
    { kind: 'fcm' },
    { kind: 'fcm', token: 1 },
    { kind: 'fcm', token: 'short' },
    { kind: 'fcm', token: 'f'.repeat(4097) },
    { kind: 'fcm', token: `${'f'.repeat(40)}/../x` },
    { kind: 'fcm', token: 'f'.repeat(40), more: 1 },
    { kind: 'apns', token: 'ab'.repeat(31) },
    { kind: 'apns', token: `${'ab'.repeat(32)}/` },
    { ...endpoint, url: 'http://updates.push.services.mozilla.com/x' },
    { ...endpoint, url: `https://a.example/${'x'.repeat(2048)}` },
    { ...endpoint, url: 'https://u:p@a.example/' },
    { ...endpoint, url: 'https://a.example/#x' },
    { ...endpoint, p256dh: 'AAAA' },
    { ...endpoint, auth: 'AAAA' },
    { ...endpoint, auth: undefined },
    { ...endpoint, more: 1 },
  ])('%o is none', (value) => {
    expect(() => readEndpoint(value)).toThrow(/push.endpoint/)
  })
})
