/**
 * The side of whoever asks: a confidential client with a token of the scope `mobile-auth`. It creates a transaction for a user or behind a picture,
 * looks how it stands, redeems the approval once with its evidence, or takes it back.
 */
import type { TransactionAsk } from '@postern/authenticators/transaction/server'
import { encodeBase32 } from '@postern/core/base32'
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { fromUtf8, utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import { boolean, integer, list, object, optional, text } from '@postern/core/fields'
import type { Sealer, SealScope } from '@postern/core/sealed'
import type { Part } from '@postern/store'
import type { Verifier } from '@postern/tokens/resource'
import type { HostContext } from '../../node.js'
import { json, readJson } from '../http.js'
import { userKey } from '../partition.js'
import { userOf } from '../passkeys.js'
import type { Push } from '../push.js'
import { decodeRecord } from '../record.js'
import { type ClaimedBy, claimedKey, MOBILE_AUTH, placeOf, readOf, refused, run, type TransactionRoom } from './room.js'

export interface PortalOptions {
  readonly verify: Verifier
  /** Names pictures; its keys live for hours. */
  readonly sealer: Sealer
  readonly push: Pick<Push, 'wake'>
}

export interface Portal {
  create(request: Request, host: HostContext | undefined): Promise<Response>
  /** A transaction whose user is not known yet, behind a picture. */
  wait(request: Request, host: HostContext | undefined): Promise<Response>
  /** The picture of this moment. */
  picture(request: Request, id: string): Promise<Response>
  view(request: Request, id: string): Promise<Response>
  redeem(request: Request, id: string, host: HostContext | undefined): Promise<Response>
  cancel(request: Request, id: string, host: HostContext | undefined): Promise<Response>
}

const members = {
  app: text({ min: 1, max: 64 }),
  kind: text({ min: 1, max: 64 }),
  display: list(object({ label: text({ max: 64 }), value: text({ max: 512 }) }), { max: 16 }),
  amount: optional(object({ value: text({ max: 20 }), currency: text({ max: 3 }) })),
  payee: optional(text({ max: 128 })),
  origin: optional(text({ max: 128 })),
  /** SHA-256 of what is attached, base64url. */
  data: optional(text({ min: 43, max: 43 })),
  /** Whether the number is to be typed; it is unless the client says no. */
  match: optional(boolean),
  expires_in: optional(integer({ min: 1, max: 3600 })),
} as const
const asking = object({ ...members, login_hint: text({ min: 1, max: 255 }), replace: optional(boolean) })
const waiting = object(members)
const nothing = object({})

export function createPortal(room: TransactionRoom, { verify, sealer, push }: PortalOptions): Portal {
  const { runtime, transactions, places, tenant, data: codec } = room
  const { store, clock, random } = runtime

  async function clientOf(request: Request): Promise<string> {
    const { clientId } = await verify(request, { kind: ['device'], scope: [MOBILE_AUTH] })
    return clientId
  }

  /** A picture's name opens for the client that began it and for nobody else. */
  const scopeOf = (client: string): SealScope => ({ tenant, issuer: room.issuer, type: 'transaction-qr', purpose: client })

  async function pictured(client: string, id: string): Promise<Part> {
    const sealed = decodeBase64url(id.slice('qr.'.length))
    const opened = sealed === null ? null : await sealer.open(scopeOf(client), sealed)
    const part = opened === null ? null : fromUtf8(opened)
    if (part === null) throw new PosternError('transaction.unknown')
    return { tenant, id: part }
  }

  /** Where a transaction is now; `null` for a picture that nobody has claimed. */
  async function found(client: string, id: string): Promise<{ part: Part; id: string; subject: string | null } | null> {
    const [user, own] = id.split('.') as [string, string]
    if (user !== 'qr') return { part: { tenant, id: `usr:${user}` }, id: own, subject: null }
    const picture = await pictured(client, id)
    const [rec] = await store.read(picture, [claimedKey], { now: clock() })
    if (!rec) return null
    const { owner, data, id: claimed } = decodeRecord<ClaimedBy>(rec.value)
    const { subject } = await codec.open(owner, decodeBase64url(data)!)
    return { part: { tenant, id: owner }, id: claimed, subject }
  }

  return {
    async create(request, host) {
      const client = await clientOf(request)
      const { login_hint: subject, replace, ...sent } = asking(await readJson(request))
      const part = await places.user(subject)
      const ask = { ...askOf(client, sent), ...(replace === undefined ? {} : { replace }) }
      const done = await run(room, part, (read) => transactions.create(placeOf(room, part), ask, read), {
        about: { subject, app: sent.app },
        host,
      })
      if (!done.ok) return refused(done)
      const { id, expiresAt, number } = done.value
      await push.wake(part, sent.app, id, expiresAt, host)
      return json({ id: `${part.id.slice(4)}.${id}`, expires_in: secondsTo(expiresAt), number }, 201)
    },

    async wait(request, host) {
      const client = await clientOf(request)
      const sent = waiting(await readJson(request))
      const part = { tenant, id: `dg:${encodeBase32(random(16))}` }
      const done = await run(room, part, () => transactions.wait(placeOf(room, part), askOf(client, sent)), {
        about: { app: sent.app },
        host,
      })
      if (!done.ok) return refused(done)
      const { expiresAt, number } = done.value
      const id = encodeBase64url(await sealer.seal(scopeOf(client), utf8(part.id)))
      return json({ id: `qr.${id}`, expires_in: secondsTo(expiresAt), number }, 201)
    },

    async picture(request, id) {
      const part = await pictured(await clientOf(request), id)
      return json({
        text: await transactions.picture(placeOf(room, part)),
        expires_in: STEP_SEC - (Math.floor(clock() / 1000) % STEP_SEC),
      })
    },

    async view(request, id) {
      const client = await clientOf(request)
      const at = await found(client, id)
      if (at === null) return json({ state: 'unclaimed' })
      const view = await transactions.view({ id: at.id, client }, readOf(room, at.part))
      if (!view.ok) return refused(view)
      return json({ state: view.state, cause: view.cause, expires_in: secondsTo(view.expiresAt) })
    },

    async redeem(request, id, host) {
      const client = await clientOf(request)
      nothing(await readJson(request))
      const at = await found(client, id)
      if (at === null) throw new PosternError('transaction.pending')
      const [rec] = await store.read(at.part, [userKey.record], { now: clock() })
      const user = userOf(rec ?? null)
      if (user?.status !== 'active') throw new PosternError('device.removed')
      const done = await run(room, at.part, (read) => transactions.redeem({ id: at.id, client, user }, read), { about: {}, host })
      if (!done.ok) return refused(done)
      const { device, enrolment, type, amr, at: approvedAt, evidence } = done.value
      const { transaction, statement, signed, signature, jkt } = evidence
      return json({
        ...(at.subject === null ? {} : { sub: at.subject }),
        device,
        enrolment,
        type,
        amr,
        approved_at: approvedAt,
        evidence: {
          transaction: encodeBase64url(transaction),
          statement: encodeBase64url(statement),
          signed: encodeBase64url(signed),
          signature: encodeBase64url(signature),
          jkt,
        },
      })
    },

    async cancel(request, id, host) {
      const client = await clientOf(request)
      const at = await found(client, id)
      if (at === null) throw new PosternError('transaction.pending')
      const done = await run(room, at.part, (read) => transactions.cancel({ id: at.id, client }, read), { about: {}, host })
      return done.ok ? new Response(null, { status: 204 }) : refused(done)
    },
  }

  function secondsTo(at: number): number {
    return Math.max(0, Math.floor((at - clock()) / 1000))
  }
}

/** How long one picture stands, seconds. */
const STEP_SEC = 15

function askOf(client: string, sent: ReturnType<typeof waiting>): TransactionAsk {
  const { app, kind, display, amount, payee, origin, data, match = true, expires_in: lifeSec } = sent
  const bytes = data === undefined ? undefined : decodeBase64url(data)
  if (bytes === null) throw new PosternError('transaction.invalid', { reason: 'data' })
  return {
    client,
    app,
    kind,
    display,
    match: match ? 1 : 0,
    ...(amount === undefined ? {} : { amount }),
    ...(payee === undefined ? {} : { payee }),
    ...(origin === undefined ? {} : { origin }),
    ...(bytes === undefined ? {} : { data: bytes }),
    ...(lifeSec === undefined ? {} : { lifeSec }),
  }
}
