/** What all operations share: the ports, the state, the network and the session. */
import { encodeBase64url } from '@postern/core/base64url'
import { PosternError } from '@postern/core/errors'
import type { ClientOptions } from '../client.js'
import type { BlockListSource } from './blockLists.js'
import type { Net } from './net.js'
import type { Sessions } from './session.js'
import type { ClientState, InstanceState, ProfileState, StateStore } from './state.js'

export interface Kit {
  readonly options: ClientOptions
  readonly issuer: string
  /** Audience of the API's tokens. */
  readonly resource: string
  readonly state: StateStore
  readonly net: Net
  readonly sessions: Sessions
  readonly blockLists: BlockListSource
}

/** The instance, or `device.removed`: call `start` first. */
export function instanceOf({ instance }: ClientState): InstanceState {
  if (instance === null) throw new PosternError('device.removed', { reason: 'not started' })
  return instance
}

/** The profile of an id. @throws PosternError `profile.unknown` */
export function profileOf({ profiles }: ClientState, id: string): ProfileState {
  const found = profiles.find((profile) => profile.id === id && profile.confirmed)
  if (found === undefined) throw new PosternError('profile.unknown')
  return found
}

/** The state with one profile changed; `null` removes it. */
export function withProfile(state: ClientState, id: string, change: (profile: ProfileState) => ProfileState | null): ClientState {
  return { ...state, profiles: state.profiles.flatMap((profile) => (profile.id === id ? (change(profile) ?? []) : [profile])) }
}

/** The profile without one enrolment; a PIN takes its slots along. `null` when none is left. */
export function withoutEnrolment(profile: ProfileState, id: string): ProfileState | null {
  const enrolments = profile.enrolments.filter((one) => one.id !== id)
  const slots = profile.slots.filter(({ enrolment }) => enrolment !== id)
  return enrolments.length === 0 ? null : { ...profile, enrolments, slots }
}

/** A code verifier and its S256 challenge (RFC 7636 §4). */
export async function pkce({ options }: Kit): Promise<{ verifier: string; challenge: string }> {
  const { random, crypto } = options.runtime
  const verifier = encodeBase64url(random(32))
  const digest = await crypto.digest('SHA-256', new TextEncoder().encode(verifier))
  return { verifier, challenge: encodeBase64url(digest) }
}
