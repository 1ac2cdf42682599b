/** What a shared client may register of itself: RFC 7591 §2 and the members of the profiles that this server has. */
import { isPosternError, PosternError } from '@postern/core/errors'
import { anyObject, boolean, list, oneOf, type Reader, text } from '@postern/core/fields'
import type { JsonObject } from '@postern/core/json'
import type { CertificateName, Client, ClientMetadata } from '../clients.js'
import type { IssuerContext } from '../issuer.js'
import type { EncryptedAs } from '../jwe.js'
import { authMethodNames } from './authenticate.js'
import { checkCertificateName } from './certificateName.js'
import { certificateMember, defined } from './clientMembers.js'
import { isPublicUrl } from './publicUrl.js'
import { checkRedirectUri } from './redirect.js'
import { registeredKeys } from './registeredKeys.js'
import { isScopeToken } from './scope.js'

const MAX_URIS = 10
/** Grant types that a server of this package can be built with; which ones a client gets is its port's to say. */
const GRANTS = [
  'authorization_code',
  'refresh_token',
  'client_credentials',
  'urn:ietf:params:oauth:grant-type:device_code',
  'urn:openid:params:grant-type:ciba',
  'urn:ietf:params:oauth:grant-type:token-exchange',
  'urn:ietf:params:oauth:grant-type:jwt-bearer',
]
const name = text({ min: 1, max: 256, pattern: /^[^\x00-\x1f\x7f]+$/ })
const url: Reader<string> = (value, path) => {
  const given = text({ max: 1024 })(value, path)
  if (!isPublicUrl(given)) throw new PosternError('json.shape', { reason: `${path} is not an https URL of a public host` })
  return given
}
const urls = list(text({ max: 1024 }), { max: MAX_URIS })

/** What is understood; anything else is neither kept nor given back (RFC 7591 §2). */
const readers = {
  token_endpoint_auth_method: text({ max: 64 }),
  redirect_uris: urls,
  grant_types: list(text({ max: 128 }), { max: 16 }),
  response_types: list(text({ max: 64 }), { max: 4 }),
  scope: text({ max: 4096 }),
  client_name: name,
  jwks: anyObject,
  jwks_uri: url,
  tls_client_auth_subject_dn: text({ min: 1, max: 1024 }),
  tls_client_auth_san_dns: text({ min: 1, max: 256 }),
  tls_client_auth_san_uri: text({ min: 1, max: 1024 }),
  tls_client_auth_san_ip: text({ min: 1, max: 64 }),
  tls_client_auth_san_email: text({ min: 1, max: 256 }),
  tls_client_certificate_bound_access_tokens: boolean,
  dpop_bound_access_tokens: boolean,
  require_pushed_authorization_requests: boolean,
  require_signed_request_object: boolean,
  authorization_details_types: list(text({ max: 128 }), { max: 16 }),
  subject_type: oneOf('public', 'pairwise'),
  sector_identifier_uri: url,
  post_logout_redirect_uris: urls,
  backchannel_logout_uri: url,
  backchannel_token_delivery_mode: oneOf('poll', 'ping', 'push'),
  backchannel_client_notification_endpoint: url,
  id_token_signed_response_alg: text({ max: 16 }),
  id_token_encrypted_response_alg: text({ max: 32 }),
  id_token_encrypted_response_enc: text({ max: 32 }),
  authorization_encrypted_response_alg: text({ max: 32 }),
  authorization_encrypted_response_enc: text({ max: 32 }),
  introspection_encrypted_response_alg: text({ max: 32 }),
  introspection_encrypted_response_enc: text({ max: 32 }),
} as const
/** For people, and given back as they came. */
const about = {
  client_uri: url,
  logo_uri: url,
  tos_uri: url,
  policy_uri: url,
  contacts: list(text({ max: 256 }), { max: 10 }),
  software_id: name,
  software_version: name,
  software_statement: text({ max: 16_384 }),
} as const

type Members<R extends Readonly<Record<string, Reader<unknown>>>> = { readonly [K in keyof R]?: ReturnType<R[K]> }
type Read = Members<typeof readers>

/**
 * Reads and judges what a shared client registers. Nothing in it is fetched.
 * @param statement - of a software statement that held: what it says takes the place of what was sent (RFC 7591 §2.3)
 * @throws PosternError `metadata.refused` | `redirect.refused`
 */
export async function readClientMetadata(
  sent: JsonObject,
  statement: ClientMetadata['statement'],
  context: IssuerContext,
): Promise<ClientMetadata> {
  const metadata = { ...sent, ...statement?.members }
  if (metadata.client_secret !== undefined) throw refused('A client_secret is made here and cannot be chosen.')
  const read: Read = readMembers(metadata, readers)
  const method = methodOf(read, context)
  const redirectUris = read.redirect_uris ?? []
  for (const uri of [...redirectUris, ...(read.post_logout_redirect_uris ?? [])]) checkRedirectUri(uri, 'shared')
  const keys = await registeredKeys(read, context)
  const hasKeys = keys.jwksUri !== undefined || (keys.jwks ?? []).length > 0
  if (!hasKeys && (method === 'private_key_jwt' || method === 'self_signed_tls_client_auth'))
    throw refused(`${method} needs jwks or jwks_uri.`)
  checkSigned(read, context)
  return {
    method,
    ...certificateOf(read, method),
    ...keys,
    redirectUris,
    grantTypes: grantsOf(read, method),
    scope: scopeOf(read, context),
    about: readMembers(metadata, about) as JsonObject,
    statement,
    ...defined({
      name: read.client_name,
      certificateBound: read.tls_client_certificate_bound_access_tokens,
      dpopBound: read.dpop_bound_access_tokens,
      requirePar: read.require_pushed_authorization_requests,
      requireSignedRequest: read.require_signed_request_object,
      detailTypes: read.authorization_details_types,
      postLogoutRedirectUris: read.post_logout_redirect_uris,
      backchannelLogoutUri: read.backchannel_logout_uri,
      subjectType: read.subject_type,
      sectorIdentifier: sectorOf(read),
      encryption: encryptionOf(read, hasKeys, context),
      ...deliveryOf(read),
    }),
  }
}

function readMembers<R extends Readonly<Record<string, Reader<unknown>>>>(metadata: JsonObject, shape: R): Members<R> {
  const out: Record<string, unknown> = {}
  for (const [member, reader] of Object.entries(shape)) {
    const value = metadata[member]
    // A null stands for a member that is left out (RFC 7592 §2.2).
    if (value === undefined || value === null) continue
    try {
      out[member] = reader(value, member)
    } catch (cause) {
      if (!isPosternError(cause, 'json.shape')) throw cause
      throw new PosternError('metadata.refused', { publicMessage: `${cause.reason}.`, reason: cause.reason ?? '', cause })
    }
  }
  return out as Members<R>
}

function methodOf(
  { token_endpoint_auth_method: given = 'client_secret_basic' }: Read,
  context: IssuerContext,
): ClientMetadata['method'] {
  if (!authMethodNames(context).includes(given)) throw refused('token_endpoint_auth_method is none that this issuer has.')
  return given as ClientMetadata['method']
}

/** RFC 7591 §2.1: grant and response types belong together. */
function grantsOf(read: Read, method: string): readonly string[] {
  const { grant_types: grants = ['authorization_code'], response_types: types, redirect_uris: uris = [] } = read
  if (!grants.every((grant) => GRANTS.includes(grant))) throw refused('grant_types has one that no issuer here offers.')
  const code = grants.includes('authorization_code')
  if (types !== undefined && !(types.length === (code ? 1 : 0) && types.every((type) => type === 'code')))
    throw refused('response_types is ["code"] with authorization_code, and empty without it.')
  if (code && uris.length === 0)
    throw new PosternError('redirect.refused', { publicMessage: 'authorization_code needs redirect_uris.' })
  if (method === 'none' && grants.includes('client_credentials')) throw refused('client_credentials needs a way to authenticate.')
  return [...new Set(grants)]
}

function scopeOf({ scope }: Read, { config }: IssuerContext): readonly string[] | null {
  if (scope === undefined) return null
  const tokens = scope.split(' ').filter((token) => token !== '')
  if (!tokens.every(isScopeToken)) throw refused('scope has a character that RFC 6749 §3.3 does not allow.')
  return config.scopes.filter((token) => tokens.includes(token))
}

const CERTIFICATE_KINDS = ['dn', 'dns', 'uri', 'ip', 'email'] as const

/** RFC 8705 §2.1.2: exactly one of them, for the method that heeds it. */
function certificateOf(read: Read, method: string): Pick<ClientMetadata, 'certificate'> {
  if (method !== 'tls_client_auth') return {}
  const named = CERTIFICATE_KINDS.flatMap((kind) => {
    const value = read[certificateMember(kind)]
    return value === undefined ? [] : [[kind, value]]
  })
  const certificate = Object.fromEntries(named) as unknown as CertificateName
  checkCertificateName(certificate)
  return { certificate }
}

/** The issuer signs with what it has; a client that can read nothing of it would find out too late. */
function checkSigned({ id_token_signed_response_alg: alg }: Read, { keys, runtime }: IssuerContext): void {
  if (alg !== undefined && alg !== keys.signing.active(runtime.clock()).signer.alg)
    throw refused('id_token_signed_response_alg is not what this issuer signs with.')
}

function encryptionOf(read: Read, hasKeys: boolean, { jwe }: IssuerContext): Client['encryption'] {
  const wanted = (use: 'id_token' | 'authorization' | 'introspection'): EncryptedAs | undefined => {
    const alg = read[`${use}_encrypted_response_alg`]
    const enc = read[`${use}_encrypted_response_enc`] ?? 'A128GCM'
    if (alg === undefined) return undefined
    const offered = jwe?.encryptAlgs.some((one) => one === alg && one !== 'dir') && jwe.encs.some((one) => one === enc)
    if (!offered || !hasKeys) throw refused(`${use}_encrypted_response_alg or _enc is not offered, or there is no key for it.`)
    return { alg, enc } as EncryptedAs
  }
  const all = defined({ idToken: wanted('id_token'), response: wanted('authorization'), introspection: wanted('introspection') })
  return Object.keys(all).length === 0 ? undefined : (all as Client['encryption'])
}

/** CIBA Core §4. */
function deliveryOf(read: Read): Pick<ClientMetadata, 'backchannelTokenDeliveryMode' | 'backchannelClientNotificationEndpoint'> {
  const { backchannel_token_delivery_mode: mode, backchannel_client_notification_endpoint: endpoint } = read
  if (mode === undefined) return {}
  if (mode !== 'poll' && endpoint === undefined) throw refused(`${mode} needs backchannel_client_notification_endpoint.`)
  return defined({ backchannelTokenDeliveryMode: mode, backchannelClientNotificationEndpoint: endpoint })
}

/** Its document is not fetched, so it can widen nothing: it must name the one host that the redirect URIs have (OpenID Connect Core §8.1). */
function sectorOf({ subject_type: type, sector_identifier_uri: uri, redirect_uris: uris = [] }: Read): string | undefined {
  const hosts = new Set(uris.map((one) => new URL(one).host))
  if (uri !== undefined && !(hosts.size === 1 && hosts.has(new URL(uri).host)))
    throw refused('sector_identifier_uri must be on the one host of the redirect_uris; it is not fetched.')
  if (type === 'pairwise' && hosts.size !== 1) throw refused('A pairwise client needs redirect_uris of one host.')
  return uri === undefined ? undefined : new URL(uri).host
}

function refused(publicMessage: string): PosternError<'metadata.refused'> {
  return new PosternError('metadata.refused', { publicMessage })
}
