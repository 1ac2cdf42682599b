/**
 * The one interface of every authenticator, and the driver that runs one without the platform.
 *
 * An authenticator reads and writes no store. It answers with the ops of one commit and with what follows from it: the caller commits, merges
 * its own ops and the event into the same commit, and asks for the reply only with the records of an applied one.
 */
import { PosternError } from '@postern/core/errors'
import type { EventType, PosternEvent } from '@postern/core/events'
import { ulid } from '@postern/core/ids'
import type { JsonValue } from '@postern/core/json'
import type { Op, Part, Rec, Runtime } from '@postern/store'
import { newRev } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import { commitSettled } from '@postern/store/settle'
import type { Enrolment } from './enrolment.js'

/** What a proof is for. It stands in every signed and sealed byte: a proof for one purpose is none for another. */
export type Purpose = 'enrol' | 'login' | 'step-up' | 'confirm' | 'change' | 'activate' | 'remove'

/** One ceremony as the caller sees it: who, where, for what. */
export interface Ceremony {
  readonly issuer: string
  readonly tenant: string
  readonly app: string
  readonly purpose: Purpose
  /**
   * Where the enrolment lives, `dev:<client_id>`, or `usr:<h>` for passkeys; all ops address keys inside it. A login that begins before the user
   * is known (a discoverable passkey) names any other partition then, and the user's when it finishes.
   */
  readonly part: Part
  /** The record `u` of a partition `usr:<h>`, as read by whoever judged its status: what is enrolled or proved there re-checks it. */
  readonly user?: { readonly rev: string }
  /** Passkeys of the user: those that may sign in, or that exist already where one is enrolled. At most 32, the last used first. */
  readonly credentials?: readonly { readonly id: Uint8Array; readonly transports: readonly string[] }[]
  /** The device record `d` and the device key; `null` when the device is unknown or another key proved itself. */
  readonly device: { readonly id: string; readonly rev: string; readonly key: JsonWebKey; readonly keyLevel: KeyLevel } | null
  /**
   * Types of the authenticators that already said yes in the same flow, from the caller's own sealed session; never from the app. What takes
   * a code (OTP, sent codes, custom) counts a try only where this names one or `device` proved its key: a stranger locks nobody out.
   */
  readonly proven?: readonly string[]
  /**
   * The enrolment that was asked for; from a cache or a read, since the commits re-check `rev`. `rev` and `value` are `null` where no such record
   * is there; the whole is `null` when a new one is enrolled. Where a finish rewrites `enr/<id>` it writes `value` with its own members
   * changed, so a caller that keeps `data` there passes the new one in.
   */
  readonly enrolment: { readonly id: string; readonly rev: string | null; readonly value: Enrolment | null } | null
  /** What {@link Authenticator.watches} names, where the caller has read it: a host's own authenticator begins with what it kept there. */
  readonly records?: readonly (Rec | null)[]
  /** What a new enrolment is bound to; needed for purpose `enrol` alone. */
  readonly claim?: Claim
  /** 32 bytes that the proof confirms (a transaction), or `null`. */
  readonly bind: Uint8Array | null
  /** The handle of the step before; absent in the first. */
  readonly handle?: string
  readonly userVerification: 'required' | 'preferred' | 'discouraged'
}

/** Where a private key lives, as attested; what is not proven is `software`. */
export type KeyLevel = 'hardware' | 'software'

/** The claim that a pending enrolment expires with: claim in `usr` → enrol in `dev` → activate in `usr` → confirm in `dev`. */
export interface Claim {
  /** End of the claim, ms; see `claimDevice`. */
  readonly until: number
  /** Id of the user's partition, `usr:<h>`. */
  readonly owner: string
  /** Evidence for a key that this enrolment makes (device key, biometric); what is absent counts as `software`. */
  readonly keyLevel?: KeyLevel
  /** The caller's own bytes, kept in the enrolment; ≤ 16 KiB. */
  readonly data: Uint8Array
}

/** An event but for what the caller knows: `id`, `at`, `tenant`, `device`, `app` and the subject. It belongs into the same commit. */
export interface EventDraft {
  readonly type: EventType
  readonly outcome: 'success' | 'failure' | 'refused'
  /** Enrolment id. */
  readonly authenticator?: string
  /** What ties the events of one flow together: the id of a transaction. */
  readonly transaction?: string
  readonly client?: string
  readonly reason?: string
  readonly detail?: Readonly<Record<string, string | number | boolean>>
}

/** Every code that an authenticator of this package refuses with. An app sees `authenticator.failed` for the ways a proof can be wrong. */
export type VerdictCode =
  | 'pin.refused'
  | 'pin.expired'
  | 'pin.suite_unsupported'
  | 'pin.ticket_used'
  | 'key.refused'
  | 'key.expired'
  | 'authenticator.superseded'
  | 'authenticator.locked'
  | 'authenticator.removed'
  | 'authenticator.already_enrolled'
  | 'device.removed'
  | 'enrolment.expired'
  | 'webauthn.malformed'
  | 'webauthn.challenge'
  | 'webauthn.expired'
  | 'webauthn.type'
  | 'webauthn.origin'
  | 'webauthn.cross_origin'
  | 'webauthn.rp'
  | 'webauthn.user_presence'
  | 'webauthn.user_verification'
  | 'webauthn.backup_flags'
  | 'webauthn.algorithm'
  | 'webauthn.attestation_invalid'
  | 'webauthn.attestation_untrusted'
  | 'webauthn.format_unsupported'
  | 'webauthn.credential_taken'
  | 'webauthn.credential_unknown'
  | 'webauthn.not_owner'
  | 'webauthn.signature'
  | 'webauthn.counter_regressed'
  | 'webauthn.backup_eligibility_changed'
  | 'otp.refused'
  | 'otp.expired'
  | 'otp.too_many'
  | 'otp.undelivered'
  | 'custom.failed'
  | 'custom.timeout'
  | 'custom.invalid_result'
  | 'transaction.invalid'
  | 'transaction.pending'
  | 'transaction.cooling_down'
  | 'transaction.unknown'
  | 'transaction.expired'
  | 'transaction.decided'
  | 'transaction.mismatch'
  | 'transaction.qr_refused'

/**
 * A no. Its `ops` (the exhaustion, or none) and `event` are one commit of their own; when that loses, `lost` says what the answer is instead.
 * `next`: `retry` the same authenticator with a new begin; `again` with records freshly read; `removed` it is gone or locked for good.
 */
export interface Refusal {
  readonly ok: false
  readonly code: VerdictCode
  /** The true reason, for the event and the host's log. */
  readonly reason: string
  readonly ops: readonly Op[]
  readonly event: EventDraft | null
  readonly next: 'retry' | 'again' | 'removed'
  /** Tries left; known only where the device key was proved in the same request. */
  readonly attemptsLeft?: number
  /** What a host's own authenticator has to say to the app beside the code. */
  readonly body?: Readonly<Record<string, JsonValue>>
  lost(at: number, current: Rec | null): Refusal
}

/**
 * A step on the way. `reply` needs the records of the applied commit, one for each of `ops` in order: no answer exists before its ops are
 * durable. With no `ops` and no `event` nothing is committed and `reply` takes `[]`. `lost` gets the index within `ops` and what is there: it
 * refuses, or says which commit to try instead (the same request sent again gets the same answer). What is only known once the attempt is
 * counted (a wrong code, a host's function) is refused by `reply`, and that refusal's commit is one of its own.
 */
export interface Step {
  readonly ok: true
  readonly ops: readonly Op[]
  readonly event: EventDraft | null
  reply(recs: readonly (Rec | null)[]): Reply | Refusal | Promise<Reply | Refusal>
  lost(at: number, current: Rec | null): Step | Refusal
}

/** What goes to the app: `body` is the protocol's own message (JSON, base64url members), `handle` comes back with the next one. */
export interface Reply {
  readonly body: Readonly<Record<string, JsonValue>>
  readonly handle: string
  /** ms */
  readonly expiresAt: number
  readonly enrolment: string
  /** Tries left of this counter period, where one was taken. For a caller that has proved its device key in the same request. */
  readonly attemptsLeft?: number
}

/** What a verdict says besides yes; plain data for policy and for the app's screen. */
export interface AuthFacts {
  readonly type: string
  readonly enrolment: string
  readonly purpose: Purpose
  /** ms */
  readonly at: number
  readonly userVerified: boolean
  readonly keyLevel: KeyLevel
  /** Tries that went wrong since the last right one. */
  readonly failures: number
  readonly generation: number
  /** Of a passkey or security key. */
  readonly credential?: CredentialFacts
}

/** What policy may ask of a passkey or security key. */
export interface CredentialFacts {
  /** 32 lower-case hexadecimal digits: the model, zeros where it is not told, or nobody vouches for it in what is attested otherwise. */
  readonly aaguid: string
  /** Somebody trusted vouches for the model. */
  readonly attested: boolean
  /** It may be copied to other devices of its user, and has been. */
  readonly backupEligible: boolean
  readonly backedUp: boolean
  readonly backupChanged: boolean
  /** It counted backwards: there may be two of it. */
  readonly counterRegressed: boolean
}

/** A yes, once its `ops` and `event` are committed. `lost` refuses, or says once which commit to try instead. */
export interface Success {
  readonly ok: true
  readonly ops: readonly Op[]
  readonly event: EventDraft | null
  /** RFC 8176 values. */
  readonly amr: readonly string[]
  readonly facts: AuthFacts
  /** What the client signed, for evidence that must verify later (a confirmed transaction); `null` where a code or a host's word is no signature. */
  readonly proof: { readonly signed: Uint8Array; readonly signature: Uint8Array } | null
  /** 32 bytes shared with the app for one named use; `null` where the protocol makes no key. */
  readonly session: ((use: string) => Promise<Uint8Array>) | null
  /** Where something unique must be claimed before these ops and confirmed after them: a passkey's id. `registerPasskey` does. */
  readonly unique?: Part
  lost(at: number, current: Rec | null): Verdict
}

export type Verdict = Success | Refusal

/** An authenticator: every answer but the last is a `begin`, the last is `finish`. */
export interface Authenticator {
  /** `pin` `device-key` `biometric` `webauthn` `otp` `code` `custom:<name>` */
  readonly type: string
  /** The most a verdict may claim. */
  readonly amr: readonly string[]
  begin(c: Ceremony, input: unknown): Promise<Step | Refusal>
  finish(c: Ceremony, input: unknown): Promise<Verdict>
  /** The ops that end an enrolment of this type beyond `enr/<id>` itself. */
  remove(enrolment: string): readonly Op[]
  /** Keys beside `enr/<id>` whose records {@link Authenticator.locked} judges. */
  watches(enrolment: string): readonly string[]
  /** Whether these records (in the order of `watches`) mean locked. `holding`: the ceremony that took the last attempt may still succeed. */
  locked(records: readonly (Rec | null)[], holding?: string): boolean
  /**
   * Told once a removal is committed, with what {@link Authenticator.watches} named before it: for what a host keeps outside the store.
   * @throws PosternError `custom.failed` | `custom.timeout`; the enrolment is gone all the same
   */
  removed?(c: Ceremony, records: readonly (Rec | null)[]): Promise<void>
}

/** What the stand-alone driver needs, and what a host may add to the commit. */
export interface RunOptions {
  readonly runtime: Pick<Runtime, 'clock' | 'random' | 'store'>
  /** Ops of the host's own for the same commit, after the authenticator's. */
  readonly ops?: readonly Op[]
  /** Members of the event that the host knows: subject, ip, … */
  readonly about?: Partial<PosternEvent>
}

/** What became of a run: the reply of a step, the verdict of a finish, or a refusal. */
export type RunResult<T> = { readonly ok: true; readonly value: T } | Refusal

/**
 * Runs one `begin` without the platform: ops and event in one commit, then the reply.
 * @throws PosternError `store.outcome_unknown` (an attempt counts as spent, nothing is answered) | `store.unavailable`
 */
export async function runBegin(
  authenticator: Authenticator,
  c: Ceremony,
  input: unknown,
  o: RunOptions,
): Promise<RunResult<Reply>> {
  let step = await authenticator.begin(c, input)
  // A second commit answers a repeated request; there is no third.
  for (let round = 0; step.ok && round < 3; round++) {
    const done = await commit(c, step, o)
    if (done.ok) {
      const reply = await step.reply(done.recs)
      return 'ok' in reply ? commitRefusal(c, reply, o) : { ok: true, value: reply }
    }
    step = step.lost(done.at, done.current)
  }
  if (step.ok) throw new PosternError('store.overloaded', { reason: 'a step was lost three times' })
  return commitRefusal(c, step, o)
}

/**
 * Runs a `finish` without the platform: a yes is one only when its commit is applied.
 * @throws PosternError `store.outcome_unknown` | `store.unavailable`
 */
export async function runFinish(
  authenticator: Authenticator,
  c: Ceremony,
  input: unknown,
  o: RunOptions,
): Promise<RunResult<Success>> {
  let verdict = await authenticator.finish(c, input)
  for (let round = 0; verdict.ok && round < 2; round++) {
    const done = await commit(c, verdict, o)
    if (done.ok) return { ok: true, value: verdict }
    verdict = verdict.lost(done.at, done.current)
  }
  if (verdict.ok) throw new PosternError('store.overloaded', { reason: 'a finish was lost twice' })
  return commitRefusal(c, verdict, o)
}

/** Commits what a refusal asks for, and returns the one to answer with. */
export async function commitRefusal(c: Ceremony, refusal: Refusal, o: RunOptions): Promise<Refusal> {
  if (refusal.ops.length === 0 && refusal.event === null) return refusal
  const done = await commit(c, refusal, { ...o, ops: [] })
  return done.ok ? refusal : refusal.lost(done.at, done.current)
}

async function commit(c: Ceremony, plan: { ops: readonly Op[]; event: EventDraft | null }, o: RunOptions) {
  const { clock, random, store } = o.runtime
  const mine = plan.ops.length
  const event = plan.event === null ? [] : [eventOp(completedEvent(c, plan.event, o))]
  const ops = [...plan.ops, ...(o.ops ?? []), ...event]
  if (ops.length === 0) return { ok: true as const, recs: [] }
  // A bare try cannot be settled; what stays unknown counts as spent.
  const result = await commitSettled(store, c.part, ops, { now: clock(), rev: newRev(random) })
  return result.ok ? { ok: true as const, recs: result.recs.slice(0, mine) } : result
}

/** An event with what the caller of a run knows. */
export function completedEvent(c: Ceremony, draft: EventDraft, o: RunOptions): PosternEvent {
  const { clock, random } = o.runtime
  const device = c.device === null ? {} : { device: c.device.id }
  return { ...device, app: c.app, ...o.about, ...draft, id: ulid(clock, random), at: clock(), tenant: c.tenant } as PosternEvent
}
