/** What a shared client's registration is answered with, in the members that it was made of (RFC 7591 §3.2.1). */
import type { JsonObject, JsonValue } from '@postern/core/json'
import type { Client } from '../clients.js'
import type { EncryptedAs } from '../jwe.js'

/** The members that a registration is answered with (RFC 7591 §3.2.1), but those that every client has. */
export function clientMembers(client: Client): JsonObject {
  const { auth, encryption } = client
  const certificate = auth.method === 'tls_client_auth' ? auth.certificate : {}
  const encrypted = (use: string, as: EncryptedAs | undefined): JsonObject =>
    as === undefined ? {} : { [`${use}_encrypted_response_alg`]: as.alg, [`${use}_encrypted_response_enc`]: as.enc }
  return defined({
    response_types: client.grantTypes.includes('authorization_code') ? ['code'] : [],
    jwks: client.jwks === undefined ? undefined : { keys: client.jwks as unknown as JsonValue },
    jwks_uri: client.jwksUri,
    ...Object.fromEntries(Object.entries(certificate).map(([kind, value]) => [certificateMember(kind), value])),
    tls_client_certificate_bound_access_tokens: client.certificateBound,
    dpop_bound_access_tokens: client.dpopBound,
    require_pushed_authorization_requests: client.requirePar,
    require_signed_request_object: client.requireSignedRequest,
    authorization_details_types: client.detailTypes,
    post_logout_redirect_uris: client.postLogoutRedirectUris,
    backchannel_logout_uri: client.backchannelLogoutUri,
    backchannel_token_delivery_mode: client.backchannelTokenDeliveryMode,
    backchannel_client_notification_endpoint: client.backchannelClientNotificationEndpoint,
    subject_type: client.subjectType,
    ...encrypted('id_token', encryption?.idToken),
    ...encrypted('authorization', encryption?.response),
    ...encrypted('introspection', encryption?.introspection),
  })
}

/** The member that names a certificate by one kind of name (RFC 8705 §2.1.2). */
export function certificateMember(kind: string): `tls_client_auth_${'subject_dn' | `san_${'dns' | 'uri' | 'ip' | 'email'}`}` {
  return kind === 'dn' ? 'tls_client_auth_subject_dn' : `tls_client_auth_san_${kind as 'dns'}`
}

/** Without the members that are undefined. */
export function defined<T extends object>(members: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as ReturnType<typeof defined<T>>
}
