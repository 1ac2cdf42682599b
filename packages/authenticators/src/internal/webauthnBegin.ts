/** Begin: options for the browser, and the sealed challenge behind them. Nothing is written. @see WebAuthn Level 3 §5.4, §5.5 */
import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import type { JsonValue } from '@postern/core/json'
import type { Ceremony, Reply, Step } from '../authenticator.js'
import type { CreationOptionsJSON, CredentialDescriptorJSON, RequestOptionsJSON } from '../webauthn/messages.js'
import { challengeMs, sealHandle } from './challenge.js'
import { refusal, refuse } from './refusal.js'
import { challengeBytes, credentialName, encodeWebauthnChallenge, type WebauthnChallenge } from './webauthnHandle.js'
import { contextFor, handleType, policyOf, userOf, type WebauthnPorts } from './webauthnPorts.js'

/** More do not fit a handle. */
const MAX_CREDENTIALS = 32

export async function beginWebauthn(c: Ceremony, input: unknown, ports: WebauthnPorts): Promise<Step> {
  const { clock, random, crypto } = ports.runtime
  const conditional = mediationOf(input)
  const enrols = c.purpose === 'enrol'
  if ((enrols && userOf(c) === '') || (conditional && !enrols)) throw refuse('webauthn.malformed', 'message')
  const credentials = c.credentials ?? []
  if (credentials.length > MAX_CREDENTIALS) throw new RangeError('more than 32 credentials: pass those that were used last')
  const allowed = enrols ? [] : await Promise.all(credentials.map(({ id }) => credentialName(crypto, id)))
  const challenge: WebauthnChallenge = {
    device: c.device?.id ?? '',
    enrolment: enrols ? '' : (c.enrolment?.id ?? ''),
    generation: 0,
    purpose: c.purpose,
    bind: c.bind,
    nonce: random(32),
    expiresAt: clock() + challengeMs,
    policy: { ...policyOf(ports, c, userOf(c), allowed), conditional },
  }
  const bytes = encodeBase64url(await challengeBytes(crypto, contextFor(c, challenge), challenge.nonce))
  const list = credentials.map(({ id, transports }): CredentialDescriptorJSON => {
    return { type: 'public-key', id: encodeBase64url(id), ...(transports.length > 0 && { transports: [...transports] }) }
  })
  const publicKey = enrols ? creation(c, bytes, list, ports) : request(c, bytes, list, ports)
  const reply: Reply = {
    handle: await sealHandle(ports.seal, c, handleType, c.purpose, encodeWebauthnChallenge(challenge)),
    expiresAt: challenge.expiresAt,
    enrolment: challenge.enrolment,
    body: { publicKey: publicKey as unknown as JsonValue },
  }
  return {
    ok: true,
    ops: [],
    event: null,
    reply: () => reply,
    lost: () => refusal('webauthn.challenge', 'nothing to lose'),
  }
}

/** A conditional create is made beside another login and sees no user (§5.1.3); a conditional get is one like any other. */
function mediationOf(input: unknown): boolean {
  if (input === null || input === undefined) return false
  const members = typeof input === 'object' ? Object.entries(input) : []
  if (members.length !== 1 || members[0]?.[0] !== 'mediation' || members[0][1] !== 'conditional')
    throw refuse('webauthn.malformed', 'message')
  return true
}

function creation(
  c: Ceremony,
  challenge: string,
  excludeCredentials: readonly CredentialDescriptorJSON[],
  ports: WebauthnPorts,
): CreationOptionsJSON {
  const { residentKey } = ports.selection
  return {
    rp: ports.rp,
    // A discoverable login finds its partition by this, without an index.
    user: { id: encodeBase64url(utf8(c.part.id)), ...ports.label(c) },
    challenge,
    pubKeyCredParams: ports.algorithms.map((alg) => ({ type: 'public-key', alg })),
    timeout: challengeMs,
    excludeCredentials,
    authenticatorSelection: {
      ...ports.selection,
      requireResidentKey: residentKey === 'required',
      userVerification: c.userVerification,
    },
    hints: ports.hints,
    attestation: ports.conveyance,
    attestationFormats: [],
    extensions: { credProps: true },
  }
}

function request(
  c: Ceremony,
  challenge: string,
  allowCredentials: readonly CredentialDescriptorJSON[],
  ports: WebauthnPorts,
): RequestOptionsJSON {
  const { rp, hints } = ports
  return { challenge, timeout: challengeMs, rpId: rp.id, allowCredentials, userVerification: c.userVerification, hints }
}
