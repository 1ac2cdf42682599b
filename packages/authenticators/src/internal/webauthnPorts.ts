/** What every step of the WebAuthn authenticator needs. */
import type { Sealer } from '@postern/core/sealed'
import type { Runtime } from '@postern/store'
import type { Ceremony } from '../authenticator.js'
import type { AttestationTrust } from '../webauthn/attestation.js'
import type { AttestationConveyance, Hint } from '../webauthn/messages.js'
import type { Context } from './context.js'
import type { CredentialKeys } from './keyCache.js'
import type { WebauthnChallenge, WebauthnPolicy } from './webauthnHandle.js'

export interface WebauthnPorts {
  readonly rp: { readonly id: string; readonly name: string }
  readonly rules: { readonly origins: readonly string[]; readonly topOrigins: readonly string[]; readonly crossOrigin: boolean }
  readonly algorithms: readonly number[]
  readonly conveyance: AttestationConveyance
  readonly trusted: boolean
  readonly trust: () => AttestationTrust
  readonly selection: {
    readonly residentKey: 'discouraged' | 'preferred' | 'required'
    readonly authenticatorAttachment?: 'platform' | 'cross-platform'
  }
  readonly hints: readonly Hint[]
  readonly label: (c: Ceremony) => { readonly name: string; readonly displayName: string }
  readonly onRegression: 'refuse' | 'report' | undefined
  readonly seal: Sealer
  readonly runtime: Pick<Runtime, 'clock' | 'random' | 'crypto'>
  readonly keys: CredentialKeys
}

/** The type of every handle here. */
export const handleType = 'webauthn.challenge'

/** What the options of a ceremony are made from, and its answer judged by. */
export function policyOf(
  { rp, rules, algorithms, trusted }: WebauthnPorts,
  { userVerification }: Pick<Ceremony, 'userVerification'>,
  partition: string,
  allowed: readonly string[],
): WebauthnPolicy {
  return { partition, rpId: rp.id, ...rules, userVerification, trusted, conditional: false, algorithms, allowed }
}

/** Id of the user's partition, empty where the ceremony names another. */
export function userOf({ part }: Ceremony): string {
  return part.id.startsWith('usr:') ? part.id : ''
}

/** CONTEXT of a challenge; D is the app instance's where there is one. */
export function contextFor(c: Ceremony, h: Omit<WebauthnChallenge, 'policy'>): Context {
  const { device, enrolment, generation, purpose, bind } = h
  return { issuer: c.issuer, tenant: c.tenant, app: c.app, device, enrolment, generation, purpose, bind }
}
