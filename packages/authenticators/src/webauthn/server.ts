/**
 * WebAuthn in the registry: passkeys and security keys of a user. Begin writes nothing; an assertion is one commit. A registration spans two
 * partitions, since nobody else may hold the same credential id: `webauthn/register` has its four commits.
 */

import { isCoseAlg } from '@postern/core/cose'
import type { Sealer } from '@postern/core/sealed'
import type { Runtime } from '@postern/store'
import type { Authenticator, Ceremony } from '../authenticator.js'
import { refusing } from '../internal/refusal.js'
import { beginWebauthn } from '../internal/webauthnBegin.js'
import { enrolPasskey, finishAssertion } from '../internal/webauthnFinish.js'
import { encodePolicy, MAX_POLICY_BYTES } from '../internal/webauthnHandle.js'
import { policyOf, type WebauthnPorts } from '../internal/webauthnPorts.js'
import type { AttestationTrust } from './attestation.js'
import { credentialKeys } from './authentication.js'
import type { AttestationConveyance, Hint } from './messages.js'
import { isOrigin, type OriginRules } from './origins.js'

/** Whose passkeys these are, from where they may be used, and what is asked of them. */
export interface WebauthnOptions extends OriginRules {
  /** The relying party: `id` is the domain, `name` is what people read. */
  readonly rp: { readonly id: string; readonly name: string }
  /** COSE algorithms on offer, the first preferred. @defaultValue EdDSA, ES256, RS256 */
  readonly algorithms?: readonly number[]
  /** What to ask of the browser, and whether to refuse what nobody trusted vouches for. @defaultValue nothing: `none` and `false` */
  readonly attestation?: { readonly conveyance: AttestationConveyance; readonly trusted?: boolean }
  /** Whom to trust; a function where metadata is renewed while the process runs. */
  readonly trust?: AttestationTrust | (() => AttestationTrust)
  /** Whether the credential is to be found without a list. @defaultValue 'preferred' */
  readonly residentKey?: 'discouraged' | 'preferred' | 'required'
  /** @defaultValue what the hints have in common */
  readonly attachment?: 'platform' | 'cross-platform'
  readonly hints?: readonly Hint[]
  /** What to do when an authenticator counts backwards. @defaultValue 'refuse' for one that cannot be backed up, 'report' for one that can */
  readonly onRegression?: 'refuse' | 'report'
  /** What the authenticator shows for the account. @defaultValue the app's name */
  readonly label?: (c: Ceremony) => { readonly name: string; readonly displayName: string }
  readonly seal: Sealer
  readonly runtime: Pick<Runtime, 'clock' | 'random' | 'crypto'>
}

/**
 * The authenticator `webauthn`, in a user's partition.
 *
 * `begin` takes `null`, at enrolment also `{mediation: 'conditional'}`, and answers `{publicKey}` for the browser; `finish` takes what the browser
 * gives. Before it, {@link locatePasskey} says which record to read; the ceremony carries it as `enrolment`, with `user`.
 * @throws RangeError for an origin that is none, an unknown algorithm, or origins that are too many to be sealed
 */
export function createWebauthn(o: WebauthnOptions): Authenticator {
  const ports = portsOf(o)
  return {
    type: 'webauthn',
    amr: ['pop', 'user', 'hwk', 'swk', 'mfa'],
    begin: (c, input) => refusing(() => beginWebauthn(c, input, ports)),
    finish: (c, input) =>
      refusing(() => (c.purpose === 'enrol' ? enrolPasskey(c, input, ports) : finishAssertion(c, input, ports))),
    remove: () => [],
    watches: () => [],
    locked: () => false,
  }
}

/** EdDSA, ES256, RS256: what §5.4 asks every relying party to offer. */
const ALGORITHMS: readonly number[] = [-8, -7, -257]

function portsOf(o: WebauthnOptions): WebauthnPorts {
  const { rp, origins, topOrigins = [], crossOrigin = false, algorithms = ALGORITHMS, trust = {}, runtime } = o
  for (const origin of [...origins, ...topOrigins]) if (!isOrigin(origin)) throw new RangeError(`${origin} is no origin`)
  if (origins.length === 0 || algorithms.length === 0) throw new RangeError('at least one origin and one algorithm')
  for (const alg of algorithms) if (!isCoseAlg(alg)) throw new RangeError(`COSE algorithm ${alg} is not known`)
  const ports: WebauthnPorts = {
    rp: { ...rp },
    rules: { origins: [...origins], topOrigins: [...topOrigins], crossOrigin },
    algorithms: [...algorithms],
    conveyance: o.attestation?.conveyance ?? 'none',
    trusted: o.attestation?.trusted ?? false,
    trust: typeof trust === 'function' ? trust : () => trust,
    selection: { residentKey: o.residentKey ?? 'preferred', ...attachmentOf(o) },
    hints: o.hints ?? [],
    label: o.label ?? (({ app }) => ({ name: app, displayName: app })),
    onRegression: o.onRegression,
    seal: o.seal,
    runtime,
    keys: credentialKeys(runtime.crypto),
  }
  const bytes = encodePolicy(policyOf(ports, { userVerification: 'required' }, '', [])).length
  if (bytes > MAX_POLICY_BYTES) throw new RangeError(`origins take ${bytes} bytes; ${MAX_POLICY_BYTES} are the most`)
  return ports
}

/** What browsers that know no hints are told instead, where all hints say the same (§5.8.7). */
function attachmentOf({ attachment, hints = [] }: WebauthnOptions): Pick<WebauthnPorts['selection'], 'authenticatorAttachment'> {
  const [hinted, ...others] = new Set(hints.map((hint) => (hint === 'client-device' ? 'platform' : 'cross-platform')))
  const authenticatorAttachment = attachment ?? (others.length === 0 ? hinted : undefined)
  return authenticatorAttachment === undefined ? {} : { authenticatorAttachment }
}

export { type LocatedPasskey, locatePasskey } from '../internal/webauthnFinish.js'
