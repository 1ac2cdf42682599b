/** Who calls: one way of client authentication, and the DPoP proof. What makes them single-use is returned, to be spent last. */
import { PosternError } from '@postern/core/errors'
import type { Op } from '@postern/store'
import { assertion } from '../auth/assertion.js'
import { secret } from '../auth/secret.js'
import type { Authenticated, ClientAuthMethod, Credential, Marker } from '../clientAuth.js'
import type { Client } from '../clients.js'
import { allowBearerPublicClients } from '../config.js'
import { type Proof, verifyProof } from '../dpop.js'
import type { IssuerContext } from '../issuer.js'
import { certificateThumbprint } from './certificate.js'
import { commit } from './commit.js'
import { kitOf } from './kit.js'
import { merged } from './merged.js'
import { malformed } from './wire.js'

/** An authenticated caller. */
export interface Caller {
  readonly client: Client
  readonly proof: Proof | null
  /** To be committed just before the main commit. */
  readonly markers: readonly Marker[]
  /** An instance's proof marker, which joins commits in `dev:<client_id>`. */
  readonly joined: readonly Op[]
  /** `x5t#S256` of the certificate its tokens are bound to, for clients that are registered so. */
  readonly x5t: string | null
  /** Thumbprint of the key of the one instance that authenticated, see {@link Authenticated.holder}. */
  readonly holder: string | null
}

/** The ways an issuer's clients may authenticate. */
export function authMethodsOf({ auth }: IssuerContext): readonly ClientAuthMethod[] {
  return auth ?? DEFAULT_AUTH
}

/** The `token_endpoint_auth_method`s that count at an issuer. */
export function authMethodNames(context: IssuerContext): readonly string[] {
  const all = ['none', ...authMethodsOf(context).flatMap(({ methods }) => methods)]
  const { authMethods } = context.config
  return authMethods === undefined ? all : all.filter((method) => authMethods.includes(method))
}

const DEFAULT_AUTH: readonly ClientAuthMethod[] = /* @__PURE__ */ [secret, assertion]

const CLIENT_ID = /^[A-Za-z0-9._~-]{1,64}$/

/**
 * @param o.url - the endpoint's configured URL, for `htu`
 * @param o.known - an instance that a handle of ours already vouches for: no look-up
 * @param o.tokens - the endpoint leads to tokens: public clients owe a proof
 * @throws PosternError `client.*` `dpop.*` `request.*`
 */
export async function authenticate(
  request: Request,
  form: ReadonlyMap<string, string>,
  context: IssuerContext,
  o: {
    readonly url: string
    readonly known?: Client | null
    readonly tokens?: boolean
  },
): Promise<Caller> {
  const tokens = o.tokens ?? true
  const { client, markers, holder = null, proofKey } = await authenticateClient(request, form, context, o.known ?? null)
  // Not found out at the end, when a token would have to go out in the clear.
  if (client.encryption !== undefined && context.jwe === undefined)
    throw new PosternError('tokens.config', { publicMessage: 'The client registered encryption; this issuer has none.' })
  const x5t = tokens && client.certificateBound === true ? await boundCertificate(context) : null
  const proof = request.headers.get('dpop') === null ? null : await checkProof(request, client, context, o.url, proofKey)
  const caller = { client, proof, markers, joined: [], x5t, holder }
  if (proof === null && (proofKey !== undefined || owesProof(client, context, tokens)))
    throw new PosternError('dpop.proof', { reason: 'dpop.missing' })
  if (proof === null) return caller
  const { places, nonces } = kitOf(context)
  const until = context.runtime.clock() + nonces.lifeMs
  if (client.kind === 'instance') return { ...caller, joined: [await places.proofOp(proof, until)] }
  return { ...caller, markers: [...markers, { ...(await places.sharedProofOp(proof, until)), spent: 'dpop.proof' }] }
}

/** Spends markers; call it after everything else has been validated. @throws PosternError `client.replayed` | `dpop.proof` */
export async function spend(markers: readonly Marker[], context: IssuerContext): Promise<void> {
  for (const { part, op, spent } of markers) {
    const { answer } = await commit(part, [op], context)
    if (!answer.ok) throw new PosternError(spent, { reason: 'replayed' })
  }
}

/** Everything of a caller that is single-use, for endpoints without a commit of their own. */
export async function spendAll({ client, markers, joined }: Caller, context: IssuerContext): Promise<void> {
  if (markers.length + joined.length === 0) return
  const part = kitOf(context).places.device(client.id)
  await spend([...markers, ...joined.map((op): Marker => ({ part, op, spent: 'dpop.proof' }))], context)
}

async function authenticateClient(
  request: Request,
  form: ReadonlyMap<string, string>,
  context: IssuerContext,
  known: Client | null,
): Promise<Authenticated & { readonly client: Client }> {
  const methods = authMethodsOf(context)
  let presented: Credential | null = null
  for (const method of methods) {
    const found = method.ambient ? null : method.read(request, form, context)
    if (found !== null && presented !== null) throw new PosternError('client.credentials', { reason: 'two methods' })
    presented ??= found
  }
  // One that no method here has read: whoever sends it is not let in without it.
  if (credentialsSent(request, form) > (presented === null ? 0 : 1))
    throw new PosternError('client.credentials', { reason: 'scheme' })
  const id = presented?.clientId ?? form.get('client_id')
  if (id === undefined) throw malformed('client_id is missing.')
  const named = form.get('client_id')
  if (named !== undefined && named !== id) throw new PosternError('client.credentials', { reason: 'client_id' })
  const client = known?.id === id ? known : CLIENT_ID.test(id) ? await context.clients.find(id) : null
  if (client !== null && context.config.authMethods?.includes(client.auth.method) === false)
    throw new PosternError('client.credentials', { reason: 'method' })
  const ambient = methods.find((one) => one.ambient && client !== null && one.methods.includes(client.auth.method))
  const credential = presented ?? ambient?.read(request, form, context) ?? null
  if (credential !== null) return merged(await credential.verify(client, context), { client: client! })
  if (client === null) throw new PosternError('client.unknown')
  if (client.auth.method !== 'none') throw new PosternError('client.credentials', { reason: 'method' })
  return { client, markers: [] }
}

/** In how many places a credential stands, read here or not. */
function credentialsSent({ headers }: Request, form: ReadonlyMap<string, string>): number {
  let sent = 0
  for (const name of ['authorization', 'oauth-client-attestation']) if (headers.get(name) !== null) sent++
  for (const name of ['client_secret', 'client_assertion']) if (form.has(name)) sent++
  return sent
}

/** `x5t#S256` that a client's tokens are bound to. @throws PosternError `request.malformed` where the connection has no certificate */
export async function boundCertificate(context: IssuerContext): Promise<string> {
  const x5t = await certificateThumbprint(context)
  if (x5t === null) throw malformed('The tokens of this client are bound to its certificate, and none was presented.')
  return x5t
}

async function checkProof(
  request: Request,
  client: Client,
  context: IssuerContext,
  url: string,
  proofKey: string | undefined,
): Promise<Proof | null> {
  const jwt = request.headers.get('dpop')
  if (jwt === null) return null
  const { runtime, config } = context
  const { nonces, prepare, proofHeaders: known } = kitOf(context)
  const jkt = proofKey ?? client.jkt
  return verifyProof(
    {
      jwt,
      method: request.method,
      url: reached(url, context),
      nonce: client.kind === 'instance' || proofKey !== undefined ? 'required' : 'optional',
      ...(jkt !== undefined && { boundTo: jkt }),
    },
    { clock: runtime.clock, crypto: runtime.crypto, nonces, algs: config.algs, prepare, known },
  )
}

/** Where the caller sees the endpoint: a connection with a certificate came to the alias that asks for one (RFC 8705 §5). */
function reached(url: string, { config: { mtlsBase }, host, issuer }: IssuerContext): string {
  return mtlsBase === undefined || host?.clientCertificate === undefined ? url : mtlsBase + url.slice(issuer.length)
}

/** Whether a client proves a key at an endpoint; `tokens`: where it is led to tokens. */
export function owesProof(client: Client, { config }: IssuerContext, tokens: boolean): boolean {
  if (client.kind === 'instance') return true
  const bearer = client.auth.method === 'none' && client.certificateBound !== true && config[allowBearerPublicClients] !== true
  const unbound = config.requireBoundTokens && client.certificateBound !== true
  return tokens && (client.dpopBound === true || bearer || unbound)
}
