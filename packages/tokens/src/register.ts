/** Dynamic registration (RFC 7591) and its management (RFC 7592): the host's port decides, the endpoint commits. */
import { isPosternError, PosternError } from '@postern/core/errors'
import type { EventType } from '@postern/core/events'
import { anyObject } from '@postern/core/fields'
import { type JsonObject, parseJson } from '@postern/core/json'
import { thumbprint } from '@postern/core/jwk'
import type { Op } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import type { Admission, Client, ClientPort, RegistrationCall } from './clients.js'
import { type Proof, verifyProof } from './dpop.js'
import type { Endpoint } from './endpoint.js'
import { clientMembers } from './internal/clientMembers.js'
import { type CheckedMetadata, checkMetadata } from './internal/clientMetadata.js'
import { commit } from './internal/commit.js'
import { endpoint, urlOf } from './internal/endpoint.js'
import { eventOf, ship } from './internal/events.js'
import { empty, json, readJsonText } from './internal/http.js'
import { kitOf } from './internal/kit.js'
import { authorizeManagement, registrationToken } from './internal/registrationToken.js'
import { isSecret, readShared, sharedCall, spendStatement } from './internal/sharedRegistration.js'
import type { Handler, IssuerContext } from './issuer.js'

const MAX_BYTES = 32_768

/** Registration and its management, for `createAuthorizationServer({ endpoints })`; offered where {@link ClientPort.admit} is. */
export const registration: Endpoint = {
  name: 'register',
  handle: /* @__PURE__ */ registerEndpoint(),
  below: true,
  metadataName: 'registration_endpoint',
  offered: ({ clients }) => clients.admit !== undefined,
}

/** `POST /register`; `GET`, `PUT`, `DELETE /register/{client_id}`. */
export function registerEndpoint(): Handler {
  return endpoint('register', async (request, context) => {
    const { clients } = context
    if (clients.admit === undefined) return empty(404)
    const id = idIn(request.url)
    if (id === null) return register(request, clients.admit, context)
    return manage(request, id, clients, context)
  })
}

async function register(request: Request, admit: NonNullable<ClientPort['admit']>, context: IssuerContext): Promise<Response> {
  if (request.method !== 'POST') throw new PosternError('request.method')
  const metadata = await readMetadata(request)
  if (context.clients.kindOf?.(metadata) === 'shared') return registerShared(request, metadata, admit, context)
  const checked = checkMetadata(metadata)
  const proof = await prove(
    request,
    urlOf('register', context),
    context,
    context.clients.nonce === 'port' ? 'caller' : 'required',
  )
  await ownKey(checked, proof, context)
  const call: RegistrationCall = { ...checked, shared: null, proof, serial: 1, request }
  const admission = await admit.call(context.clients, call)
  // An instance is its device key; a handle of its own vouches for it without a look-up, which knows of no further credential.
  if (admission.client.auth.method !== 'none') throw new RangeError('an instance authenticates by its proofs alone')
  const client = await write(admission, null, 'client.registered', context)
  if (client !== null) return reply(201, client, admission, context)
  // A record stands there: a retry of a lost reply, with the same input and key, gets its client; anything else does not.
  const standing = await context.clients.find(admission.client.id)
  if (standing === null || standing.jkt === undefined || standing.jkt !== admission.client.jkt)
    throw new PosternError('metadata.refused', { reason: 'register.taken' })
  await admission.after?.()
  return reply(201, standing, admission, context)
}

/** A portal, a service: it proves nothing of itself here, whether it may register is the port's to know. */
async function registerShared(
  request: Request,
  metadata: JsonObject,
  admit: NonNullable<ClientPort['admit']>,
  context: IssuerContext,
): Promise<Response> {
  const { shared, spent } = await readShared(metadata, null, context)
  const admission = await admit.call(context.clients, sharedCall(metadata, shared, { serial: 1, request }))
  await spendStatement(spent, context)
  const client = await write(admission, null, 'client.registered', context)
  if (client === null) throw new PosternError('metadata.refused', { reason: 'register.taken' })
  return reply(201, client, admission, context)
}

/** RFC 7592 §2: authorized by the registration access token, and for a client with a key by its proof. */
async function manage(request: Request, id: string, port: ClientPort, context: IssuerContext): Promise<Response> {
  const { client, serial: newest, token } = await authorizeManagement(request, id, context)
  if (request.method === 'GET') {
    await consume(await proveManaged(request, client, token, context, 'required'), client, context)
    return reply(200, client, null, context)
  }
  if (request.method === 'DELETE' && port.remove !== undefined) {
    await consume(await proveManaged(request, client, token, context, 'required'), client, context)
    await port.remove(client)
    return empty(204)
  }
  if (request.method !== 'PUT' || port.update === undefined) throw new PosternError('request.method')
  const metadata = await readMetadata(request)
  if (metadata.client_id !== undefined && metadata.client_id !== id) throw new PosternError('metadata.refused')
  // The token before the current one was presented: its owner never saw the newer, so that one stays the newest.
  const serial = token.serial === newest - 1 ? newest : token.serial + 1
  if (client.kind === 'shared') return updateShared(request, metadata, client, { port, serial }, context)
  const checked = checkMetadata(metadata)
  const proof = await proveManaged(request, client, token, context, port.nonce === 'port' ? 'caller' : 'required')
  await ownKey(checked, proof, context)
  const admission = await port.update(client, { ...checked, shared: null, proof, serial, request })
  const updated = await write(withProof(admission, await markerOf(proof, client, context)), client, 'client.updated', context)
  if (updated === null) throw new PosternError('store.overloaded')
  return reply(200, updated, admission, context)
}

async function updateShared(
  request: Request,
  metadata: JsonObject,
  client: Client,
  { port, serial }: { readonly port: ClientPort; readonly serial: number },
  context: IssuerContext,
): Promise<Response> {
  const { client_secret: secret, ...rest } = metadata
  if (secret !== undefined && !(await isSecret(secret, client, context)))
    throw new PosternError('metadata.refused', { publicMessage: 'client_secret is not the one that was issued.' }) // RFC 7592 §2.2
  const { shared, spent } = await readShared(rest, client, context)
  const admission = await port.update!(client, sharedCall(rest, shared, { serial, request }))
  await spendStatement(spent, context)
  const updated = await write(admission, client, 'client.updated', context)
  if (updated === null) throw new PosternError('store.overloaded')
  return reply(200, updated, admission, context)
}

async function proveManaged(
  request: Request,
  client: Client,
  { text }: { readonly text: string },
  context: IssuerContext,
  nonce: 'required' | 'caller',
): Promise<Proof | null> {
  if (client.jkt === undefined) return null
  const url = `${urlOf('register', context)}/${client.id}`
  const proof = await prove(request, url, context, nonce, { accessToken: text, boundTo: client.jkt })
  if (proof === null) throw new PosternError('dpop.proof', { reason: 'dpop.missing' })
  return proof
}

async function prove(
  request: Request,
  url: string,
  context: IssuerContext,
  nonce: 'required' | 'caller',
  bound: { readonly accessToken?: string; readonly boundTo?: string } = {},
): Promise<Proof | null> {
  const { runtime, config } = context
  const { nonces, prepare } = kitOf(context)
  const jwt = request.headers.get('dpop')
  if (jwt === null) return null
  return verifyProof(
    { jwt, method: request.method, url, nonce, ...bound },
    { clock: runtime.clock, crypto: runtime.crypto, nonces, algs: config.algs, prepare },
  )
}

/** The key that is registered is the key that signs: nobody registers another's. */
async function ownKey({ jwk }: CheckedMetadata, proof: Proof | null, { runtime }: IssuerContext): Promise<void> {
  if (jwk === null) return
  if (proof === null || (await thumbprint(runtime.crypto, jwk)) !== proof.jkt)
    throw new PosternError('dpop.proof', { reason: 'dpop.key' })
}

async function write(
  admission: Admission,
  before: Client | null,
  type: EventType,
  context: IssuerContext,
): Promise<Client | null> {
  const { client, part, key, value, ops = [], after } = admission
  const rev = before?.record?.rev ?? null
  const event = eventOf(type, context, { client })
  const put: Op = { op: 'put', key, value, rev }
  const { answer, rev: written } = await commit(part, [put, ...ops, eventOp(event)], context)
  if (!answer.ok && answer.at === 0) return null
  if (!answer.ok && ops[answer.at - 1]?.key.startsWith('j/')) throw new PosternError('dpop.proof', { reason: 'dpop.replayed' })
  if (!answer.ok) throw new PosternError('metadata.refused', { reason: `register.${answer.at}` })
  ship(part, [event], context)
  await after?.()
  return { ...client, record: { part, key, rev: written } }
}

function withProof(admission: Admission, ops: readonly Op[]): Admission {
  return { ...admission, ops: [...ops, ...(admission.ops ?? [])] }
}

async function markerOf(proof: Proof | null, { kind }: Client, context: IssuerContext): Promise<readonly Op[]> {
  const { places, nonces } = kitOf(context)
  return proof === null || kind === 'shared' ? [] : [await places.proofOp(proof, context.runtime.clock() + nonces.lifeMs)]
}

async function consume(proof: Proof | null, client: Client, context: IssuerContext): Promise<void> {
  const ops = await markerOf(proof, client, context)
  if (ops.length === 0) return
  const { answer } = await commit(kitOf(context).places.device(client.id), ops, context)
  if (!answer.ok) throw new PosternError('dpop.proof', { reason: 'dpop.replayed' })
}

async function readMetadata(request: Request): Promise<JsonObject> {
  const text = await readJsonText(request, MAX_BYTES)
  try {
    return anyObject(parseJson(text, { maxBytes: MAX_BYTES, maxDepth: 12 }))
  } catch (cause) {
    if (isPosternError(cause, 'json.malformed', 'json.shape'))
      throw new PosternError('metadata.refused', { publicMessage: 'The body is not a well-formed JSON object.', cause })
    throw cause
  }
}

/** RFC 7591 §3.2.1. */
async function reply(status: number, client: Client, admission: Admission | null, context: IssuerContext): Promise<Response> {
  const { id, redirectUris, grantTypes, scope, name, metadata, kind } = client
  return json(status, {
    ...metadata,
    ...(kind === 'shared' && clientMembers(client)),
    ...admission?.members,
    client_id: id,
    registration_client_uri: `${urlOf('register', context)}/${id}`,
    registration_access_token: await registrationToken(client, context),
    token_endpoint_auth_method: client.auth.method,
    ...(redirectUris.length > 0 && { redirect_uris: redirectUris }),
    grant_types: grantTypes,
    scope: scope.join(' '),
    ...(name !== undefined && { client_name: name }),
    ...(kind === 'instance' && { dpop_bound_access_tokens: true }),
  })
}

/** Of the path alone: what a query holds names nobody. An issuer's own path may hold `/register`, so the last one counts. */
function idIn(url: string): string | null {
  const { pathname } = new URL(url)
  return pathname.endsWith('/register') ? null : (/.*\/register\/(.+)$/.exec(pathname)?.[1] ?? null)
}
