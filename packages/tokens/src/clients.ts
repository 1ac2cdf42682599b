/** Who may ask for tokens: shared clients (portals, services) and app instances (one installation each, from dynamic registration). */
import { decodeBase64url } from '@postern/core/base64url'
import type { Now, SignAlg } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import type { Op, Part } from '@postern/store'
import type { Proof } from './dpop.js'
import { isCallbackUrl } from './internal/callbackUrl.js'
import { checkCertificateName } from './internal/certificateName.js'
import { isKeySetUrl } from './internal/keySet.js'
import { sectorOf } from './internal/pairwise.js'
import { checkRedirectUri } from './internal/redirect.js'
import { isScopeToken } from './internal/scope.js'
import type { EncryptedAs } from './jwe.js'
import type { IssuerKeys } from './resource.js'

/** How a client proves itself besides its DPoP key. */
export type ClientAuth =
  | { readonly method: 'none' }
  /** SHA-256 of the secret, base64url: two during a change. */
  | { readonly method: 'client_secret_basic' | 'client_secret_post'; readonly secretHashes: readonly string[] }
  /** HS256 needs the secret itself, ≥ 32 characters: asked for at each assertion, so that no record and no log of a client holds it. */
  | { readonly method: 'client_secret_jwt'; readonly secret: () => Now<string> }
  /** `keys` default the client's own {@link Client.jwks} or {@link Client.jwksUri}. */
  | { readonly method: 'private_key_jwt'; readonly keys?: readonly JsonWebKey[] }
  | { readonly method: 'tls_client_auth'; readonly certificate: CertificateName }
  /** A certificate around one of the client's own keys (RFC 8705 §2.2). */
  | { readonly method: 'self_signed_tls_client_auth' }
  /** `attesters`: whose word counts for this client, by their names in `clientAttestation`. */
  | { readonly method: 'attest_jwt_client_auth' | 'attest_jwt_client_auth_dpop'; readonly attesters: readonly string[] }

/** What a CA-signed certificate must say, exactly: its subject (RFC 4514 text) or one alternative name (RFC 8705 §2.1.2). */
export type CertificateName =
  | { readonly dn: string }
  | { readonly dns: string }
  | { readonly uri: string }
  | { readonly ip: string }
  | { readonly email: string }

export interface Client {
  /** `[A-Za-z0-9._~-]{1,64}`; an instance's is also its device id. */
  readonly id: string
  /** `instance`: owner partition `dev:<id>`. `shared`: `usr:<h(subject)>`. */
  readonly kind: 'instance' | 'shared'
  readonly auth: ClientAuth
  /** Its public keys: for assertions, request objects, certificates and what is encrypted to it. */
  readonly jwks?: readonly JsonWebKey[]
  /** Where it publishes them instead: https, fetched by age. */
  readonly jwksUri?: string
  /** Its access tokens are bound to the certificate of the connection (RFC 8705 §3). */
  readonly certificateBound?: boolean
  /** Thumbprint of the device key (RFC 7638); an instance's every proof is made with it. */
  readonly jkt?: string
  /** Shared clients: every token request carries a DPoP proof. Instances always do. */
  readonly dpopBound?: boolean
  readonly redirectUris: readonly string[]
  readonly grantTypes: readonly string[]
  /** What it may ask for at most. */
  readonly scope: readonly string[]
  /** Resources it may ask tokens for; default the issuer's default alone. */
  readonly resources?: readonly string[]
  readonly requirePar?: boolean
  /** Types of `authorization_details` it may ask for (RFC 9396 §10); default all of the issuer's. */
  readonly detailTypes?: readonly string[]
  /** Its authorization requests count only as signed request objects (RFC 9101 §10.5). */
  readonly requireSignedRequest?: boolean
  /** How it hears of a backchannel authentication (CIBA Core §4); default `poll`. */
  readonly backchannelTokenDeliveryMode?: 'poll' | 'ping' | 'push'
  /** Where pings and pushes go: https, or http on a loopback host. */
  readonly backchannelClientNotificationEndpoint?: string
  /** What it wants encrypted to one of its keys, and how; the issuer needs `jwe`. */
  readonly encryption?: { readonly [use in 'idToken' | 'response' | 'introspection']?: EncryptedAs }
  /** Resource servers: the audiences whose tokens it may introspect. */
  readonly introspects?: readonly string[]
  readonly name?: string
  /** The record behind it, usable as a guard: the instance's own in `dev:<id>`. */
  readonly record?: { readonly part: Part; readonly key: string; readonly rev: string }
  /** Serial of the current registration access token. */
  readonly serial?: number
  /** Members of the registration answer besides the standard ones (RFC 7591 §3.2.1). */
  readonly metadata?: JsonObject
  /** `pairwise`: its `sub`s are its sector's own (OpenID Connect Core §8.1), in JWT access tokens too, which it can read. Default `public`. */
  readonly subjectType?: 'public' | 'pairwise'
  /** The sector of a pairwise client; default the one host of its redirect URIs. Never fetched. */
  readonly sectorIdentifier?: string
  /** Where an RP-initiated logout may lead back to, exactly as written. */
  readonly postLogoutRedirectUris?: readonly string[]
  /** Shared clients: who is told of the end of a session it took part in (OpenID Connect Back-Channel Logout §2.2). */
  readonly backchannelLogoutUri?: string
  /** Rev of its own epoch, where the port knows it: families made under another are over. */
  readonly epoch?: string | null
  /** Facts that introspection shows. */
  readonly app?: { readonly id: string; readonly platform?: string; readonly version?: string }
}

/** What a shared client registers of itself (RFC 7591 §2), checked: forms, keys, addresses, and that this issuer offers it. */
export interface ClientMetadata
  extends Omit<ClientConfig, 'id' | 'auth' | 'scope' | 'resources' | 'introspects' | 'redirectUris' | 'grantTypes'> {
  readonly method: ClientAuth['method']
  /** For `tls_client_auth`. */
  readonly certificate?: CertificateName
  readonly redirectUris: readonly string[]
  readonly grantTypes: readonly string[]
  /** What it asks for of the issuer's scopes; `null`: it did not say. */
  readonly scope: readonly string[] | null
  /** Texts and addresses for people, and its software statement: given back as they came, never fetched. */
  readonly about: JsonObject
  /** Who stated what, of a software statement that held; its members stand in all of the above. */
  readonly statement: { readonly issuer: string; readonly members: JsonObject } | null
}

/** Whose software statements count. */
export interface StatementIssuer {
  /** The exact `iss`. */
  readonly issuer: string
  /** A key set fetched by age, or a ring: nothing is fetched for a statement. Statements name their key by `kid`. */
  readonly keys: IssuerKeys
  /** Default ES256, EdDSA, Ed25519. */
  readonly algs?: readonly SignAlg[]
}

/** A registration or update as the port is asked about it. */
export interface RegistrationCall {
  /** All members sent, strictly parsed (≤ 32 KiB), unknown ones included: `evidence`, `challenge`, `app_id` … are the port's. */
  readonly metadata: JsonObject
  /** Of a shared client: what it registers. `null` for an instance, of which the members below were checked. */
  readonly shared: ClientMetadata | null
  /** Checked already: standard members of RFC 7591 §2 in types, redirect URIs by the rules, at most one public key in `jwks`. */
  readonly redirectUris: readonly string[]
  readonly jwk: JsonWebKey | null
  /** The DPoP proof, valid for key, method, target (and token, at an update). Its `nonce` is judged by {@link ClientPort.nonce}. */
  readonly proof: Proof | null
  /** To be kept in the record and given back as `Client.serial`. */
  readonly serial: number
  readonly request: Request
}

/** What to write. The endpoint commits it: `put key rev:null` at registration, `rev:<as found>` later, ops and event in the same commit. */
export interface Admission {
  /** As {@link ClientPort.find} will return it after the commit; `record.rev` is filled in. */
  readonly client: Client
  readonly part: Part
  readonly key: string
  readonly value: Uint8Array
  /** ≤ 8, in the same partition. */
  readonly ops?: readonly Op[]
  /** Further members of this one answer (`bundle_uri`, …). */
  readonly members?: JsonObject
  /** Runs after the commit, before the answer: confirm a claim elsewhere. */
  readonly after?: () => Promise<void>
}

/** Where clients come from. To refuse, a method throws a `PosternError`: its code and status reach the caller. */
export interface ClientPort {
  /** @param o.fresh - as it stands now, not as it was remembered: its own registration is being managed */
  find(id: string, o?: { readonly fresh?: boolean }): Promise<Client | null>
  /** Absent: no dynamic registration. Called again with the same input it must name the same client; an existing record of the same key is then answered as success. */
  admit?(call: RegistrationCall): Promise<Admission>
  update?(client: Client, call: RegistrationCall): Promise<Admission>
  /** Commits the end of the client itself: tombstone and epoch. */
  remove?(client: Client): Promise<void>
  /** `'port'`: at `POST` and `PUT` of registration the port compares `proof.nonce` with its own challenge's. Default: the server's nonce is demanded. */
  readonly nonce?: 'port'
  /** What a registration asks for; default `instance` for all. Shared clients may have secrets, keys at a URL, and software statements. */
  kindOf?(metadata: JsonObject): Client['kind']
  /** Whose software statements count; default nobody's. */
  readonly statements?: readonly StatementIssuer[]
}

/** A shared client as configuration states it. */
export interface ClientConfig {
  readonly id: string
  readonly auth: ClientAuth
  readonly jwks?: readonly JsonWebKey[]
  readonly jwksUri?: string
  readonly certificateBound?: boolean
  readonly redirectUris?: readonly string[]
  /** Default `authorization_code`, `refresh_token`. */
  readonly grantTypes?: readonly string[]
  readonly scope: readonly string[]
  readonly resources?: readonly string[]
  readonly dpopBound?: boolean
  readonly requirePar?: boolean
  readonly detailTypes?: readonly string[]
  readonly requireSignedRequest?: boolean
  readonly backchannelTokenDeliveryMode?: 'poll' | 'ping' | 'push'
  readonly backchannelClientNotificationEndpoint?: string
  readonly encryption?: NonNullable<Client['encryption']>
  readonly introspects?: readonly string[]
  readonly subjectType?: 'public' | 'pairwise'
  readonly sectorIdentifier?: string
  readonly postLogoutRedirectUris?: readonly string[]
  readonly backchannelLogoutUri?: string
  readonly name?: string
}

const ID = /^[A-Za-z0-9._~-]{1,64}$/

/**
 * Clients from configuration, checked once.
 * @throws PosternError `metadata.refused` | `redirect.refused`
 */
export function clientsInConfig(clients: readonly ClientConfig[]): ClientPort {
  const byId = new Map(clients.map((client) => [client.id, clientOf(client)]))
  if (byId.size !== clients.length) throw refused('two clients have the same id')
  return { find: async (id) => byId.get(id) ?? null }
}

function clientOf(config: ClientConfig): Client {
  const { id, auth, scope, redirectUris = [], grantTypes = ['authorization_code', 'refresh_token'] } = config
  if (!ID.test(id)) throw refused(`client id ${id}`)
  if (!scope.every(isScopeToken)) throw refused(`${id}: a scope has a character that RFC 6749 §3.3 does not allow`)
  if (
    'secretHashes' in auth &&
    (auth.secretHashes.length === 0 || auth.secretHashes.some((hash) => decodeBase64url(hash)?.length !== 32))
  )
    throw refused(`${id}: secretHashes must be SHA-256 in base64url, as hashSecret gives them`)
  if (needsKeys(auth) && (config.jwks ?? []).length === 0 && config.jwksUri === undefined)
    throw refused(`${id}: ${auth.method} needs a key`)
  if (auth.method === 'tls_client_auth') checkCertificateName(auth.certificate)
  if (config.jwksUri !== undefined && !isKeySetUrl(config.jwksUri)) throw refused(`${id}: jwksUri must be https`)
  const { backchannelTokenDeliveryMode: mode = 'poll', backchannelClientNotificationEndpoint: callback = '' } = config
  if (mode !== 'poll' && !isCallbackUrl(callback)) throw refused(`${id}: ${mode} needs an https notification endpoint`)
  const encrypts = Object.values(config.encryption ?? {}).some(({ alg }) => alg !== 'dir')
  if (encrypts && config.jwks === undefined && config.jwksUri === undefined)
    throw refused(`${id}: what is encrypted to it needs a key in jwks or at jwksUri`)
  for (const uri of redirectUris) checkRedirectUri(uri, 'shared')
  sectorOf({ ...config, redirectUris })
  return { ...config, kind: 'shared', redirectUris, grantTypes }
}

function needsKeys(auth: ClientAuth): boolean {
  return auth.method === 'self_signed_tls_client_auth' || (auth.method === 'private_key_jwt' && (auth.keys ?? []).length === 0)
}

function refused(publicMessage: string): PosternError<'metadata.refused'> {
  return new PosternError('metadata.refused', { publicMessage })
}
