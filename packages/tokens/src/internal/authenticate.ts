/** Who calls: one way of client authentication, and the DPoP proof. What makes them single-use is returned, to be spent last. */
import { PosternError } from '@postern/core/errors'
import type { Op } from '@postern/store'
import { assertion } from '../auth/assertion.js'
import { secret } from '../auth/secret.js'
import type { ClientAuthMethod, Marker } from '../clientAuth.js'
import type { Client } from '../clients.js'
import { allowBearerPublicClients } from '../config.js'
import { type Proof, verifyProof } from '../dpop.js'
import type { IssuerContext } from '../issuer.js'
import { commit } from './commit.js'
import { kitOf } from './kit.js'
import { malformed } from './wire.js'

/** An authenticated caller. */
export interface Caller {
  readonly client: Client
  readonly proof: Proof | null
  /** To be committed just before the main commit. */
  readonly markers: readonly Marker[]
  /** An instance's proof marker, which joins commits in `dev:<client_id>`. */
  readonly joined: readonly Op[]
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
  const { client, markers } = await authenticateClient(request, form, context, o.known ?? null)
  const proof = await checkProof(request, client, context, o.url)
  if (proof === null && owesProof(client, context, o.tokens ?? true))
    throw new PosternError('dpop.proof', { reason: 'dpop.missing' })
  if (proof === null) return { client, proof, markers, joined: [] }
  const { places, nonces } = kitOf(context)
  const until = context.runtime.clock() + nonces.lifeMs
  if (client.kind === 'instance') return { client, proof, markers, joined: [await places.proofOp(proof, until)] }
  return {
    client,
    proof,
    markers: [...markers, { ...(await places.sharedProofOp(proof, until)), spent: 'dpop.proof' }],
    joined: [],
  }
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
  const part = kitOf(context).places.device(client.id)
  await spend([...markers, ...joined.map((op): Marker => ({ part, op, spent: 'dpop.proof' }))], context)
}

async function authenticateClient(
  request: Request,
  form: ReadonlyMap<string, string>,
  context: IssuerContext,
  known: Client | null,
): Promise<{ readonly client: Client; readonly markers: readonly Marker[] }> {
  const authorization = request.headers.get('authorization')
  const credentials = authMethodsOf(context).flatMap((method) => method.read(request, form, context) ?? [])
  if (credentials.length > 1) throw new PosternError('client.credentials', { reason: 'two methods' })
  const [credential] = credentials
  if (credential === undefined && authorization !== null) throw new PosternError('client.credentials', { reason: 'scheme' })
  const id = credential?.clientId ?? form.get('client_id')
  if (id === undefined) throw malformed('client_id is missing.')
  const named = form.get('client_id')
  if (named !== undefined && named !== id) throw new PosternError('client.credentials', { reason: 'client_id' })
  const client = known?.id === id ? known : CLIENT_ID.test(id) ? await context.clients.find(id) : null
  if (credential !== undefined) {
    const markers = await credential.verify(client, context)
    return { client: client!, markers }
  }
  if (client === null) throw new PosternError('client.unknown')
  if (client.auth.method !== 'none') throw new PosternError('client.credentials', { reason: 'method' })
  return { client, markers: [] }
}

async function checkProof(request: Request, client: Client, context: IssuerContext, url: string): Promise<Proof | null> {
  const jwt = request.headers.get('dpop')
  if (jwt === null) return null
  const { runtime, config } = context
  const { nonces, prepare } = kitOf(context)
  const { jkt } = client
  return verifyProof(
    {
      jwt,
      method: request.method,
      url,
      nonce: client.kind === 'instance' ? 'required' : 'optional',
      ...(jkt !== undefined && { boundTo: jkt }),
    },
    { clock: runtime.clock, crypto: runtime.crypto, nonces, algs: config.algs, prepare },
  )
}

function owesProof(client: Client, { config }: IssuerContext, tokens: boolean): boolean {
  if (client.kind === 'instance') return true
  return tokens && (client.dpopBound === true || (client.auth.method === 'none' && config[allowBearerPublicClients] !== true))
}
