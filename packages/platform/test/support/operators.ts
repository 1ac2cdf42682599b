/** Operators for the tests: an issuer with a key, its tokens, and calls to the admin API over a platform that trusts it. */
import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import type { Signer } from '@postern/core/cryptoPort'
import type { PosternEvent } from '@postern/core/events'
import type { JsonObject } from '@postern/core/json'
import { signJws } from '@postern/core/jws'
import { newRev } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import { seededRandom } from '@postern/testkit/simulation'
import { adminScopes } from '../../src/admin.js'
import type { PlatformOptions } from '../../src/platform.js'
import { type Bank, createBank, crypto, ISSUER } from './bank.js'

export const STAFF = 'https://staff.bank.example'
export const AUDIENCE = 'https://bank.example/admin'

export interface Called {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of many shapes
  readonly body: any
}

export interface CallOptions {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** `null`: no token. */
  readonly token?: string | null
}

export interface Staffed {
  readonly bank: Bank
  readonly signer: Signer
  token(claims?: JsonObject, header?: { typ?: string; signer?: Signer }): Promise<string>
  send(method: string, path: string, o?: CallOptions): Promise<Response>
  call(method: string, path: string, o?: CallOptions): Promise<Called>
  /** Puts events where a commit would have left them, and ships them. */
  ship(events: readonly PosternEvent[]): Promise<void>
  /** Shipped events of a type, newest first, as the API shows them. */
  events(type: string): Promise<readonly PosternEvent[]>
}

export async function createStaffed(over: Partial<PlatformOptions> = {}): Promise<Staffed> {
  const signer = await crypto.signer('ES256', await crypto.generateKey('ES256', seededRandom(99)))
  const operators = { audience: AUDIENCE, issuers: [{ issuer: STAFF, keys: [signer.publicJwk] }] }
  const bank = await createBank({ operators, ...over })
  const seconds = (): number => Math.floor(bank.clock.clock() / 1000)
  const token: Staffed['token'] = (claims = {}, header = {}) =>
    signJws(
      header.signer ?? signer,
      { typ: header.typ ?? 'at+jwt' },
      {
        iss: STAFF,
        aud: AUDIENCE,
        sub: 'op-7',
        iat: seconds(),
        exp: seconds() + 3600,
        scope: adminScopes.join(' '),
        ...claims,
      },
    )
  const send: Staffed['send'] = async (method, path, { body, headers = {}, token: own } = {}) => {
    const bearer = own === undefined ? await token() : own
    return bank.platform.fetch(
      new Request(`${ISSUER}/admin/v1${path}`, {
        method,
        headers: {
          ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      }),
    )
  }
  const call: Staffed['call'] = async (method, path, o) => {
    const answer = await send(method, path, o)
    const text = await answer.text()
    const json = answer.headers.get('content-type')?.startsWith('application/json')
    return { status: answer.status, headers: answer.headers, text, body: json ? JSON.parse(text) : undefined }
  }
  return {
    bank,
    signer,
    token,
    send,
    call,
    async ship(events) {
      const now = bank.clock.clock()
      for (const event of events)
        await bank.store.commit({ tenant: 'bank', id: 'test' }, [eventOp(event)], { now, rev: newRev(bank.ports.random) })
      await bank.platform.sweep(now, 5)
    },
    events: async (type) => (await call('GET', `/events?type=${type}&limit=1000`)).body.events,
  }
}

/** An event of a login, with an id that sorts by its time. */
export function loginEvent(at: number, n: number, more: Partial<PosternEvent> = {}): PosternEvent {
  return {
    id: ulidAt(at, n),
    at,
    tenant: 'bank',
    type: 'login.succeeded',
    outcome: 'success',
    subject: `user-${n % 5}`,
    app: 'retail',
    authenticator: 'pin',
    ...more,
  } as PosternEvent
}

export function ulidAt(at: number, n: number): string {
  const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'
  const digits = (value: number, length: number): string => {
    let out = ''
    for (let rest = value; out.length < length; rest = Math.floor(rest / 32)) out = alphabet[rest % 32]! + out
    return out
  }
  return digits(at, 10) + digits(n, 16)
}

/** Text of a compact JWS with a payload of somebody's choice. */
export function forged(header: object, payload: object, signature: string = 'A'.repeat(86)): string {
  const part = (value: object): string => encodeBase64url(utf8(JSON.stringify(value)))
  return `${part(header)}.${part(payload)}.${signature}`
}
