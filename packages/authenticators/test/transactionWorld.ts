/// <reference types="node" />
/** One user, his devices and a portal, over the stand-alone driver. */
import { activateDevice, claimDevice, type DeviceChange, devicesKey, releaseDevice } from '@postern/authenticators/devices'
import { decodeEnrolment } from '@postern/authenticators/enrolment'
import { type Choice, type OpenedTransaction, openTransaction, prepareDecision } from '@postern/authenticators/transaction/client'
import {
  type Created,
  createTransactions,
  type Decider,
  type Place,
  type Planned,
  type Read,
  runTransaction,
  type TransactionAsk,
  type TransactionOptions,
  type Transactions,
} from '@postern/authenticators/transaction/server'
import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import { newRev, type Rec, type Store } from '@postern/store'
import { createWorld, crypto, type Device, issuer, random, type World } from './world.js'

export const secrets: TransactionOptions['keys'] = { secret: (label) => crypto.digest('SHA-256', utf8(`test root ${label}`)) }

export const payment: TransactionAsk = {
  client: 'portal',
  app: 'retail',
  kind: 'payment',
  display: [{ label: 'Zahlung', value: 'Miete für März' }],
  amount: { value: '1200.50', currency: 'CHF' },
  payee: 'CH93 0076 2011 6238 5295 7',
  match: 0,
  origin: 'Firefox, Zürich',
}

export interface Bank {
  readonly w: World
  readonly t: Transactions
  readonly d: Device
  readonly place: Place
  /** A commit of the user's partition under the store that the world has. */
  run<T extends object>(attempt: (read: Read) => Planned<T>, store?: Store): ReturnType<typeof runTransaction<T>>
  read(...keys: string[]): Promise<readonly (Rec | null)[]>
  activate(d: Device): Promise<void>
  release(d: Device): Promise<void>
  decider(d: Device, more?: Partial<Decider>): Promise<Decider>
  ask(more?: Partial<TransactionAsk>, store?: Store): ReturnType<typeof runTransaction<Created>>
  asked(more?: Partial<TransactionAsk>): Promise<Created>
  open(created: Pick<Created, 'transaction'>): Promise<OpenedTransaction>
  /** The device's own answer. */
  answer(d: Device, created: Pick<Created, 'transaction'>, choice?: Partial<Choice>): Promise<Record<string, unknown>>
  decide(d: Device, input: unknown, more?: Partial<Decider>, store?: Store): ReturnType<typeof runTransaction<DecidedValue>>
}

type DecidedValue =
  Extract<Awaited<ReturnType<Transactions['decide']>>, { ok: true }> extends { reply(r: never): infer R }
    ? Exclude<Awaited<R>, { ok: false }>
    : never

export async function createBank(o: Parameters<typeof createWorld>[0] & { readonly keepDays?: number } = {}): Promise<Bank> {
  const { keepDays, ...rest } = o
  const w = createWorld(rest)
  const t = createTransactions({ keys: secrets, runtime: w.runtime, ...(keepDays === undefined ? {} : { keepDays }) })
  const part = { tenant: 'bank', id: 'usr:ada' }
  const place: Place = { issuer, tenant: 'bank', part }
  const { clock } = w
  const read = (...keys: string[]) => w.store.read(part, keys, { now: clock() })
  const run: Bank['run'] = (attempt, store = w.store) => runTransaction(place, attempt, { runtime: { ...w.runtime, store } })

  async function change(make: (current: Rec | null) => DeviceChange): Promise<void> {
    for (;;) {
      const [current] = await read(devicesKey)
      const made = make(current ?? null)
      if (!made.ok) throw new Error(made.code)
      const done = await w.store.commit(part, [made.op], { now: clock(), rev: newRev(random) })
      if (done.ok) return
    }
  }
  async function activate(d: Device): Promise<void> {
    await change((current) => claimDevice(current, { device: d.id, now: clock(), limit: 5 }))
    await change((current) => activateDevice(current, { device: d.id, now: clock() }))
  }
  async function decider(d: Device, more: Partial<Decider> = {}): Promise<Decider> {
    const [u] = await read('u')
    return {
      ...place,
      app: 'retail',
      user: { rev: u!.rev },
      device: { id: d.id, key: d.jwk, keyLevel: 'hardware' },
      types: ['device', 'biometric', 'device-key', 'pin', 'otp', 'webauthn', 'custom:voice'],
      enrolment: async (id) => {
        const [enr] = await w.read(d, `enr/${id}`)
        return enr == null ? null : decodeEnrolment(enr.value)
      },
      ...more,
    }
  }
  const ask: Bank['ask'] = (more = {}, store) => run((r) => t.create(place, { ...payment, ...more }, r), store)
  const open: Bank['open'] = ({ transaction }) =>
    openTransaction(encodeBase64url(transaction), { issuer, tenant: 'bank', app: 'retail', crypto, clientName: () => 'Portal' })

  await w.store.commit(part, [{ op: 'put', key: 'u', value: utf8('user') }], { now: clock(), rev: newRev(random) })
  const d = await w.device('d1')
  await activate(d)
  return {
    w,
    t,
    d,
    place,
    run,
    read,
    activate,
    release: (other) => change((current) => releaseDevice(current, { device: other.id, now: clock() })),
    decider,
    ask,
    async asked(more) {
      const done = await ask(more)
      if (!done.ok) throw new Error(`${done.code} ${done.reason}`)
      return done.value
    },
    open,
    async answer(device, created, choice = {}) {
      const own: Choice = { device: device.id, enrolment: '', type: 'device', decision: 'approve', number: '', ...choice }
      const { statement, answer } = await prepareDecision(await open(created), own, crypto)
      return { ...answer(await device.signer.sign(statement)) }
    },
    async decide(device, input, more, store) {
      const who = await decider(device, more)
      return run((r) => t.decide(who, input, r), store)
    },
  }
}

export { crypto, issuer, random }
