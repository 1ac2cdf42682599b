/**
 * The registration of a passkey as a saga over two partitions: claim its id (ix) → write it, pending (usr) → confirm the claim (ix) → activate
 * (usr). Each step is one commit, and a crash between any two leaves a claim and a pending record that expire together: no credential signs in
 * whose id is not held, and no id is held for good without a credential behind it.
 */
import { PosternError } from '@postern/core/errors'
import { newRev, type Op, type Part, type Rec, type Store } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import { settle } from '@postern/store/settle'
import {
  type Authenticator,
  type Ceremony,
  commitRefusal,
  completedEvent,
  type RunOptions,
  type RunResult,
  type Success,
} from '../authenticator.js'
import { decodeEnrolment, enrolmentKey, planConfirm } from '../enrolment.js'
import { type PasskeyClaim, putClaim, readClaim } from '../internal/passkeyClaim.js'
import { refusal } from '../internal/refusal.js'

/** What {@link registerPasskey} needs beyond a single commit's driver. */
export interface RegisterOptions extends RunOptions {
  /** How far the clocks of two nodes may be apart, twice over: the store's own `graceMs`. @defaultValue 60,000 */
  readonly graceMs?: number
}

/** As often as a claim is looked at anew because somebody changed it meanwhile. */
const MAX_ROUNDS = 4

/**
 * Finishes an enrolment of `webauthn`. The host's `ops` and the event go into the last commit, which makes the passkey one.
 * @param input - what the browser gave
 * @throws PosternError `store.outcome_unknown` (whether the passkey is active is not known; an unfinished one expires) | `store.unavailable`
 */
export async function registerPasskey(
  webauthn: Authenticator,
  c: Ceremony,
  input: unknown,
  o: RegisterOptions,
): Promise<RunResult<Success>> {
  const verdict = await webauthn.finish(c, input)
  if (!verdict.ok) return commitRefusal(c, verdict, o)
  const { unique } = verdict
  if (unique === undefined || c.claim === undefined)
    throw new PosternError('authenticator.invalid', { reason: 'no passkey is enrolled here' })
  const name = verdict.facts.enrolment
  const claim: PasskeyClaim = { owner: c.part.id, name, until: c.claim.until, confirmed: false }
  const claimed = await holdClaim(unique, claim, o)
  if (!claimed.ok) return claimed
  const pending = await writePending(c, verdict, o)
  if (!pending.ok) return pending
  const confirmed = await commit(o, unique, [putClaim({ ...claim, confirmed: true }, claimed.value)])
  if (!confirmed.ok) return refusal('enrolment.expired', 'claim')
  const rec = pending.value
  const active = planConfirm({ id: name, rev: rec.rev, value: decodeEnrolment(rec.value) })
  const event = verdict.event === null ? [] : [eventOp(completedEvent(c, verdict.event, o))]
  const done = await commit(o, c.part, [verdict.ops[0]!, active, ...(o.ops ?? []), ...event])
  if (done.ok) return { ok: true, value: verdict }
  if (done.at === 1) return refusal('enrolment.expired', 'pending')
  // The user changed meanwhile, or what the host's own ops are about.
  return refusal('authenticator.superseded', 'activation', { next: 'again' })
}

/**
 * Claims the id. A claim of the same user's for the same credential is shared, not taken over: of two answers sent at once one registers.
 * @returns the claim's `rev`
 */
async function holdClaim(part: Part, claim: PasskeyClaim, o: RegisterOptions): Promise<RunResult<string>> {
  let rev: string | null = null
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const done = await commit(o, part, [putClaim(claim, rev)])
    if (done.ok) return { ok: true, value: done.recs[0]!.rev }
    const { current } = done
    const held = current === null ? null : readClaim(current.value)
    if (held !== null && !held.confirmed && held.owner === claim.owner && held.name === claim.name)
      return { ok: true, value: current!.rev }
    if (held !== null && !(await isVoid(part, held, o))) return refusal('webauthn.credential_taken', 'claimed')
    rev = current?.rev ?? null
  }
  throw new PosternError('store.overloaded', { reason: 'a claim changed four times' })
}

/**
 * Whether a claim may be taken over: a confirmed one when no credential stands behind it past both expiries and the grace, so that an activation
 * which is merely late finds its pending record gone.
 */
async function isVoid(part: Part, held: PasskeyClaim, o: RegisterOptions): Promise<boolean> {
  const { clock, store } = o.runtime
  if (!held.confirmed || clock() <= held.until + (o.graceMs ?? 60_000)) return false
  const [rec] = await store.read({ tenant: part.tenant, id: held.owner }, [enrolmentKey(held.name, 'webauthn')], { now: clock() })
  return rec == null || decodeEnrolment(rec.value).status === 'removed'
}

/** @returns the pending record */
async function writePending(c: Ceremony, verdict: Success, o: RunOptions): Promise<RunResult<Rec>> {
  let plan = verdict
  for (let round = 0; ; round++) {
    const done = await commit(o, c.part, plan.ops)
    if (done.ok) return { ok: true, value: done.recs[2]! }
    const next = plan.lost(done.at, done.current)
    if (!next.ok) return next
    if (round === 1) return refusal('webauthn.credential_taken', 'registered meanwhile')
    plan = next
  }
}

function commit({ runtime }: RunOptions, part: Part, ops: readonly Op[]): ReturnType<Store['commit']> {
  const { clock, random, store } = runtime
  return settle(store, part, ops, { now: clock(), rev: newRev(random) })
}
