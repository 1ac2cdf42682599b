/**
 * Native SSO (OpenID Connect Native SSO for Mobile Apps 1.0, §4): an ID token and the device secret it is tied to log a second app of the
 * same vendor in, with a grant of its own. Which apps may, says the host's exchange port.
 */
import { equal, utf8 } from '@postern/core/bytes'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import { readJws, verifyJws } from '@postern/core/jws'
import type { Op } from '@postern/store'
import type { GrantType, Issue, TokenCall } from '../grant.js'
import { granteeOf, newId } from '../internal/code.js'
import { DEVICE_SSO, type DeviceSecret, deviceSecretKey, dsHashOf } from '../internal/deviceSecret.js'
import { epochKeys, readGuards } from '../internal/epochs.js'
import { decodeFamily, familyKey, type Grant, outlivesClient, revokedFamily } from '../internal/family.js'
import { openHandle } from '../internal/handles.js'
import { kitOf } from '../internal/kit.js'
import { narrowed } from '../internal/narrow.js'
import { type RedeemAs, redeem } from '../internal/redeem.js'
import { clientResource, clientScope } from '../internal/scope.js'
import { invalidGrant, malformed } from '../internal/wire.js'
import type { IssuerContext } from '../issuer.js'
import { idTokenRules } from '../jose.js'
import { ACCESS_TOKEN, allowedBy, TOKEN_EXCHANGE } from './exchange.js'

const ID_TOKEN = 'urn:ietf:params:oauth:token-type:id_token'
const DEVICE_SECRET = 'urn:openid:params:token-type:device-secret'
const AS_SSO: RedeemAs = { at: 'exchange', event: 'token.exchanged', members: { issued_token_type: ACCESS_TOKEN } }

/** The grant type. Clients get a device secret of a code with scope `device_sso`. */
export const nativeSso: GrantType = {
  grantType: TOKEN_EXCHANGE,
  offered: ({ exchange }) => exchange !== undefined,
  announce: () => ({ native_sso_supported: true }), //                                     §5
  takes: (form) => form.get('actor_token_type') === DEVICE_SECRET,
  async evaluate(form, call) {
    const { client, proof, x5t, now, context } = call
    const { config } = context
    if (form.get('subject_token_type') !== ID_TOKEN) throw malformed('subject_token must be an ID token here.')
    const requested = form.get('requested_token_type')
    if (requested !== undefined && requested !== ACCESS_TOKEN) throw malformed('Only access tokens are issued by exchange.')
    const text = form.get('actor_token')
    const secret = text === undefined ? null : await openHandle<DeviceSecret>(kitOf(context), 'deviceSecret', text)
    if (text === undefined || secret === null || secret.exp <= now) throw invalidGrant('sso.secret') //   §4.3, 1
    const { grant: first } = secret
    const claims = await readIdToken(form.get('subject_token'), context)
    const tied = await dsHashOf(text, context.runtime.crypto)
    if (claims.aud !== first.clientId || claims.sub !== secret.sub) throw invalidGrant('sso.id_token')
    if (typeof claims.ds_hash !== 'string' || !equal(utf8(claims.ds_hash), utf8(tied))) throw invalidGrant('sso.ds_hash') // 2
    if (claims.sid !== first.sid) throw invalidGrant('sso.sid') //                                       3
    // The apps of one vendor on one phone share its key; a secret copied off the phone is worth nothing.
    if (first.jkt !== null && first.jkt !== proof?.jkt) throw new PosternError('dpop.proof', { reason: 'dpop.key' })
    if (first.x5t !== undefined && first.x5t !== x5t) throw invalidGrant('sso.certificate')
    const audience = form.get('audience')
    if (audience !== undefined && audience !== context.issuer) throw new PosternError('target.refused')
    const resource = clientResource(form.get('resource'), client, config)
    const scope = clientScope(form.get('scope'), client, config).filter((token) => token !== DEVICE_SSO)
    const lifetimeSec = config.resources[resource]?.accessSec ?? config.lifetimes.accessSec
    const most = { scope, lifetimeSec, acr: first.acr, kind: first.kind }
    const { subject, clientId: grantee, amr } = first
    const view = { ...most, client, subject, grantee, profile: 'native_sso', resource, actors: [], amr, claims } as const
    const allowed = narrowed(most, await allowedBy(view, call), config)
    const { clientEpoch: _, ...login } = first
    const grant: Grant = {
      ...login,
      ...granteeOf(client),
      kind: allowed.kind,
      acr: allowed.acr!,
      scope: allowed.scope,
      resource,
      nonce: null,
      jkt: proof?.jkt ?? null,
    }
    return redeemed(secret, grant, allowed.lifetimeSec, call)
  },
}

/** §4.2: like a hint, it may have expired; the secret has not. */
async function readIdToken(text: string | undefined, { runtime, issuer, ...context }: IssuerContext): Promise<JsonObject> {
  if (text === undefined) throw malformed('subject_token is missing.')
  try {
    const jws = readJws(text, idTokenRules())
    const key = jws.kid === null ? null : await kitOf({ runtime, issuer, ...context }).ownKey(jws.kid, runtime.clock())
    const claims = key === null ? null : await verifyJws(runtime.crypto, jws, key)
    if (claims?.iss === issuer) return claims
  } catch (error) {
    if (!isPosternError(error, 'jws.refused')) throw error
  }
  throw invalidGrant('sso.id_token')
}

/** A grant of the second app, in its own partition, made while the secret's stands. */
async function redeemed(secret: DeviceSecret, grant: Grant, lifetimeSec: number, call: TokenCall): Promise<Issue> {
  const { client, now, context } = call
  const { places } = kitOf(context)
  const part = await places.owner(client, grant.subject)
  // Its own epochs before the secret's: a revocation of the user everywhere moves one of both, whenever it comes.
  const epochs = await readGuards(part, await epochKeys(places, grant), [], context)
  if (!(await stands(secret, context))) throw invalidGrant('sso.ended')
  const refresh = grant.kind === 'user' && client.grantTypes.includes('refresh_token')
  const what = { jti: newId(context), exp: now, grant, epochs, guards: [], refresh }
  const issue = await redeem(what, { ...AS_SSO, lifetimeSec }, call)
  const { family, notAfter } = issue.plan
  return {
    ...issue,
    // Another partition cannot be checked in the commit: what ended there meanwhile ends this before anything is issued.
    confirm: async () => {
      if (await stands(secret, context)) return null
      const tombstone: Op = { op: 'put', key: familyKey(family!.id), value: revokedFamily(), expiresAt: notAfter }
      return { refuse: invalidGrant('sso.ended'), part, ops: [tombstone], event: null }
    },
  }
}

/** Whether the secret's record, its family, the epochs of its grant, its client and its session (§4.3, 3) are as they were. */
async function stands({ id, family, epochs, grant }: DeviceSecret, context: IssuerContext): Promise<boolean> {
  const { store, clock } = context.runtime
  const { places } = kitOf(context)
  const { subject, clientId, clientKind: kind, sid } = grant
  const client = kind === 'instance' ? undefined : await context.clients.find(clientId)
  if (client === null || (client !== undefined && !outlivesClient(grant, client))) return false
  // What outlives its session, or lives beside the user's partition, does not hang on the session's epoch.
  const session = sid === null || sid === id ? null : places.sessionEpoch(sid)
  if (session !== null && !epochs.some(({ key }) => key === session)) {
    const [ended] = await store.read(await places.user(subject), [session], { now: clock() })
    if (ended) return false
  }
  const home = await places.owner({ id: clientId, kind }, subject)
  const keys = [deviceSecretKey(id), familyKey(family.id), ...epochs.map(({ key }) => key)]
  const [record, fam, ...found] = await store.read(home, keys, { now: clock() })
  if (!record || epochs.some(({ rev }, i) => (found[i]?.rev ?? null) !== rev)) return false
  return fam ? decodeFamily(fam.value) !== null : !family.row
}
