/// <reference types="node" />
/** A security key in software, and a bank that knows its users' passkeys. Shares no encoder with the code under test: CBOR is cborg's, signatures are node's. */
import { createHash, generateKeyPairSync, type KeyObject, sign as signWith } from 'node:crypto'
import {
  type Authenticator,
  type Ceremony,
  type Purpose,
  type RunResult,
  runBegin,
  runFinish,
  type Success,
} from '@postern/authenticators/authenticator'
import { decodeEnrolment, type Enrolment } from '@postern/authenticators/enrolment'
import type {
  AuthenticationResponseJSON,
  CreationOptionsJSON,
  RegistrationResponseJSON,
  RequestOptionsJSON,
} from '@postern/authenticators/webauthn/messages'
import { registerPasskey } from '@postern/authenticators/webauthn/register'
import { createWebauthn, locatePasskey, type WebauthnOptions } from '@postern/authenticators/webauthn/server'
import { utf8 } from '@postern/core/bytes'
import { createSealer } from '@postern/core/sealed'
import { newRev, type Part, type Rec, type Runtime, type Store } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { encode, rfc8949EncodeOptions } from 'cborg'
import { crypto, issuer, random } from './world.js'

export const rpId = 'bank.example'
export const origin = 'https://bank.example'
const b64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')
const sha256 = (data: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(data).digest())
export const cbor = (value: unknown): Uint8Array => new Uint8Array(encode(value, rfc8949EncodeOptions))

export const flag = { up: 1, uv: 4, be: 8, bs: 16, at: 64, ed: 128 } as const

/** What a test bends of an answer; the rest is right. */
export interface Bend {
  readonly flags?: number
  readonly counter?: number
  readonly clientData?: Readonly<Record<string, unknown>>
  readonly clientText?: string
  readonly rpId?: string
  readonly userHandle?: string | null
  readonly authData?: (bytes: Uint8Array) => Uint8Array
  readonly response?: Readonly<Record<string, unknown>>
}

/** How a registration is attested. */
export type Attest = (i: {
  readonly authData: Uint8Array
  readonly clientDataHash: Uint8Array
  readonly key: KeyObject
  readonly credentialId: Uint8Array
}) => { readonly fmt: string; readonly attStmt: unknown }

export const attestNone: Attest = () => ({ fmt: 'none', attStmt: {} })
export const attestSelf: Attest = ({ authData, clientDataHash, key }) => ({
  fmt: 'packed',
  attStmt: { alg: -7, sig: new Uint8Array(signWith('sha256', Buffer.concat([authData, clientDataHash]), key)) },
})

export interface Passkey {
  readonly id: Uint8Array
  readonly key: KeyObject
  readonly coseKey: Uint8Array
  userHandle: string
  counter: number
  create(
    options: CreationOptionsJSON,
    bend?: Bend & { readonly attest?: Attest; readonly from?: string },
  ): RegistrationResponseJSON
  get(options: RequestOptionsJSON, bend?: Bend & { readonly from?: string }): AuthenticationResponseJSON
}

/** A fresh ES256 credential; `flags` is what it says of itself, UP and UV by default. */
export function passkey(o: { readonly flags?: number; readonly id?: Uint8Array; readonly counts?: boolean } = {}): Passkey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const { x, y } = publicKey.export({ format: 'jwk' })
  const coordinates = [x, y].map((text) => new Uint8Array(Buffer.from(text!, 'base64url')))
  const coseKey = cbor(
    new Map<number, unknown>([
      [1, 2],
      [3, -7],
      [-1, 1],
      [-2, coordinates[0]],
      [-3, coordinates[1]],
    ]),
  )
  const { flags = flag.up | flag.uv, id = random(32), counts = true } = o

  const clientData = (type: string, challenge: string, bend: Bend & { readonly from?: string }): Uint8Array =>
    utf8(
      bend.clientText ?? JSON.stringify({ type, challenge, origin: bend.from ?? origin, crossOrigin: false, ...bend.clientData }),
    )
  const head = (rp: string, bits: number, counter: number): Uint8Array => {
    const tail = Buffer.alloc(5)
    tail[0] = bits
    tail.writeUInt32BE(counter, 1)
    return Uint8Array.from([...sha256(utf8(rp)), ...tail])
  }

  const self: Passkey = {
    id,
    key: privateKey,
    coseKey,
    userHandle: '',
    counter: 0,
    create(options, bend = {}) {
      self.userHandle = options.user.id
      const bits = (bend.flags ?? flags) | flag.at
      const data = Buffer.concat([
        head(bend.rpId ?? options.rp.id, bits, bend.counter ?? 0),
        Buffer.alloc(16),
        Buffer.from([id.length >> 8, id.length & 255]),
        id,
        coseKey,
      ])
      const authData = bend.authData?.(new Uint8Array(data)) ?? new Uint8Array(data)
      const json = clientData('webauthn.create', options.challenge, bend)
      const { fmt, attStmt } = (bend.attest ?? attestNone)({
        authData,
        clientDataHash: sha256(json),
        key: privateKey,
        credentialId: id,
      })
      return {
        id: b64(id),
        rawId: b64(id),
        type: 'public-key',
        response: {
          clientDataJSON: b64(json),
          attestationObject: b64(cbor({ fmt, attStmt, authData })),
          transports: ['internal', 'hybrid'],
          ...bend.response,
        },
        clientExtensionResults: { credProps: { rk: true } },
      } as RegistrationResponseJSON
    },
    get(options, bend = {}) {
      if (counts) self.counter++
      const data = head(bend.rpId ?? options.rpId, bend.flags ?? flags, bend.counter ?? self.counter)
      const authData = bend.authData?.(data) ?? data
      const json = clientData('webauthn.get', options.challenge, bend)
      const signature = signWith('sha256', Buffer.concat([authData, sha256(json)]), privateKey)
      const userHandle = bend.userHandle === undefined ? self.userHandle : bend.userHandle
      return {
        id: b64(id),
        rawId: b64(id),
        type: 'public-key',
        response: {
          clientDataJSON: b64(json),
          authenticatorData: b64(authData),
          signature: b64(signature),
          userHandle,
          ...bend.response,
        },
        clientExtensionResults: {},
      } as AuthenticationResponseJSON
    },
  }
  return self
}

const sealKey = { kid: '0a0b0c0d', secret: random(32), publishAt: 0, activateAt: 0, retireAt: 9e15, dropAt: 9e15 }
const ring = { active: () => sealKey, published: () => [sealKey], find: (kid: string) => (kid === sealKey.kid ? sealKey : null) }

export interface Bank {
  readonly time: { now: number }
  readonly store: Store
  readonly runtime: Pick<Runtime, 'clock' | 'random' | 'crypto' | 'store'>
  readonly webauthn: Authenticator
  part(user: string, tenant?: string): Part
  user(user: string, tenant?: string): Promise<void>
  record(user: string, name: string): Promise<{ readonly rec: Rec; readonly value: Enrolment } | null>
  ceremony(user: string, purpose: Purpose, more?: Partial<Ceremony>): Promise<Ceremony>
  /** Options for a registration, and its handle. */
  offer(user: string, more?: Partial<Ceremony>, input?: unknown): Promise<{ options: CreationOptionsJSON; handle: string }>
  register(user: string, answer: unknown, handle: string, more?: Partial<Ceremony>, store?: Store): Promise<RunResult<Success>>
  ask(user: string | null, more?: Partial<Ceremony>): Promise<{ options: RequestOptionsJSON; handle: string }>
  /** What a host does with an answer: finds the record, and finishes. */
  login(
    user: string | null,
    answer: unknown,
    handle: string,
    more?: Partial<Ceremony>,
    store?: Store,
  ): Promise<RunResult<Success>>
  /** A passkey that is registered, with its name. */
  enrolled(user: string, p?: Passkey, o?: Bend): Promise<{ passkey: Passkey; name: string }>
}

export function createBank(
  o: Partial<WebauthnOptions> & { readonly store?: Store; readonly bare?: Partial<Runtime> } = {},
): Bank {
  const time = { now: 1_800_000_000_000 }
  const clock = () => time.now
  const store = o.store ?? memoryStore()
  const runtime = { clock, random, crypto, store, ...o.bare }
  const seal = createSealer({ ring, ...runtime })
  const webauthn = createWebauthn({ rp: { id: rpId, name: 'Bank' }, origins: [origin], seal, runtime, ...o })
  const part = (user: string, tenant = 'bank'): Part => ({ tenant, id: `usr:${user}` })
  const nobody: Part = { tenant: 'bank', id: 'nu:0' }

  async function ceremony(user: string, purpose: Purpose, more: Partial<Ceremony> = {}): Promise<Ceremony> {
    const at = more.part ?? part(user)
    const [u] = await store.read(at, ['u'], { now: clock() })
    return {
      issuer,
      tenant: at.tenant,
      app: 'retail',
      purpose,
      part: at,
      device: null,
      enrolment: null,
      ...(u == null ? {} : { user: { rev: u.rev } }),
      claim: { until: clock() + 120_000, owner: at.id, data: utf8('my phone') },
      bind: null,
      userVerification: 'preferred',
      ...more,
    }
  }
  async function begin<T>(c: Ceremony, input: unknown): Promise<{ options: T; handle: string }> {
    const done = await runBegin(webauthn, c, input, { runtime })
    if (!done.ok) throw new Error(`${done.code} ${done.reason}`)
    const { publicKey } = JSON.parse(JSON.stringify(done.value.body)) as { publicKey: T }
    return { options: publicKey, handle: done.value.handle }
  }

  const bank: Bank = {
    time,
    store,
    runtime,
    webauthn,
    part,
    ceremony,
    async user(user, tenant) {
      await store.commit(part(user, tenant), [{ op: 'put', key: 'u', value: utf8('user') }], {
        now: clock(),
        rev: newRev(random),
      })
    },
    async record(user, name) {
      const [rec] = await store.read(part(user), [`wa/${name}`], { now: clock() })
      return rec == null ? null : { rec, value: decodeEnrolment(rec.value) }
    },
    offer: async (user, more = {}, input = null) => begin(await ceremony(user, 'enrol', more), input),
    register: async (user, answer, handle, more = {}, through = store) =>
      registerPasskey(webauthn, await ceremony(user, 'enrol', { handle, ...more }), answer, {
        runtime: { ...runtime, store: through },
      }),
    ask: async (user, more = {}) => {
      const at = user === null ? { part: nobody } : {}
      return begin(await ceremony(user ?? '', more.purpose ?? 'login', { ...at, ...more }), null)
    },
    async login(user, answer, handle, more = {}, through = store) {
      const located = await locatePasskey(crypto, answer)
      const at = user === null ? { tenant: 'bank', id: located?.partition ?? 'usr:none' } : part(user)
      const [rec] = located === null ? [] : await store.read(at, [`wa/${located.name}`], { now: clock() })
      const enrolment = located && {
        id: located.name,
        rev: rec?.rev ?? null,
        value: rec == null ? null : decodeEnrolment(rec.value),
      }
      const c = await ceremony(user ?? '', more.purpose ?? 'login', { part: at, handle, enrolment, ...more })
      return runFinish(webauthn, c, answer, { runtime: { ...runtime, store: through } })
    },
    async enrolled(user, p = passkey(), bend = {}) {
      if ((await store.read(part(user), ['u'], { now: clock() }))[0] == null) await bank.user(user)
      const { options, handle } = await bank.offer(user)
      const done = await bank.register(user, p.create(options, bend), handle)
      if (!done.ok) throw new Error(`${done.code} ${done.reason}`)
      return { passkey: p, name: done.value.facts.enrolment }
    },
  }
  return bank
}

/** The code of a run. */
export function codeOf(result: RunResult<unknown>): string {
  return result.ok ? 'ok' : result.code
}
