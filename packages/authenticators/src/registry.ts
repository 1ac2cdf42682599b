/** The authenticators that a host offers, by type, and what a device's records say about them. */
import { PosternError } from '@postern/core/errors'
import type { Rec } from '@postern/store'
import type { Authenticator } from './authenticator.js'
import { decodeEnrolment, type Enrolment } from './enrolment.js'

/** Authenticators by type; the order is the default preference. */
export interface Registry {
  readonly types: readonly string[]
  get(type: string): Authenticator | null
}

/** Facts for policy, by their names there. */
export interface EnrolmentFacts {
  readonly 'authenticator.enrolled': readonly string[]
  readonly 'authenticator.usable': readonly string[]
  readonly 'authenticator.locked': readonly string[]
}

/** One enrolment as `factsOf` judged it. */
export interface EnrolmentView {
  readonly id: string
  readonly rev: string
  readonly value: Enrolment
  readonly state: 'pending' | 'usable' | 'locked' | 'removed' | 'disabled'
}

const TYPE = /^(pin|device-key|biometric|webauthn|otp|code|custom:[a-z0-9][a-z0-9-]{0,31})$/
/** RFC 8176 §2. */
const AMR: ReadonlySet<string> = /* @__PURE__ */ new Set(
  'face fpt geo hwk iris kba mca mfa otp pin pop pwd rba retina sc sms swk tel user vbm wia'.split(' '),
)

/** Whether a value may stand in `amr`: one of RFC 8176, or an absolute URI. */
export function isAmr(value: string): boolean {
  return AMR.has(value) || URL.canParse(value)
}

/**
 * Builds the registry.
 * @throws PosternError `authenticator.invalid` for a type that is unknown or there twice, or an `amr` that RFC 8176 does not have and that is no absolute URI
 */
export function createRegistry(authenticators: readonly Authenticator[]): Registry {
  const byType = new Map<string, Authenticator>()
  for (const a of authenticators) {
    if (!TYPE.test(a.type)) throw invalid(`type ${a.type}`)
    if (byType.has(a.type)) throw invalid(`type ${a.type} twice`)
    for (const value of a.amr) if (!isAmr(value)) throw invalid(`amr ${value} of ${a.type}`)
    byType.set(a.type, a)
  }
  return { types: [...byType.keys()], get: (type) => byType.get(type) ?? null }
}

/**
 * What the records of a device's partition mean for one user. A PIN whose counter is at its end is locked even before the commit that says
 * so, so no other flow walks around it; only for the ceremony that holds the last attempt it is not.
 * @param records - everything live that is listed under `enr/` and `wa/`, and every key that {@link watchedKeys} names
 * @param o.owner - the user's partition id; enrolments of others on the same device are not looked at
 * @param o.holding - `rev` of the counter that the present ceremony holds
 */
export function factsOf(
  registry: Registry,
  records: readonly Rec[],
  o: { readonly owner: string; readonly holding?: string },
): { readonly facts: EnrolmentFacts; readonly enrolments: readonly EnrolmentView[] } {
  const byKey = new Map(records.map((rec) => [rec.key, rec]))
  const enrolments: EnrolmentView[] = []
  for (const rec of records) {
    const id = /^(?:enr|wa)\/(.+)$/.exec(rec.key)?.[1]
    if (id === undefined) continue
    const value = decodeEnrolment(rec.value)
    if (value.owner !== o.owner) continue
    enrolments.push({ id, rev: rec.rev, value, state: stateOf(registry, id, value, byKey, o.holding) })
  }
  const types = (...states: readonly EnrolmentView['state'][]) => [
    ...new Set(enrolments.filter((e) => states.includes(e.state)).map((e) => e.value.type)),
  ]
  return {
    facts: {
      'authenticator.enrolled': types('usable', 'locked', 'disabled'),
      'authenticator.usable': types('usable'),
      'authenticator.locked': types('locked'),
    },
    enrolments,
  }
}

/** The keys beside `enr/…` that `factsOf` needs for these enrolments. */
export function watchedKeys(
  registry: Registry,
  enrolments: readonly { readonly id: string; readonly type: string }[],
): readonly string[] {
  return enrolments.flatMap((e) => registry.get(e.type)?.watches(e.id) ?? [])
}

function stateOf(
  registry: Registry,
  id: string,
  value: Enrolment,
  records: ReadonlyMap<string, Rec>,
  holding: string | undefined,
): EnrolmentView['state'] {
  if (value.status !== 'active') return value.status
  const authenticator = registry.get(value.type)
  if (authenticator === null) return 'disabled'
  const watched = authenticator.watches(id).map((key) => records.get(key) ?? null)
  return authenticator.locked(watched, holding) ? 'locked' : 'usable'
}

function invalid(reason: string): PosternError {
  return new PosternError('authenticator.invalid', { publicMessage: `The registry cannot take this authenticator: ${reason}.` })
}
