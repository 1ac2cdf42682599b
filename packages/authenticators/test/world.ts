/// <reference types="node" />
/** One bank in memory: a store, a clock, keys, and devices that enrol and log in through the stand-alone driver. */
import {
  type Authenticator,
  type Ceremony,
  type Purpose,
  type Refusal,
  runBegin,
  runFinish,
  type Success,
} from '@postern/authenticators/authenticator'
import { createDeviceKey } from '@postern/authenticators/deviceKey/server'
import { decodeEnrolment, type Enrolled, planConfirm } from '@postern/authenticators/enrolment'
import { enrolPin, type PinClientOptions, type PinExchange, type PinSlot } from '@postern/authenticators/pin/client'
import { pinKeysOf } from '@postern/authenticators/pin/keys'
import { createPin, type PinOptions } from '@postern/authenticators/pin/server'
import { utf8 } from '@postern/core/bytes'
import { createCrypto } from '@postern/core/crypto'
import type { CryptoPort, Signer } from '@postern/core/cryptoPort'
import { createSealer, type Sealer } from '@postern/core/sealed'
import type { Part, Rec, Runtime, Store } from '@postern/store'
import { newRev } from '@postern/store'
import { memoryStore } from '@postern/store/memory'

export const crypto: CryptoPort = createCrypto()
export const issuer = 'https://bank.example'
/** Key stretching is the client's alone; the tests of the ladder need none. */
export const noKsf = (input: Uint8Array): Uint8Array => input

let seed = 1
/** Bytes that differ from call to call, and from run to run not at all. */
export function random(n: number): Uint8Array {
  const out = new Uint8Array(n)
  for (let i = 0; i < n; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    out[i] = seed >>> 24
  }
  return out
}

const sealKey = { kid: '0a0b0c0d', secret: random(32), publishAt: 0, activateAt: 0, retireAt: 9e15, dropAt: 9e15 }
const ring = { active: () => sealKey, published: () => [sealKey], find: (kid: string) => (kid === sealKey.kid ? sealKey : null) }
const secrets = { secret: (label: string) => crypto.digest('SHA-256', utf8(`test root ${label}`)) }
const sharedKeys = pinKeysOf(secrets, crypto)

export interface Device {
  readonly id: string
  readonly tenant: string
  readonly signer: Signer
  readonly jwk: JsonWebKey
}

export class Refused extends Error {
  readonly refusal: Refusal
  constructor(refusal: Refusal) {
    super(refusal.code)
    this.refusal = refusal
  }
}

export interface World {
  readonly time: { now: number }
  readonly clock: () => number
  readonly store: Store
  readonly seal: Sealer
  readonly runtime: Pick<Runtime, 'clock' | 'random' | 'crypto' | 'store'>
  readonly pin: Authenticator
  readonly deviceKey: Authenticator
  readonly biometric: Authenticator
  part(d: Device): Part
  read(d: Device, ...keys: string[]): Promise<readonly (Rec | null)[]>
  put(d: Device, key: string, value: Uint8Array): Promise<unknown>
  device(id: string, tenant?: string): Promise<Device>
  enrolled(d: Device, id: string): Promise<Enrolled>
  ceremony(d: Device, purpose: Purpose, enrolment: string | null, more?: Partial<Ceremony>): Promise<Ceremony>
  /** The host's HTTP calls, without HTTP. Each reads its records anew, as a platform does. */
  exchange(
    d: Device,
    purpose: Purpose,
    enrolment: string | null,
    more?: Partial<Ceremony>,
    authenticator?: Authenticator,
  ): PinExchange
  client(d: Device): Omit<PinClientOptions, 'exchange'>
  confirm(d: Device, id: string): Promise<void>
  withPin(d: Device, digits: string): Promise<PinSlot>
}

export function createWorld(o: Partial<PinOptions> & { readonly store?: Store } = {}): World {
  const time = { now: 1_800_000_000_000 }
  const clock = () => time.now
  const store = o.store ?? memoryStore()
  const seal = createSealer({ ring, crypto, random, clock })
  const runtime = { clock, random, crypto, store }
  const pin = createPin({ keys: sharedKeys, seal, runtime, ...o })
  const deviceKey = createDeviceKey({ type: 'device-key', seal, runtime })
  const biometric = createDeviceKey({ type: 'biometric', seal, runtime })
  const part = (d: Device) => ({ tenant: d.tenant, id: `dev:${d.id}` })
  const read = (d: Device, ...keys: string[]) => store.read(part(d), keys, { now: clock() })
  const put = (d: Device, key: string, value: Uint8Array) =>
    store.commit(part(d), [{ op: 'put', key, value }], { now: clock(), rev: newRev(random) })

  async function device(id: string, tenant = 'bank'): Promise<Device> {
    const jwk = await crypto.generateKey('ES256', random)
    const signer = await crypto.signer('ES256', jwk)
    const d = { id, tenant, signer, jwk: signer.publicJwk }
    await put(d, 'd', utf8('device'))
    return d
  }

  async function enrolled(d: Device, id: string): Promise<Enrolled> {
    const [rec] = await read(d, `enr/${id}`)
    return { id, rev: rec!.rev, value: decodeEnrolment(rec!.value) }
  }

  async function ceremony(
    d: Device,
    purpose: Purpose,
    enrolment: string | null,
    more: Partial<Ceremony> = {},
  ): Promise<Ceremony> {
    const [dev, enr] = await read(d, 'd', enrolment === null ? 'enr/none' : `enr/${enrolment}`)
    return {
      issuer,
      tenant: d.tenant,
      app: 'retail',
      purpose,
      part: part(d),
      device: dev == null ? null : { id: d.id, rev: dev.rev, key: d.jwk, keyLevel: 'hardware' },
      enrolment:
        enrolment === null
          ? null
          : { id: enrolment, rev: enr?.rev ?? null, value: enr == null ? null : decodeEnrolment(enr.value) },
      claim: { until: clock() + 120_000, owner: 'usr:ada', data: utf8('host data') },
      bind: null,
      userVerification: 'preferred',
      ...more,
    }
  }

  function exchange(
    d: Device,
    purpose: Purpose,
    enrolment: string | null,
    more: Partial<Ceremony> = {},
    authenticator = pin,
  ): PinExchange {
    return {
      async begin(handle, answer) {
        const c = await ceremony(d, purpose, enrolment, { ...more, ...(handle === null ? {} : { handle }) })
        const done = await runBegin(authenticator, c, answer, { runtime })
        if (!done.ok) throw new Refused(done)
        return { handle: done.value.handle, step: JSON.parse(JSON.stringify(done.value.body)) }
      },
      async finish(handle, answer): Promise<Success> {
        const c = await ceremony(d, purpose, enrolment, { ...more, handle })
        const done = await runFinish(authenticator, c, answer, { runtime })
        if (!done.ok) throw new Refused(done)
        return done.value
      },
    }
  }

  const client = (d: Device) => ({
    issuer,
    tenant: d.tenant,
    app: 'retail',
    device: d.id,
    sign: (m: Uint8Array) => d.signer.sign(m),
    crypto,
    random,
    ksf: noKsf,
  })

  async function confirm(d: Device, id: string): Promise<void> {
    const op = planConfirm(await enrolled(d, id))
    await store.commit(part(d), [op], { now: clock(), rev: newRev(random) })
  }

  async function withPin(d: Device, digits: string): Promise<PinSlot> {
    const { slot } = await enrolPin({ ...client(d), exchange: exchange(d, 'enrol', null), pin: utf8(digits) })
    await confirm(d, slot.enrolment)
    return slot
  }

  return {
    time,
    clock,
    store,
    seal,
    runtime,
    pin,
    deviceKey,
    biometric,
    part,
    read,
    put,
    device,
    enrolled,
    ceremony,
    exchange,
    client,
    confirm,
    withPin,
  }
}

/** The code of what is thrown: of our refusals, of PosternErrors, of their causes. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'ok'
  } catch (error) {
    if (error instanceof Refused) return error.refusal.code
    const { code } = error as { code?: string }
    if (code === undefined) throw error
    return code
  }
}
