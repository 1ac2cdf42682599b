/** The last word before a token: device, policy and configuration as they are now, not as they were at login (T50). */
import { decodeEnrolment, enrolmentKey } from '@postern/authenticators/enrolment'
import type { JsonObject } from '@postern/core/json'
import type { Runtime, Store } from '@postern/store'
import type { Guard } from '@postern/tokens/login'
import type { GrantView, Recheck } from '@postern/tokens/recheck'
import type { Decider } from './decide.js'
import { type Device, deviceOf } from './deviceRecord.js'
import { deviceFacts, type Facts, type Methods } from './facts.js'
import type { Instances } from './instances.js'
import { deviceKey, userKey } from './partition.js'
import { PASSKEY, userOf } from './passkeys.js'

/** What a login put into its handle for this moment. */
interface LoginFacts {
  readonly methods?: readonly string[]
  /** The enrolments that proved it: what becomes of them becomes of the grant. */
  readonly enrolments?: readonly string[]
  /** The same of his passkeys, and the id of the partition that they live in. */
  readonly passkeys?: readonly string[]
  readonly owner?: string
  readonly level?: number
  /** The user's status when he logged in; a change of it moves his epoch, which ends the grant. */
  readonly status?: 'active' | 'blocked' | 'pending' | 'deregistered'
  readonly registration?: true
  readonly risk?: {
    readonly score: number
    readonly band: 'low' | 'raised' | 'high'
    readonly calibrated: boolean
    readonly reasons: readonly string[]
  } | null
}

export function createRecheck(o: {
  instances: Instances
  decider: Decider
  clock: () => number
  store: Store
  ceiling: (device: Device) => number | undefined
  issuer: string
  tenant: string
}): Recheck {
  const { instances, decider, clock, issuer } = o
  return async (grant, at) => {
    if (grant.client.kind !== 'instance') return { ok: true }
    const current = grant.current?.key === deviceKey.record ? grant.current.rec : null
    if (current !== null) instances.forget(grant.client.id)
    const device = current === null ? await instances.device(grant.client.id) : deviceOf(grant.client.id, current)
    if (device === null || device.value.status !== 'active') return { ok: false, error: 'invalid_grant', code: 'device.removed' }
    const login = (grant.facts ?? {}) as LoginFacts
    const proven = await provenBy(grant, login.enrolments ?? [], o)
    if (!proven.ok) return proven
    const passkeys = await standingPasskeys(login, o)
    if (!passkeys.ok) return passkeys
    const config = await decider.config()
    const age = grant.authTime === null ? null : Math.max(0, Math.floor((clock() - grant.authTime) / 1000))
    const facts: Facts = {
      ...deviceFacts(config, device.value, clock()),
      'resource.scope': [...grant.scope],
      'resource.type': grant.resource,
      ...(login.status === undefined ? {} : { 'user.status': login.status }),
      'authenticator.methods': [...(login.methods ?? [])] as unknown as Methods,
      'authenticator.acr': login.level ?? 0,
      ...(age === null ? {} : { 'authenticator.ageSec': age }),
      ...(login.risk
        ? {
            'risk.score': login.risk.score,
            'risk.band': login.risk.band,
            'risk.calibrated': login.risk.calibrated,
            'risk.reasons': [...login.risk.reasons],
          }
        : {}),
    }
    const ceiling = o.ceiling(device)
    // The host's page said who it is, and the token is for enrolling alone: that is a registration, once.
    const byPage =
      grant.facts === null && at === 'code' && grant.resource === issuer && grant.scope.every((one) => one === 'enrol')
    const action = login.registration || byPage ? 'user.register' : at === 'refresh' ? 'token.refresh' : 'token.issue'
    const decision = await decider.decide(action, facts, ceiling === undefined ? {} : { ceiling })
    // At this point nobody can be asked for more: a demand that is not met is a no.
    if (decision.outcome !== 'allow')
      return {
        ok: false,
        error: 'access_denied',
        code: decision.reason === null || decision.reason === 'step_up' ? 'policy.denied' : decision.reason,
      }
    return {
      ok: true,
      guards: [{ key: deviceKey.record, rev: device.rev }, ...proven.guards],
      seen: Object.fromEntries(proven.guards.map(({ key, rev }) => [key, rev])),
      claims: {
        facts: publicFacts(facts) as unknown as JsonObject,
        app_id: device.value.app,
        app_platform: device.value.platform,
        app_version: device.value.version,
      },
    }
  }
}

/**
 * The enrolments behind a grant, each at the rev at which it was last known to be active: the commit checks it, and brings what is there where
 * that is something else. So a lock or a removal ends what it proved, without a read.
 */
async function provenBy(
  { guards, seen, current, part }: GrantView,
  enrolments: readonly string[],
  { store, clock }: Pick<Runtime, 'store' | 'clock'>,
): Promise<{ readonly ok: true; readonly guards: readonly Guard[] } | Extract<Awaited<ReturnType<Recheck>>, { ok: false }>> {
  const keys = enrolments.map(deviceKey.enrolment)
  // Something has moved: all of them as they are now, in one read.
  const now = current === null || keys.length === 0 ? null : await store.read(part, keys, { now: clock() })
  const known: Guard[] = []
  for (const [i, key] of keys.entries()) {
    const before = guards.find((guard) => guard.key === key)?.rev ?? seen?.[key]
    if (now === null && typeof before === 'string') {
      known.push({ key, rev: before })
      continue
    }
    const rec = now?.[i] ?? null
    const status = rec === null ? 'removed' : decodeEnrolment(rec.value).status
    if (status === 'locked') return { ok: false, error: 'access_denied', code: 'authenticator.locked' }
    if (rec === null || status !== 'active') return { ok: false, error: 'invalid_grant', code: 'authenticator.removed' }
    known.push({ key, rev: rec.rev })
  }
  return { ok: true, guards: known }
}

/**
 * The passkeys behind a grant, and their user, as they are now: they live in his partition, where no commit of an instance can check them. What ends
 * while this grant's commit is under way is met at the next.
 */
async function standingPasskeys(
  { passkeys = [], owner }: LoginFacts,
  { store, clock, tenant }: Pick<Runtime, 'store' | 'clock'> & { readonly tenant: string },
): Promise<{ readonly ok: true } | Extract<Awaited<ReturnType<Recheck>>, { ok: false }>> {
  if (passkeys.length === 0 || owner === undefined) return { ok: true }
  const keys = passkeys.map((id) => enrolmentKey(id, PASSKEY))
  const [u, ...recs] = await store.read({ tenant, id: owner }, [userKey.record, ...keys], { now: clock() })
  if (userOf(u ?? null)?.status !== 'active') return { ok: false, error: 'access_denied', code: 'user.blocked' }
  for (const rec of recs) {
    const status = rec === null ? 'removed' : decodeEnrolment(rec.value).status
    if (status === 'locked') return { ok: false, error: 'access_denied', code: 'authenticator.locked' }
    if (status !== 'active') return { ok: false, error: 'invalid_grant', code: 'authenticator.removed' }
  }
  return { ok: true }
}

/** The facts that a resource server may decide on, five minutes long: nothing that policy calls secret, since the app can read its own token. */
const shown = [
  'app.id',
  'app.version',
  'app.versionStatus',
  'os.platform',
  'os.version',
  'device.new',
  'device.ageDays',
  'device.locked',
  'user.status',
  'authenticator.methods',
  'authenticator.acr',
] as const

export function publicFacts(facts: Facts): Facts {
  const out: Record<string, unknown> = {}
  for (const name of shown) if (facts[name] !== undefined) out[name] = facts[name]
  return out as Facts
}
