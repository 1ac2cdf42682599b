/** One call of a login: what it needs around it, and what every step of it carries. */
import type { Registry } from '@postern/authenticators/registry'
import type { Op, Runtime } from '@postern/store'
import type { ChallengeRequest } from '@postern/tokens/challenge'
import type { Places } from '@postern/tokens/places'
import type { HostContext } from '../../node.js'
import type { Asked } from '../ceremony.js'
import type { Decider } from '../decide.js'
import type { Device } from '../deviceRecord.js'
import type { EnrolmentDataCodec } from '../enrolmentData.js'
import type { Instances } from '../instances.js'
import type { EventDraft, Journal } from '../journal.js'
import type { Risk } from '../risk.js'
import type { Candidate } from './plan.js'
import type { Around, Runner } from './run.js'
import type { LoginSession, Sessions } from './session.js'

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

/** The options, and what runs an authenticator's steps. */
export interface LoginRoom extends LoginOptions {
  readonly runner: Runner
}

/** Who is logging in, where, and what he may choose from. */
export interface Attempt {
  readonly call: ChallengeRequest
  readonly device: Device
  readonly session: LoginSession
  readonly candidates: readonly Candidate[]
  readonly host: HostContext | undefined
}

/** What a step of an enrolment is asked with: on the attempt's device, after the factors that the session has already. */
export function askedOf({ tenant }: LoginRoom, at: Pick<Attempt, 'device' | 'session'>, { id, rev, value }: Candidate): Asked {
  return {
    type: value.type,
    purpose: 'login',
    device: at.device,
    user: { tenant, id: value.owner },
    enrolment: { id, rev, value },
    proven: at.session.done.map(({ type }) => type),
  }
}

/** What goes into the commit of a step beside the authenticator's own ops. */
export function aroundOf({ session, host }: Pick<Attempt, 'session' | 'host'>, ops: readonly Op[]): Around {
  const ip = host?.ip === undefined ? {} : { ip: host.ip }
  return { ops, about: { subject: session.subject, transaction: session.flow, ...ip }, host }
}

/** What every event of an attempt says. */
export function aboutOf({ device, session }: Pick<Attempt, 'device' | 'session'>): Partial<EventDraft> {
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
