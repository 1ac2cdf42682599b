/**
 * Native login: the port behind `/authorize-challenge` (OAuth for First-Party Apps). Policy says which authenticators satisfy the request and which
 * may stand in for which; each answer is one authenticator's step and one commit; policy is asked again before a code is made.
 */
import type { Ceremony, Refusal } from '@postern/authenticators/authenticator'
import { decodeEnrolment, planRemove } from '@postern/authenticators/enrolment'
import { factsOf, type Registry, watchedKeys } from '@postern/authenticators/registry'
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { hex } from '@postern/core/bytes'
import { isPosternError, PosternError } from '@postern/core/errors'
import { ulid } from '@postern/core/ids'
import { type JsonObject, parseJson } from '@postern/core/json'
import type { FallbackCause } from '@postern/policy/document'
import { fallbackFor } from '@postern/policy/obligations'
import { newRev, type Op, type Rec, type Runtime } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import type { ChallengeAnswer, ChallengePort, ChallengeRequest } from '@postern/tokens/challenge'
import type { Places } from '@postern/tokens/places'
import type { HostContext } from '../../node.js'
import type { Decider } from '../decide.js'
import type { Device } from '../deviceRecord.js'
import type { EnrolmentDataCodec } from '../enrolmentData.js'
import { deviceFacts, type Facts, type Methods } from '../facts.js'
import type { Instances } from '../instances.js'
import type { Journal } from '../journal.js'
import { deviceKey } from '../partition.js'
import { type Risk, riskOfEvent } from '../risk.js'
import { statusOf } from '../userStatus.js'
import { authenticatorFacts, type Candidate, type Plan, planLogin } from './plan.js'
import { createRunner } from './run.js'
import { type LoginSession, SESSION_MS, type Sessions } from './session.js'

export interface LoginOptions {
  readonly runtime: Runtime
  readonly issuer: string
  readonly tenant: string
  readonly places: Places
  readonly registry: Registry
  readonly instances: Instances
  readonly decider: Decider
  readonly journal: Journal
  readonly sessions: Sessions
  readonly data: EnrolmentDataCodec
  readonly risk: Risk
  /** Names of levels, weakest first. */
  readonly acr: readonly string[]
  readonly ceiling: (device: Device) => number | undefined
}

const causes: readonly FallbackCause[] = ['unavailable', 'cancelled', 'failed', 'os-lockout', 'key-invalidated', 'user-choice']

export function createLogin(o: LoginOptions): ChallengePort {
  const { runtime, registry, instances, decider, journal, sessions, places } = o
  const { clock, random, store } = runtime
  const runner = createRunner({ runtime, journal })

  return {
    proof: 'joined',
    async challenge(call, context) {
      const device = instances.deviceOf(call.client)
      if (device.value.status !== 'active') throw new PosternError('device.removed')
      try {
        const session = await sessionOf(call, device, context.host)
        const candidates = await candidatesOf(session)
        const form = call.form
        if (form.has('fallback')) return await fallBack(call, device, session, candidates, context.host)
        if (form.has('step')) return await answer(call, device, session, candidates, context.host)
        return await offer(device, session, candidates, form.get('authenticator') ?? null)
      } catch (error) {
        if (isPosternError(error, 'login.invalid_session'))
          return { kind: 'error', error: 'invalid_session', members: { code: error.code } }
        throw error
      }
    },
  }

  /** The session that was sent, or a new one; a new request in an old session starts over with what it remembers. */
  async function sessionOf(call: ChallengeRequest, device: Device, host: HostContext | undefined): Promise<LoginSession> {
    const follows = call.form.has('step') || call.form.has('authenticator') || call.form.has('fallback')
    const sent =
      call.authSession === null ? null : await sessions.open(call.authSession, { device: device.id, jkt: device.value.jkt })
    if (sent !== null && follows) return sent
    if (call.codeChallenge === null) throw new PosternError('login.invalid_session', { reason: 'no session and no request' })
    const request = {
      scope: call.scope,
      resource: call.resource,
      acr: demanded(call.acrValues),
      maxAge: call.maxAge,
      codeChallenge: call.codeChallenge,
    }
    const fresh = {
      id: hex(random(16)),
      done: [],
      fallback: null,
      request,
      flow: ulid(clock, random),
      expiresAt: clock() + SESSION_MS,
    }
    // A session that is kept over a code remembers whose it is and nothing that decides: a lock, a status or a risk of an hour ago is none.
    const profile = call.form.get('profile') ?? sent?.owner.slice(4) ?? null
    return { ...(await read(device, profile, host)), ...fresh }
  }

  /** What a login starts from: the user's enrolments on this device, their locks, his status, his risk. Two reads. */
  async function read(device: Device, profile: string | null, host: HostContext | undefined) {
    const part = places.device(device.id)
    const now = clock()
    const listed = await store.list(part, 'enr/', { now, limit: 64 })
    const active = listed
      .map((rec) => ({ rec, value: decodeEnrolment(rec.value) }))
      .filter(({ value }) => value.status !== 'pending')
    const owners = [...new Set(active.filter(({ value }) => value.status !== 'removed').map(({ value }) => value.owner))]
    const owner = profile === null ? owners[0] : owners.find((one) => one === `usr:${profile}`)
    if (owner === undefined || (profile === null && owners.length > 1)) throw new PosternError('profile.unknown')
    const mine = active.filter(({ value }) => value.owner === owner)
    const watched = watchedKeys(
      registry,
      mine.map(({ rec, value }) => ({ id: rec.key.slice(4), type: value.type })),
    )
    const latest = mine.filter(({ value }) => value.status !== 'removed').sort((a, b) => b.value.usedAt - a.value.usedAt)[0]!
    const { subject, profile: usual } = await o.data.open(owner, latest.value.data)
    const epoch = await places.userEpoch(subject)
    const [status, ...beside] = await store.read(part, [epoch, ...watched], { now })
    const { enrolments } = factsOf(
      registry,
      [...mine.map(({ rec }) => rec), ...beside.filter((rec): rec is Rec => rec !== null)],
      { owner },
    )
    // Tries that were taken and not yet made good: of the counters its authenticator watches, the one that a success starts anew comes first.
    const [counter] = registry.get(latest.value.type)?.watches(latest.rec.key.slice(4)) ?? []
    const failures = beside.find((rec) => rec?.key === counter && counter !== undefined)?.n ?? 0
    const assessed = await o.risk.assess({ subject, device, type: latest.value.type, acr: 0, failures }, usual, host)
    return {
      device: device.id,
      jkt: device.value.jkt,
      owner,
      subject,
      status: statusOf(status ?? null),
      epoch: { key: epoch, rev: status?.rev ?? null },
      failures,
      enrolments: mine.map(({ rec }) => ({
        id: rec.key.slice(4),
        rev: rec.rev,
        value: encodeBase64url(rec.value),
        locked: enrolments.some((view) => view.id === rec.key.slice(4) && view.state === 'locked'),
      })),
      risk:
        assessed === null
          ? null
          : {
              score: assessed.score,
              band: assessed.band,
              calibrated: assessed.calibrated,
              reasons: assessed.reasons.map(({ code }) => code),
            },
    }
  }

  async function candidatesOf(session: LoginSession): Promise<readonly Candidate[]> {
    return Promise.all(
      session.enrolments.map(async ({ id, rev, value, locked }) => {
        const enrolment = decodeEnrolment(decodeBase64url(value)!)
        const { preferred } =
          enrolment.status === 'removed' ? { preferred: false } : await o.data.open(enrolment.owner, enrolment.data)
        return { id, rev, value: enrolment, locked, preferred }
      }),
    )
  }

  /** Policy's word on the session as it stands, and what is left to do. */
  async function judge(device: Device, session: LoginSession, candidates: readonly Candidate[]): Promise<Plan> {
    const ceiling = o.ceiling(device)
    const policy = await decider.policy(ceiling)
    const have = authenticatorFacts(policy, candidates, session.done)
    const facts: Facts = {
      ...deviceFacts(await decider.config(), device.value, clock()),
      'resource.scope': [...session.request.scope],
      'authenticator.methods': listed(have.methods),
      'authenticator.enrolled': listed(have.enrolled),
      'authenticator.usable': listed(have.usable),
      'authenticator.locked': listed(have.locked),
      'authenticator.acr': have.acr ?? 0,
      ...(have.ageSec === null ? {} : { 'authenticator.ageSec': have.ageSec }),
      'user.status': session.status as 'active',
      ...(session.risk === null
        ? {}
        : {
            'risk.score': session.risk.score,
            'risk.band': session.risk.band,
            'risk.calibrated': session.risk.calibrated,
            'risk.reasons': [...session.risk.reasons],
          }),
    }
    const decision = await decider.decide('login', facts, ceiling === undefined ? {} : { ceiling })
    return planLogin({ policy, decision, candidates, done: session.done, demanded: session.request.acr, order: registry.types })
  }

  /** Shows the choices, and begins one of them so that the common case needs no extra trip. */
  async function offer(
    device: Device,
    session: LoginSession,
    candidates: readonly Candidate[],
    wanted: string | null,
  ): Promise<ChallengeAnswer> {
    const plan = await judge(device, session, candidates)
    if (plan.kind !== 'open') return refused(plan, device, session)
    const chosen = wanted === null ? plan.choices[0] : plan.choices.find(({ id }) => id === wanted)
    if (chosen === undefined) return open(session, plan, { code: 'authenticator.not_enrolled' })
    return open(session, plan, await begun(device, session, chosen))
  }

  async function begun(device: Device, session: LoginSession, chosen: Candidate): Promise<JsonObject> {
    const authenticator = registry.get(chosen.value.type)!
    const ran = await runner.begin(authenticator, ceremony(device, chosen), null, around(session, undefined, []))
    if (!ran.ok) throw new PosternError('authenticator.failed', { reason: ran.refusal.reason })
    return { step: { authenticator: chosen.id, handle: ran.value.handle, step: ran.value.body } }
  }

  async function open(
    session: LoginSession,
    plan: Extract<Plan, { kind: 'open' }>,
    members: JsonObject,
  ): Promise<ChallengeAnswer> {
    return {
      kind: 'error',
      error: 'insufficient_authorization',
      members: {
        auth_session: await sessions.seal(session),
        expires_in: Math.max(0, Math.floor((session.expiresAt - clock()) / 1000)),
        acr: o.acr[plan.obligation.acr - 1] ?? null,
        choices: plan.choices.map(({ id, value, preferred }) => ({ id, type: value.type, preferred })),
        fallback: plan.fallback.map(({ from, to, on }) => ({ from, to: [...to], on: [...on] })),
        ...members,
      },
    }
  }

  async function refused(
    plan: Exclude<Plan, { kind: 'open' } | { kind: 'satisfied' }> | Plan,
    device: Device,
    session: LoginSession,
  ): Promise<ChallengeAnswer> {
    const code =
      plan.kind === 'denied'
        ? plan.decision.reason === 'step_up'
          ? 'policy.denied'
          : (plan.decision.reason ?? 'policy.denied')
        : plan.kind === 'unreachable'
          ? plan.code
          : 'policy.denied'
    await journal.refusal({ ...about(device, session), type: 'login.refused', outcome: 'refused', reason: code }, undefined)
    return {
      kind: 'error',
      error: 'access_denied',
      members: { code, ...(plan.kind === 'denied' ? { decision: session.flow } : {}) },
    }
  }

  /** One answer of one authenticator. */
  async function answer(
    call: ChallengeRequest,
    device: Device,
    session: LoginSession,
    candidates: readonly Candidate[],
    host: HostContext | undefined,
  ): Promise<ChallengeAnswer> {
    const sent = readStep(call.form.get('step')!)
    const chosen = candidates.find(({ id }) => id === call.form.get('authenticator'))
    const plan = await judge(device, session, candidates)
    if (plan.kind !== 'open') return refused(plan, device, session)
    if (chosen === undefined || !allowed(plan, session, chosen))
      throw new PosternError('login.invalid_session', { reason: 'no such choice' })
    const authenticator = registry.get(chosen.value.type)!
    if (!sent.finish) {
      const ran = await runner.begin(
        authenticator,
        { ...ceremony(device, chosen), handle: sent.handle },
        sent.step,
        around(session, host, call.proofOps),
      )
      if (!ran.ok) return failed(ran.refusal, session, plan)
      const left = ran.value.attemptsLeft
      return open(session, plan, {
        step: { authenticator: chosen.id, handle: ran.value.handle, step: ran.value.body },
        ...(left === undefined ? {} : { attempts_left: left }),
      })
    }
    return finish(call, device, session, candidates, chosen, sent, plan, host)
  }

  async function finish(
    call: ChallengeRequest,
    device: Device,
    session: LoginSession,
    candidates: readonly Candidate[],
    chosen: Candidate,
    sent: { handle: string; step: unknown },
    plan: Extract<Plan, { kind: 'open' }>,
    host: HostContext | undefined,
  ): Promise<ChallengeAnswer> {
    const authenticator = registry.get(chosen.value.type)!
    const kept = await o.data.open(chosen.value.owner, chosen.value.data)
    const assessed = await o.risk.assess(
      { subject: session.subject, device, type: chosen.value.type, acr: plan.obligation.acr, failures: session.failures },
      kept.profile,
      host,
    )
    // Only a login that succeeds may teach the profile: the bytes go into the record by the finish's own commit.
    const data = await o.data.seal(chosen.value.owner, { ...kept, profile: assessed?.profile ?? kept.profile })
    const c: Ceremony = { ...ceremony(device, { ...chosen, value: { ...chosen.value, data } }), handle: sent.handle }
    const verdict = await authenticator.finish(c, sent.step)
    if (!verdict.ok) {
      const ran = await runner.refuse(c, verdict, around(session, host, call.proofOps))
      return failed(ran.ok ? verdict : ran.refusal, session, plan)
    }
    const done: LoginSession = {
      ...session,
      done: [...session.done, { enrolment: chosen.id, type: chosen.value.type, amr: verdict.amr, at: clock() }],
    }
    const next = await judge(device, done, candidates)
    const last = next.kind === 'satisfied'
    const burn: Op = {
      op: 'put',
      key: deviceKey.challenge(session.id),
      value: new Uint8Array(0),
      rev: null,
      expiresAt: session.expiresAt,
    }
    const succeeded = {
      type: 'login.succeeded',
      outcome: 'success',
      authenticator: chosen.value.type,
      ...riskOfEvent(assessed),
    } as const
    const ran = await runner.settle(c, verdict, {
      ...around(done, host, last ? [...call.proofOps, burn] : call.proofOps),
      lost: (key) => (key === burn.key ? new PosternError('login.invalid_session', { reason: 'used' }) : null),
      events: last ? [{ ...about(device, session), ...succeeded }] : [],
    })
    if (!ran.ok) return failed(ran.refusal, session, plan)
    const updated = withRev(done, chosen.id, verdict.ops, ran.recs, encodeBase64url)
    if (next.kind === 'open') return open(updated, next, await begun(device, updated, next.choices[0]!))
    if (next.kind !== 'satisfied') return refused(next, device, session)
    return code(device, updated, next.level, verdict.facts.failures)
  }

  async function code(device: Device, session: LoginSession, level: number, failures: number): Promise<ChallengeAnswer> {
    const types = session.done.map(({ type }) => type)
    const proven = session.enrolments.filter(({ id }) => session.done.some(({ enrolment }) => enrolment === id))
    return {
      kind: 'code',
      login: {
        subject: session.subject,
        authTime: clock(),
        acr: o.acr[level - 1]!,
        amr: [...new Set(session.done.flatMap(({ amr }) => amr))],
        guards: [
          { key: deviceKey.record, rev: device.rev },
          ...proven.map(({ id, rev }) => ({ key: deviceKey.enrolment(id), rev })),
          // As it was judged, not as it is when the code is made: a block in between ends the code.
          session.epoch,
        ],
        facts: {
          flow: session.flow,
          methods: types,
          enrolments: proven.map(({ id }) => id),
          level,
          status: session.status,
          risk: session.risk === null ? null : { ...session.risk, reasons: [...session.risk.reasons] },
        },
      },
      authSession: await sessions.seal({
        ...session,
        id: hex(random(16)),
        done: [],
        fallback: null,
        expiresAt: clock() + SESSION_MS,
      }),
      scope: session.request.scope,
      codeChallenge: session.request.codeChallenge,
      resource: session.request.resource,
      members: { failures },
    }
  }

  /** Another authenticator in place of one that cannot be used, by an edge that policy lists for that cause. */
  async function fallBack(
    call: ChallengeRequest,
    device: Device,
    session: LoginSession,
    candidates: readonly Candidate[],
    host: HostContext | undefined,
  ): Promise<ChallengeAnswer> {
    const cause = call.form.get('fallback') as FallbackCause
    const from = candidates.find(({ id }) => id === call.form.get('authenticator'))
    const plan = await judge(device, session, candidates)
    if (plan.kind !== 'open') return refused(plan, device, session)
    if (from === undefined || !causes.includes(cause))
      throw new PosternError('login.invalid_session', { reason: 'unknown cause' })
    const have = authenticatorFacts(await decider.policy(o.ceiling(device)), candidates, session.done)
    const types = fallbackFor(plan.obligation, from.value.type, cause, have)
    const to = candidates.find((one) => types.includes(one.value.type) && one.value.status === 'active' && !one.locked)
    const gone = (cause === 'os-lockout' || cause === 'key-invalidated') && from.value.key !== null
    // The key behind it is useless now, whether or not there is a way round it.
    if (gone && from.value.status === 'active') await removeEnrolment(device, session, from, cause, host)
    const left = gone ? session.enrolments.filter(({ id }) => id !== from.id) : session.enrolments
    const next: LoginSession = { ...session, enrolments: left, fallback: { from: from.value.type, on: cause } }
    if (to === undefined) return open(next, plan, { code: 'authenticator.none_usable' })
    await journal.refusal(
      {
        ...about(device, session),
        type: 'login.fallback',
        outcome: 'success',
        authenticator: to.value.type,
        reason: cause,
        detail: { from: from.value.type },
      },
      host,
    )
    return open(next, { ...plan, choices: [to] }, await begun(device, next, to))
  }

  async function removeEnrolment(
    device: Device,
    session: LoginSession,
    from: Candidate,
    cause: 'os-lockout' | 'key-invalidated',
    host: HostContext | undefined,
  ): Promise<void> {
    const part = places.device(device.id)
    const event = journal.event({
      ...about(device, session),
      type: 'authenticator.removed',
      outcome: 'success',
      authenticator: from.value.type,
      reason: cause,
    })
    const ops = [...planRemove(from, cause, registry.get(from.value.type)?.remove(from.id) ?? []), eventOp(event)]
    const done = await store.commit(part, ops, { now: clock(), rev: newRev(random) })
    if (done.ok) await journal.shipped(part, [event], host)
  }

  async function failed(
    refusal: Refusal,
    session: LoginSession,
    plan: Extract<Plan, { kind: 'open' }>,
  ): Promise<ChallengeAnswer> {
    // The device key has proved itself in this request, so it may learn of its own lock or end; how a proof was wrong it may not.
    const known = ['authenticator.removed', 'authenticator.locked', 'device.removed'].includes(refusal.code)
    const code = known ? refusal.code : 'authenticator.failed'
    if (refusal.next !== 'retry') return { kind: 'error', error: 'insufficient_authorization', members: { code } }
    return open(session, plan, { code })
  }

  function ceremony(device: Device, chosen: Candidate): Ceremony {
    return {
      issuer: o.issuer,
      tenant: o.tenant,
      app: device.value.app,
      purpose: 'login',
      part: places.device(device.id),
      device: { id: device.id, rev: device.rev, key: device.value.key, keyLevel: 'software' },
      enrolment: { id: chosen.id, rev: chosen.rev, value: chosen.value },
      bind: null,
      userVerification: 'required',
    }
  }

  function around(session: LoginSession, host: HostContext | undefined, ops: readonly Op[]) {
    const type = { subject: session.subject, transaction: session.flow, ...(host?.ip === undefined ? {} : { ip: host.ip }) }
    return { ops, about: type, host }
  }

  function about(device: Device, session: LoginSession) {
    const { app, version, platform, os } = device.value
    return {
      device: device.id,
      subject: session.subject,
      transaction: session.flow,
      app,
      appVersion: version,
      platform,
      ...(os === null ? {} : { osVersion: os }),
    }
  }

  /** The least of the levels that would do; a login needs none of them in particular. */
  function demanded(values: readonly string[]): number {
    if (values.length === 0) return 0
    const levels = values.map((value) => o.acr.indexOf(value) + 1).filter((level) => level > 0)
    if (levels.length === 0) throw new PosternError('acr.unreachable')
    return Math.min(...levels)
  }

  /** Whether an answer of this enrolment has a place in the plan: a choice, or what an allowed fallback led to. */
  function allowed(plan: Extract<Plan, { kind: 'open' }>, session: LoginSession, chosen: Candidate): boolean {
    if (plan.choices.some(({ id }) => id === chosen.id)) return true
    const edge = session.fallback
    return (
      edge !== null &&
      plan.fallback.some(
        ({ from, to, on }) => from === edge.from && to.includes(chosen.value.type) && on.includes(edge.on as FallbackCause),
      )
    )
  }
}

function listed(types: ReadonlySet<string> | null): Methods {
  return [...(types ?? [])] as unknown as Methods
}

/** `{ handle, step, finish }`, base64url of JSON. */
function readStep(text: string): { handle: string; step: unknown; finish: boolean } {
  const bytes = text.length <= 65_536 ? decodeBase64url(text) : null
  const value = bytes === null ? null : (parseJson(bytes) as JsonObject)
  if (value === null || typeof value['handle'] !== 'string') throw new PosternError('login.invalid_session', { reason: 'step' })
  return { handle: value['handle'], step: value['step'] ?? null, finish: value['finish'] === true }
}

/** The session with the rev and bytes that a verdict's commit gave an enrolment. */
function withRev(
  session: LoginSession,
  id: string,
  ops: readonly Op[],
  recs: readonly (Rec | null)[],
  text: (bytes: Uint8Array) => string,
): LoginSession {
  const at = ops.findIndex((op) => op.op === 'put' && op.key === deviceKey.enrolment(id))
  const rec = at < 0 ? null : (recs[at] ?? null)
  if (rec === null) return session
  return {
    ...session,
    enrolments: session.enrolments.map((one) => (one.id === id ? { ...one, rev: rec.rev, value: text(rec.value) } : one)),
  }
}
