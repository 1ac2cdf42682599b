/**
 * Enrolments of a user on an instance, as the app asks for them: list, add, change, remove, prefer. Only a confirmed enrolment logs in.
 */
import type { Authenticator, Ceremony, Refusal } from '@postern/authenticators/authenticator'
import { claimMs } from '@postern/authenticators/devices'
import { type Enrolled, enrolmentKey, isEnrolmentId, planData, planRemove } from '@postern/authenticators/enrolment'
import type { Registry } from '@postern/authenticators/registry'
import { equal, utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import { object, optional, text } from '@postern/core/fields'
import type { JsonValue } from '@postern/core/json'
import { newRev, type Op, type Runtime } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import { commitSettled } from '@postern/store/settle'
import type { Places } from '@postern/tokens/places'
import type { Verifier } from '@postern/tokens/resource'
import type { HostContext } from '../node.js'
import { ceremonyOf } from './ceremony.js'
import type { Decider } from './decide.js'
import { buried } from './enrolled.js'
import { aboutOf, createEnrolmentCallers, type EnrolmentCaller } from './enrolmentCaller.js'
import type { EnrolmentDataCodec } from './enrolmentData.js'
import { createEnrolmentSaga } from './enrolmentSaga.js'
import { errorResponse, json, readJson } from './http.js'
import type { Instances } from './instances.js'
import type { Journal } from './journal.js'
import { createRunner, type Ran } from './login/run.js'
import { createPasskeyEnrolments } from './passkeyEnrolments.js'
import { PASSKEY } from './passkeys.js'

export interface EnrolmentOptions {
  readonly runtime: Runtime
  readonly issuer: string
  readonly tenant: string
  readonly places: Places
  readonly registry: Registry
  readonly instances: Instances
  readonly decider: Decider
  readonly journal: Journal
  readonly data: EnrolmentDataCodec
  readonly verify: Verifier
  readonly devicesPerUser: number
  /** How old a login may be for adding, changing or removing an authenticator, seconds. */
  readonly freshSec: number
}

const anyJson = (value: JsonValue): JsonValue => value
const stepBody = object({ handle: optional(text({ max: 65_536 })), step: optional(anyJson) })

export function createEnrolments(o: EnrolmentOptions) {
  const { runtime, registry, places, journal } = o
  const { store, clock, random } = runtime
  const runner = createRunner({ runtime, journal })
  const saga = createEnrolmentSaga(o)
  const ports = { runtime, registry, places, issuer: o.issuer, tenant: o.tenant }
  const passkeys = createPasskeyEnrolments({ runtime, journal })
  const { callerOf, mine, all, permitted } = createEnrolmentCallers(o)

  /** A ceremony of the caller; `data` where it makes an enrolment. */
  function asked(
    c: EnrolmentCaller,
    purpose: 'enrol' | 'change' | 'remove',
    type: string,
    enrolment: Ceremony['enrolment'],
    o: { readonly data?: Uint8Array; readonly handle?: string | undefined } = {},
  ): Promise<Ceremony> {
    const { data, handle } = o
    return ceremonyOf(ports, {
      type,
      purpose,
      device: c.device,
      user: c.user,
      enrolment,
      ...(data === undefined ? {} : { claim: { until: clock() + claimMs, owner: c.user.id, data } }),
      ...(handle === undefined ? {} : { handle }),
    })
  }

  const around = (c: EnrolmentCaller, host: HostContext | undefined) => ({ ops: [] as Op[], about: { subject: c.subject }, host })

  function inService(type: string): Authenticator {
    const found = registry.get(type)
    if (found === null) throw new PosternError('authenticator.disabled')
    return found
  }

  function reply(
    ran: Ran<{ handle: string; body: unknown; expiresAt: number; enrolment: string; attemptsLeft?: number }>,
  ): Response {
    if (!ran.ok) return refused(ran.refusal)
    const { handle, body, expiresAt, enrolment, attemptsLeft } = ran.value
    return json({
      handle,
      enrolment,
      step: body,
      expires_in: Math.max(0, Math.floor((expiresAt - clock()) / 1000)),
      ...(attemptsLeft === undefined ? {} : { attempts_left: attemptsLeft }),
    })
  }

  return {
    async list(request: Request): Promise<Response> {
      const c = await callerOf(request)
      const found = (await all(c)).filter(({ value }) => value.status !== 'pending')
      const enrolments = await Promise.all(
        found.map(async ({ id, value }) => ({
          id,
          type: value.type,
          status: value.status,
          preferred: value.status !== 'removed' && (await o.data.open(value.owner, value.data)).preferred,
        })),
      )
      return json({ enrolments, subject_ref: c.user.id.slice(4) })
    },

    async begin(request: Request, type: string, host: HostContext | undefined): Promise<Response> {
      const c = await callerOf(request)
      const sent = stepBody(await readJson(request))
      const authenticator = inService(type)
      if (sent.handle === undefined) await permitted(c, 'authenticator.enrol')
      const known = await all(c)
      const there = known.find(({ value }) => value.type === type && (value.status === 'active' || value.status === 'locked'))
      // Of passkeys a user has as many as he has authenticators; which of them are there already, the browser is told.
      if (there !== undefined && type !== PASSKEY) throw new PosternError('authenticator.already_enrolled')
      // Whose it is to be: a message for him is addressed by this.
      const data = await o.data.seal(c.user.id, { subject: c.subject, profile: null, preferred: false })
      const step = await asked(c, 'enrol', type, null, { data, handle: sent.handle })
      return reply(await runner.begin(authenticator, step, sent.step ?? null, around(c, host)))
    },

    async finish(request: Request, type: string, host: HostContext | undefined): Promise<Response> {
      const c = await callerOf(request)
      const sent = stepBody(await readJson(request))
      const authenticator = inService(type)
      if (sent.handle === undefined) throw new PosternError('authenticator.disabled', { reason: 'no handle' })
      await permitted(c, 'authenticator.enrol')
      const known = await all(c)
      const preferred = !known.some(({ value }) => value.status === 'active')
      const data = await o.data.seal(c.user.id, { subject: c.subject, profile: null, preferred })
      const step = await asked(c, 'enrol', type, null, { data, handle: sent.handle })
      if (type === PASSKEY) {
        const made = await passkeys.register(authenticator, step, sent.step ?? null, { about: aboutOf(c), born: preferred, host })
        return made.ok ? json({ enrolment: { id: made.value.facts.enrolment, type } }, 201) : refused(made)
      }
      // One of a type, whoever else enrols at the same moment: the record names the one, and two cannot both write it.
      const key = `one/${c.user.id.slice(4)}.${type.replace(':', '~')}`
      const [one] = await store.read(c.part, [key], { now: clock() })
      const taken = known.some(
        ({ id, value }) =>
          value.type === type &&
          (value.status === 'active' ||
            value.status === 'locked' ||
            (value.status === 'pending' && one !== null && one !== undefined && equal(one.value, utf8(id)))),
      )
      const verdict = await authenticator.finish(step, sent.step ?? null)
      if (!verdict.ok) return reply(await runner.refuse(step, verdict, around(c, host)))
      if (taken) throw new PosternError('authenticator.already_enrolled')
      await saga.claim(c)
      const id = verdict.facts.enrolment
      const ran = await runner.settle(step, verdict, {
        ...around(c, host),
        ops: [
          { op: 'put', key, value: utf8(id), rev: one?.rev ?? null },
          ...buried(known.filter(({ value }) => value.type !== PASSKEY)),
        ],
        lost: () => new PosternError('authenticator.already_enrolled'),
        again: () => authenticator.finish(step, sent.step ?? null),
      })
      if (!ran.ok) return refused(ran.refusal)
      await saga.activate(c)
      // With his first authenticator the user exists; a further one was told of by its own event.
      const born = { ...aboutOf(c), type: 'user.registered', outcome: 'success', authenticator: type } as const
      await saga.confirm(c, id, preferred ? born : null, host)
      return json({ enrolment: { id, type } }, 201)
    },

    /** Changing what an enrolment knows (a PIN): every answer but the last. */
    async changeBegin(request: Request, id: string, host: HostContext | undefined): Promise<Response> {
      const c = await callerOf(request)
      const sent = stepBody(await readJson(request))
      const enrolled = standing(id, await mine(c))
      if (sent.handle === undefined) await permitted(c, 'authenticator.change')
      const { type } = enrolled.value
      const authenticator = inService(type)
      const step = await asked(c, 'change', type, enrolled, { handle: sent.handle })
      return reply(await runner.begin(authenticator, step, sent.step ?? null, around(c, host)))
    },

    async changeFinish(request: Request, id: string, host: HostContext | undefined): Promise<Response> {
      const c = await callerOf(request)
      const sent = stepBody(await readJson(request))
      await permitted(c, 'authenticator.change')
      const enrolled = standing(id, await mine(c))
      const authenticator = inService(enrolled.value.type)
      const step = await asked(c, 'change', enrolled.value.type, enrolled, { handle: sent.handle })
      const again = () => authenticator.finish(step, sent.step ?? null)
      const verdict = await again()
      const ran = verdict.ok
        ? await runner.settle(step, verdict, { ...around(c, host), again })
        : await runner.refuse(step, verdict, around(c, host))
      if (!ran.ok) return refused(ran.refusal)
      return json({ enrolment: { id, type: enrolled.value.type } })
    },

    async remove(request: Request, id: string, host: HostContext | undefined): Promise<Response> {
      const c = await callerOf(request)
      await permitted(c, 'authenticator.remove')
      const known = await all(c)
      const enrolled = standing(id, known)
      const { type } = enrolled.value
      const part = type === PASSKEY ? c.user : c.part
      const left = known.filter(
        ({ id: other, value }) => other !== id && value.status === 'active' && registry.get(value.type) !== null,
      )
      // The one that stays must still be there when this commits: two removals at once would leave none. Another partition's cannot be checked,
      // and need not: what is the last of its device stays on it, whatever else the user has.
      const rest = left.find(({ value }) => (value.type === PASSKEY) === (type === PASSKEY))
      if (rest === undefined && (type !== PASSKEY || left.length === 0)) throw new PosternError('pin.required')
      const authenticator = registry.get(type)
      const watched = authenticator?.removed === undefined ? [] : authenticator.watches(id)
      const kept = watched.length === 0 ? [] : await store.read(part, watched, { now: clock() })
      const event = journal.event({
        ...aboutOf(c),
        type: 'authenticator.removed',
        outcome: 'success',
        authenticator: type,
        reason: 'user',
      })
      const ops: readonly Op[] = [
        ...planRemove(enrolled, 'user', authenticator?.remove(id) ?? []),
        ...(rest === undefined ? [] : [{ op: 'check', key: enrolmentKey(rest.id, rest.value.type), rev: rest.rev } as const]),
        eventOp(event),
      ]
      const done = await commitSettled(store, part, ops, { now: clock(), rev: newRev(random) })
      if (!done.ok) throw new PosternError('store.overloaded')
      await journal.shipped(part, [event], host)
      // It is gone whatever the host's own function makes of it: that one keeps nothing here.
      await authenticator?.removed?.(await asked(c, 'remove', type, enrolled), kept).catch(() => undefined)
      return new Response(null, { status: 204 })
    },

    async prefer(request: Request): Promise<Response> {
      const c = await callerOf(request)
      const { id } = object({ id: text({ min: 32, max: 32 }) })(await readJson(request))
      const known = (await all(c)).filter(({ value }) => value.status === 'active' || value.status === 'locked')
      standing(id, known)
      const changes = await Promise.all(
        known.map(async (enrolled) => {
          const kept = await o.data.open(c.user.id, enrolled.value.data)
          const preferred = enrolled.id === id
          if (kept.preferred === preferred) return null
          return {
            passkey: enrolled.value.type === PASSKEY,
            op: planData(enrolled, await o.data.seal(c.user.id, { ...kept, preferred })),
          }
        }),
      )
      // One commit a partition. Between the two both say that they are preferred, and the registry's order decides.
      for (const passkey of [true, false]) {
        const ops = changes.flatMap((change) => (change?.passkey === passkey ? [change.op] : []))
        if (ops.length === 0) continue
        const done = await commitSettled(store, passkey ? c.user : c.part, ops, { now: clock(), rev: newRev(random) })
        if (!done.ok) throw new PosternError('store.overloaded')
      }
      return new Response(null, { status: 204 })
    },
  }
}

export type Enrolments = ReturnType<typeof createEnrolments>

/** The enrolment of an id. @throws PosternError `authenticator.not_enrolled` */
function standing(id: string, among: readonly Enrolled[]): Enrolled {
  const found = isEnrolmentId(id) ? among.find((enrolled) => enrolled.id === id) : undefined
  if (found === undefined || found.value.status === 'removed') throw new PosternError('authenticator.not_enrolled')
  return found
}

/** How a refusal reaches the app: what its proven device may know by name, everything else as one; and what a host's own authenticator says. */
function refused({ code, reason, body, attemptsLeft }: Refusal): Response {
  const known = shown.find((one) => one === code)
  const error = new PosternError(known ?? 'authenticator.failed', { status: 403, reason })
  return errorResponse(
    error,
    {},
    {
      ...(attemptsLeft === undefined ? {} : { attempts_left: attemptsLeft }),
      ...(body === undefined ? {} : { detail: body }),
    },
  )
}

const shown = [
  'authenticator.removed',
  'authenticator.locked',
  'authenticator.already_enrolled',
  'device.removed',
  'enrolment.expired',
  'pin.suite_unsupported',
  'webauthn.credential_taken',
  'otp.too_many',
  'otp.undelivered',
] as const
