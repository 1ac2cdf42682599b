/**
 * The user's side: an app instance that proves its device key, for a user who has confirmed something on it. It sees what waits, answers with the
 * authenticator that policy asks for, and claims a picture.
 */
import type { Ceremony, Refusal, Success } from '@postern/authenticators/authenticator'
import { decodeEnrolment, enrolmentKey } from '@postern/authenticators/enrolment'
import type { Decider as Deciding, Read } from '@postern/authenticators/transaction/server'
import { encodeBase32 } from '@postern/core/base32'
import { encodeBase64url } from '@postern/core/base64url'
import { hex } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import { anyObject, object, optional, text } from '@postern/core/fields'
import type { JsonValue } from '@postern/core/json'
import type { HostContext } from '../../node.js'
import type { Caller } from '../caller.js'
import { ceremonyOf, locatedCeremony } from '../ceremony.js'
import type { Decider } from '../decide.js'
import type { Device } from '../deviceRecord.js'
import { json, readJson, readQuery } from '../http.js'
import { createRunner } from '../login/run.js'
import { userKey } from '../partition.js'
import { PASSKEY, userOf } from '../passkeys.js'
import { encodeRecord } from '../record.js'
import { createHolders, type Holder, none } from './holder.js'
import { type ClaimedBy, claimedKey, placeOf, readOf, refused, run, type TransactionRoom } from './room.js'

export interface DeviceOptions {
  readonly caller: Caller
  readonly decider: Decider
  readonly ceiling: (device: Device) => number | undefined
}

export interface DeviceSide {
  pending(request: Request): Promise<Response>
  /** One step of an authenticator that confirms: a PIN, a passkey, a code, a host's own. */
  begin(request: Request, id: string, host: HostContext | undefined): Promise<Response>
  decide(request: Request, id: string, host: HostContext | undefined): Promise<Response>
  scan(request: Request, host: HostContext | undefined): Promise<Response>
}

const anyJson = (value: JsonValue): JsonValue => value
const clientId = text({ min: 1, max: 64 })
const profile = text({ min: 26, max: 26, pattern: /^[a-z2-7]{26}$/ })
const answerBody = object({
  client_id: clientId,
  profile,
  answer: (value: JsonValue) => anyObject(value),
  handle: optional(text({ max: 65_536 })),
  step: optional(anyJson),
})
const scanBody = object({
  client_id: clientId,
  enrolment: text({ min: 32, max: 32, pattern: /^[0-9a-f]{32}$/ }),
  payload: text({ max: 64 }),
  signature: text({ max: 128 }),
})
/** As long as any transaction lives, and a minute. */
const CLAIM_MS = 3_660_000

export function createDeviceSide(room: TransactionRoom, o: DeviceOptions): DeviceSide {
  const { caller } = o
  const { runtime, places, tenant, registry, transactions, data: codec } = room
  const { store, clock } = runtime
  const runner = createRunner(room)
  const { holderOf, choicesOf } = createHolders(room, o)

  function deciding(h: Holder, types: readonly string[], confirmed?: Deciding['confirmed']): Deciding {
    const { device, part, user } = h
    return {
      ...placeOf(room, part),
      app: device.value.app,
      user,
      device: { id: device.id, key: device.value.key, keyLevel: 'software' },
      types,
      async enrolment(id) {
        const known = h.enrolled.find((one) => one.id === id)
        if (known === undefined) return null
        const passkey = known.value.type === PASSKEY
        const [rec] = await store.read(passkey ? part : h.own, [enrolmentKey(id, known.value.type)], { now: clock() })
        return rec ? decodeEnrolment(rec.value) : null
      },
      ...(confirmed === undefined ? {} : { confirmed }),
    }
  }

  const about = (h: Holder, host: HostContext | undefined) => ({
    device: h.device.id,
    subject: h.subject,
    app: h.device.value.app,
    ...(host?.ip === undefined ? {} : { ip: host.ip }),
  })

  /** Who answers, what, and with which authenticators he may. */
  async function answering(request: Request, id: string) {
    const sent = answerBody(await readJson(request))
    const { device } = await caller(request, sent.client_id)
    const h = await holderOf(device, `usr:${sent.profile}`)
    const read = readOf(room, h.part)
    if (sent.answer['id'] !== id) throw new PosternError('transaction.invalid', { reason: 'another id' })
    const standing = await transactions.standing(id, read)
    if (!standing.ok) return { ok: false as const, refusal: standing }
    if (standing.state !== 'pending') return { ok: false as const, refusal: decided(standing.state) }
    const { enrolment } = sent.answer
    const under = sent.handle !== undefined && typeof enrolment === 'string' ? enrolment : null
    const approves = sent.answer['decision'] === 'approve'
    const types = approves ? (await choicesOf(h, standing.transaction, under)).types : alone
    return { ok: true as const, sent, h, read, types }
  }

  /** The ceremony that a PIN, a passkey, a code or a host's own authenticator confirms with, bound to the answer. */
  async function ceremonyFor(
    { h, sent, read, types }: Extract<Awaited<ReturnType<typeof answering>>, { ok: true }>,
    finishes: boolean,
  ) {
    const { answer, handle, step } = sent
    const enrolled = h.enrolled.find(({ id }) => id === answer['enrolment'])
    const authenticator = enrolled === undefined ? null : registry.get(enrolled.value.type)
    if (enrolled === undefined || authenticator === null || !types.includes(enrolled.value.type))
      throw new PosternError('authenticator.failed', { reason: 'no such choice' })
    const bound = await transactions.bind(deciding(h, types), answer, read)
    if (!bound.ok) return { ok: false as const, refusal: bound }
    const { type } = enrolled.value
    const asked = {
      type,
      purpose: 'confirm' as const,
      device: h.device,
      user: h.part,
      enrolment: enrolled,
      bind: bound.bind,
      ...(handle === undefined ? {} : { handle }),
    }
    const located = finishes && type === PASSKEY
    const c: Ceremony = located ? (await locatedCeremony(room, asked, step ?? null)).ceremony : await ceremonyOf(room, asked)
    return { ok: true as const, authenticator, c }
  }

  return {
    async pending(request) {
      const asked = object({ client_id: clientId, profile })(readQuery(request))
      const { device } = await caller(request, asked.client_id)
      const h = await holderOf(device, `usr:${asked.profile}`)
      const now = clock()
      const waiting = await transactions.pending(placeOf(room, h.part), device.value.app, {
        read: readOf(room, h.part),
        list: (prefix, limit) => store.list(h.part, prefix, { now, limit }),
      })
      const shown = await Promise.all(
        waiting.map(async ({ id, transaction, expiresAt }) => {
          // What policy denies is shown all the same: it can be refused and reported.
          const { choices } = await choicesOf(h, transaction).catch(none)
          return {
            id,
            transaction: encodeBase64url(transaction),
            expires_in: Math.max(0, Math.floor((expiresAt - now) / 1000)),
            choices,
          }
        }),
      )
      return json({ transactions: shown })
    },

    async begin(request, id, host) {
      const at = await answering(request, id)
      if (!at.ok) return refused(at.refusal)
      const made = await ceremonyFor(at, false)
      if (!made.ok) return refused(made.refusal)
      const ran = await runner.begin(made.authenticator, made.c, at.sent.step ?? null, {
        ops: [],
        about: about(at.h, host),
        host,
      })
      if (!ran.ok) return refused(ran.refusal)
      const { handle, body, expiresAt, enrolment, attemptsLeft } = ran.value
      return json({
        handle,
        enrolment,
        step: body,
        expires_in: Math.max(0, Math.floor((expiresAt - clock()) / 1000)),
        ...(attemptsLeft === undefined ? {} : { attempts_left: attemptsLeft }),
      })
    },

    async decide(request, id, host) {
      const at = await answering(request, id)
      if (!at.ok) return refused(at.refusal)
      const { h, sent } = at
      let confirmed: { ceremony: Ceremony; success: Success } | undefined
      if (sent.handle !== undefined) {
        // The proof is committed where its authenticator lives; a crash before the decision leaves the transaction pending.
        const made = await ceremonyFor(at, true)
        if (!made.ok) return refused(made.refusal)
        const around = { ops: [], about: about(h, host), host }
        const again = () => made.authenticator.finish(made.c, sent.step ?? null)
        const verdict = await again()
        const ran = verdict.ok
          ? await runner.settle(made.c, verdict, { ...around, again })
          : await runner.refuse(made.c, verdict, around)
        if (!ran.ok) return refused(ran.refusal)
        confirmed = { ceremony: made.c, success: ran.value }
      }
      const decider = deciding(h, at.types, confirmed)
      let again = false
      const attempt = async (read: Read) => {
        // Somebody wrote in between: perhaps it was the user who changed.
        const user = again ? userOf((await read([userKey.record]))[0] ?? null) : h.user
        if (user?.status !== 'active') throw new PosternError('user.blocked')
        again = true
        return transactions.decide({ ...decider, user }, sent.answer, read)
      }
      const done = await run(room, h.part, attempt, {
        about: about(h, host),
        host,
      })
      return done.ok ? json({ id, state: done.value.state }) : refused(done)
    },

    async scan(request, host) {
      const sent = scanBody(await readJson(request))
      const { client_id, ...input } = sent
      const { device } = await caller(request, client_id)
      const [rec] = await store.read(places.device(device.id), [enrolmentKey(sent.enrolment)], { now: clock() })
      const enrolment = rec ? decodeEnrolment(rec.value) : null
      if (enrolment?.status !== 'active') throw new PosternError('transaction.qr_refused', { reason: 'enrolment' })
      const h = await holderOf(device, enrolment.owner)
      const scanner = {
        issuer: room.issuer,
        tenant,
        app: device.value.app,
        device: { id: device.id, key: device.value.key },
        owner: enrolment.owner,
      }
      const scan = await transactions.scan(scanner, input)
      if (!scan.ok) return refused(scan)
      const waits = { tenant, id: `dg:${encodeBase32(scan.id)}` }
      const claimedBy: ClaimedBy = {
        owner: enrolment.owner,
        data: encodeBase64url(await codec.seal(enrolment.owner, { subject: h.subject, profile: null, preferred: false })),
        id: hex(scan.id),
      }
      // Whose it is stands beside the claim, for the client that shows the picture.
      const told = { op: 'put', key: claimedKey, value: encodeRecord(claimedBy), expiresAt: clock() + CLAIM_MS } as const
      const claimed = await run(room, waits, (read) => transactions.claim(placeOf(room, waits), scanner, scan, read), {
        about: about(h, host),
        ops: [told],
        host,
      })
      if (!claimed.ok) return refused(claimed)
      const { id, transaction } = claimed.value
      const admitted = await run(room, h.part, (read) => transactions.admit(placeOf(room, h.part), { transaction }, read), {
        about: about(h, host),
        host,
      })
      if (!admitted.ok) return refused(admitted)
      const { choices } = await choicesOf(h, transaction).catch(none)
      const expires_in = Math.max(0, Math.floor((admitted.value.expiresAt - clock()) / 1000))
      return json({ id, transaction: encodeBase64url(transaction), expires_in, choices, profile: h.part.id.slice(4) })
    },
  }
}

/** Whoever says no does it with the device alone. */
const alone: readonly string[] = ['device']

/** It has ended; the app learns how, since its device has proved itself. */
function decided(state: string): Pick<Refusal, 'code' | 'reason' | 'body'> {
  return { code: 'transaction.decided', reason: state, body: { state } }
}
