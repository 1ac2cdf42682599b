/** Who calls the endpoints of enrolments, with what he has, and whether policy lets him. */
import type { Enrolled } from '@postern/authenticators/enrolment'
import { PosternError } from '@postern/core/errors'
import type { PosternEvent } from '@postern/core/events'
import type { JsonValue } from '@postern/core/json'
import type { Part } from '@postern/store'
import type { Verified } from '@postern/tokens/resource'
import { denied } from './decide.js'
import type { Device } from './deviceRecord.js'
import { enrolledOn } from './enrolled.js'
import type { EnrolmentOptions } from './enrolments.js'
import { deviceFacts, type Methods } from './facts.js'
import { PASSKEY, passkeysOf } from './passkeys.js'
import { statusOf, type UserStatus } from './userStatus.js'

/** What a call of these endpoints is about: who, on which device. */
export interface EnrolmentCaller {
  readonly verified: Verified
  readonly device: Device
  readonly part: Part
  readonly user: Part
  readonly subject: string
  /** His status on this instance. */
  readonly status: UserStatus
}

/** What every event of a call says. */
export function aboutOf({
  device,
  subject,
}: EnrolmentCaller): Pick<PosternEvent, 'device' | 'subject' | 'app' | 'appVersion' | 'platform'> {
  const { app, version: appVersion, platform } = device.value
  return { device: device.id, subject, app, appVersion, platform }
}

export interface EnrolmentCallers {
  /** @throws PosternError `token.*` | `dpop.*` | `device.removed` | `login.required` */
  callerOf(request: Request): Promise<EnrolmentCaller>
  /** What the user has on this device. */
  mine(c: EnrolmentCaller): Promise<readonly Enrolled[]>
  /** The same, and, where there are any, his passkeys. */
  all(c: EnrolmentCaller): Promise<readonly Enrolled[]>
  /** @throws PosternError `login.required` | policy's reason */
  permitted(c: EnrolmentCaller, action: 'authenticator.enrol' | 'authenticator.change' | 'authenticator.remove'): Promise<void>
}

export function createEnrolmentCallers(o: EnrolmentOptions): EnrolmentCallers {
  const { registry, places } = o
  const { store, clock } = o.runtime

  async function callerOf(request: Request): Promise<EnrolmentCaller> {
    const verified = await o.verify(request, { kind: ['user'] })
    const device = await o.instances.device(verified.clientId)
    if (device === null || device.value.status !== 'active') throw new PosternError('device.removed')
    const fresh = verified.authTime !== null && clock() - verified.authTime <= o.freshSec * 1000
    if (!verified.scope.includes('enrol') && !fresh) throw new PosternError('login.required')
    const part = places.device(device.id)
    const [epoch] = await store.read(part, [await places.userEpoch(verified.subject)], { now: clock() })
    return {
      verified,
      device,
      part,
      user: await places.user(verified.subject),
      subject: verified.subject,
      status: statusOf(epoch ?? null),
    }
  }

  async function mine(c: EnrolmentCaller): Promise<readonly Enrolled[]> {
    return (await enrolledOn(store, c.part, clock())).filter(({ value }) => value.owner === c.user.id)
  }

  async function all(c: EnrolmentCaller): Promise<readonly Enrolled[]> {
    const own = await mine(c)
    return registry.get(PASSKEY) === null ? own : [...own, ...(await passkeysOf(store, c.user, clock()))]
  }

  async function permitted(
    c: EnrolmentCaller,
    action: 'authenticator.enrol' | 'authenticator.change' | 'authenticator.remove',
  ): Promise<void> {
    const config = await o.decider.config()
    // What the login behind the token proved stands in the token; a registration proved no authenticator.
    const proven = (c.verified.claims['facts'] ?? {}) as { readonly [name: string]: JsonValue }
    const level = proven['authenticator.acr']
    const decision = await o.decider.decide(action, {
      ...deviceFacts(config, c.device.value, clock()),
      'user.status': c.status,
      'authenticator.methods': (proven['authenticator.methods'] ?? []) as unknown as Methods,
      'authenticator.acr': typeof level === 'number' ? level : 0,
      ...(c.verified.authTime === null
        ? {}
        : { 'authenticator.ageSec': Math.max(0, Math.floor((clock() - c.verified.authTime) / 1000)) }),
    })
    if (decision.outcome === 'allow') return
    // Nobody can be asked here: a login that reaches the level is made first, and comes back with its token.
    if (decision.outcome === 'require' || decision.cause === 'no-usable-authenticator') throw new PosternError('login.required')
    throw denied(decision)
  }

  return { callerOf, mine, all, permitted }
}
