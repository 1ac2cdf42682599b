/**
 * Attestation-based client authentication (draft-ietf-oauth-attestation-based-client-auth-10): an attester whom the host trusts vouches for one
 * instance of a client and its key, and the instance proves that it holds the key. `attest_jwt_client_auth` by a proof of its own,
 * `attest_jwt_client_auth_dpop` by the request's DPoP proof. Refresh tokens are then bound to the instance (§10).
 */
import type { SignAlg } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import { type JsonObject, type JsonValue, parseJson } from '@postern/core/json'
import { thumbprint } from '@postern/core/jwk'
import { type Jws, readJws, verifyJws } from '@postern/core/jws'
import type { Authenticated, ClientAuthMethod } from '../clientAuth.js'
import type { Client } from '../clients.js'
import type { Endpoint } from '../endpoint.js'
import { endpoint } from '../internal/endpoint.js'
import { json } from '../internal/http.js'
import { kitOf } from '../internal/kit.js'
import type { IssuerContext } from '../issuer.js'
import { DEFAULT_ALGS, numericDate, textClaim } from '../jose.js'
import type { IssuerKeys } from '../resource.js'

/** Whoever attests instances: the backend of an app, a wallet provider. */
export interface Attester {
  /** A key set fetched by age, or a ring: nothing is fetched for an attestation. Its attestations name their key by `kid`. */
  readonly keys: IssuerKeys
  /** Default ES256, EdDSA, Ed25519. */
  readonly algs?: readonly SignAlg[]
  /** Seconds since its `iat` that an attestation is taken for, whatever its `exp` says; default no bound, and no `iat` needed. */
  readonly maxAgeSec?: number
}

const METHOD = 'attest_jwt_client_auth'
const COMBINED = 'attest_jwt_client_auth_dpop'
const SKEW_MS = 60_000
const CHALLENGE_HEADER = 'oauth-client-attestation-challenge'

/**
 * Both methods. Every proof of its own owes a challenge of this server: the instance's clock then decides nothing, and its `jti` is spent.
 * @param o.attesters - by the names that `ClientAuth.attesters` uses
 */
export function clientAttestation({ attesters }: { readonly attesters: Readonly<Record<string, Attester>> }): ClientAuthMethod {
  const known = new Map(Object.entries(attesters))
  const attesterAlgs = [...new Set([...known.values()].flatMap(({ algs = DEFAULT_ALGS }) => algs))]
  return {
    methods: [METHOD, COMBINED],
    announce: ({ config }) => ({
      client_attestation_signing_alg_values_supported: attesterAlgs,
      client_attestation_pop_signing_alg_values_supported: config.algs,
    }),
    headers: async (context) => ({ [CHALLENGE_HEADER]: await kitOf(context).challenges.issue() }),
    read({ headers }, form, { config }) {
      const text = headers.get('oauth-client-attestation')
      const pop = headers.get('oauth-client-attestation-pop')
      if (text === null && pop === null) return null
      // §7: which of the two it is, is said by the headers that are there.
      if (text === null || (pop === null && headers.get('dpop') === null)) throw refuse('half')
      const jws = reading(() => readJws(text, { algs: attesterAlgs, typ: ['oauth-client-attestation+jwt'] }))
      const proof = pop === null ? null : reading(() => readPop(pop, config.algs))
      const clientId = claimedClient(jws)
      const named = form.get('client_id')
      if (named !== undefined && named !== clientId) throw refuse('client_id') //                      §7.1 (7)
      const method = proof === null ? COMBINED : METHOD
      return { method, clientId, verify: (client, context) => verify({ jws, proof, method }, client, known, context) }
    },
  }
}

/** `POST /attestation-challenge` (§6.3): a challenge before the first proof, for whoever asks. For `createAuthorizationServer({ endpoints })`. */
export const attestationChallenge: Endpoint = {
  name: 'attestationChallenge',
  metadataName: 'challenge_endpoint',
  offered: ({ auth = [] }) => auth.some(({ methods }) => methods.includes(METHOD)),
  handle: /* @__PURE__ */ endpoint('attestationChallenge', async (request, context) => {
    if (request.method !== 'POST') throw new PosternError('request.method')
    return json(200, { attestation_challenge: await kitOf(context).challenges.issue() })
  }),
}

interface Presented {
  readonly jws: Jws
  readonly proof: Jws | null
  readonly method: typeof METHOD | typeof COMBINED
}

async function verify(
  { jws, proof, method }: Presented,
  client: Client | null,
  attesters: ReadonlyMap<string, Attester>,
  context: IssuerContext,
): Promise<Authenticated> {
  const auth = client?.auth
  if (auth?.method !== method) throw refuse('method')
  try {
    // The client was found by the attestation's own subject, so that is whom it is about (§7.1 (7)).
    const named = auth.attesters.flatMap((name) => attesters.get(name) ?? [])
    const jwk = await attestedKey(jws, named, context)
    const holder = await thumbprint(context.runtime.crypto, jwk)
    if (proof === null) return { markers: [], holder, proofKey: holder } //                           §7.3
    return { markers: [await popMarker(proof, jwk, holder, context)], holder }
  } catch (cause) {
    throw isPosternError(cause, 'jws.refused', 'crypto.invalid_key') ? refuse(cause.reason ?? 'form', cause) : cause
  }
}

/** The key of the instance, on the word of one of these attesters (§4, §7.1). */
async function attestedKey(
  jws: Jws,
  attesters: readonly Attester[],
  { runtime: { crypto, clock } }: IssuerContext,
): Promise<JsonWebKey> {
  const now = clock()
  for (const { keys, algs = DEFAULT_ALGS, maxAgeSec } of attesters) {
    const key = jws.kid === null || !algs.includes(jws.alg) ? null : await keys.find(jws.kid)
    if (key === null) continue
    const claims = await verifyJws(crypto, jws, key) //                                                (3), (4)
    if (claims.nbf !== undefined && numericDate(claims.nbf, 'nbf') * 1000 > now + SKEW_MS) throw refuse('early')
    const iat = claims.iat === undefined ? null : numericDate(claims.iat, 'iat') * 1000
    if (iat !== null && iat > now + SKEW_MS) throw refuse('future')
    const old = maxAgeSec !== undefined && (iat === null || iat + maxAgeSec * 1000 <= now)
    if (old || numericDate(claims.exp, 'exp') * 1000 <= now) throw new PosternError('client.attestation_stale') // (6)
    return confirmationKey(claims.cnf)
  }
  throw refuse('attester')
}

/** RFC 7800 §3.2. A private key in it is everybody's (§7.1 (5)). */
function confirmationKey(cnf: JsonValue | undefined): JsonWebKey {
  const jwk = isObject(cnf) ? cnf.jwk : undefined
  if (!isObject(jwk) || 'd' in jwk || 'k' in jwk || 'p' in jwk) throw refuse('cnf')
  return jwk as JsonWebKey
}

/** The instance's own proof (§5.1, §7.2). */
async function popMarker(
  proof: Jws,
  jwk: JsonWebKey,
  holder: string,
  context: IssuerContext,
): Promise<Authenticated['markers'][0]> {
  const { places, challenges, prepare } = kitOf(context)
  const { crypto, clock } = context.runtime
  const claims = await verifyJws(crypto, proof, await prepare(proof.alg, jwk, holder)) //             (4)
  if (claims.aud !== context.issuer) throw refuse('audience') //                                     (7), the issuer string alone (T27)
  const jti = textClaim(claims, 'jti', 128)
  numericDate(claims.iat, 'iat')
  const { challenge } = claims
  if (typeof challenge !== 'string' || !(await challenges.good(challenge))) throw new PosternError('client.attestation_challenge') // (5), (6)
  const marker = await places.sharedProofOp({ jkt: `attestation:${holder}`, jti }, clock() + challenges.lifeMs) // (8)
  return { ...marker, spent: 'client.attestation' }
}

function readPop(text: string, algs: readonly SignAlg[]): Jws {
  return readJws(text, { algs, typ: ['oauth-client-attestation-pop+jwt'], maxBytes: 8192 })
}

/** Whom an attestation is about, unverified: only to find the client that says who may attest it. */
function claimedClient({ payload }: Jws): string {
  const claims = reading(() => parseJson(payload, { maxDepth: 16 }))
  if (!isObject(claims) || typeof claims.sub !== 'string') throw refuse('subject')
  return claims.sub
}

function reading<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw isPosternError(cause) ? refuse(cause.reason ?? cause.code, cause) : cause
  }
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function refuse(reason: string, cause?: unknown): PosternError<'client.attestation'> {
  return new PosternError('client.attestation', { reason: `attestation.${reason}`, cause })
}
