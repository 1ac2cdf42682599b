/** Discovery (RFC 8414, OpenID Connect Discovery §3): announces only what was passed in. */
import type { JsonObject } from '@postern/core/json'
import type { Endpoint } from './endpoint.js'
import type { GrantType } from './grant.js'
import { authMethodNames, authMethodsOf } from './internal/authenticate.js'
import { publicDocument } from './internal/document.js'
import { urlOf } from './internal/endpoint.js'
import { responseModes } from './internal/response.js'
import type { Handler, IssuerContext } from './issuer.js'

/** What a server was built with. */
export interface Offered {
  readonly grants: readonly GrantType[]
  readonly endpoints: readonly Endpoint[]
}

/** The metadata document of an issuer. */
export function metadata(context: IssuerContext, { grants, endpoints }: Offered): JsonObject {
  const { issuer, config, keys, runtime, interaction, challenge, jar, jarm, jwe, details } = context
  const granted = grants.filter((one) => one.offered?.(context) ?? true)
  const grantTypes = [...new Set(granted.map(({ grantType }) => grantType))]
  const authMethods = authMethodNames(context)
  const confidential = authMethods.filter((method) => method !== 'none')
  const assertionAlgs = authMethods.includes('client_secret_jwt') ? [...config.algs, 'HS256'] : config.algs
  const offered = endpoints.filter((one) => one.offered?.(context) ?? true)
  return {
    issuer,
    ...Object.fromEntries(offered.map(({ name, metadataName }) => [metadataName, urlOf(name, context)])),
    scopes_supported: config.scopes,
    response_types_supported: ['code'],
    response_modes_supported: responseModes(context),
    grant_types_supported: grantTypes.filter(
      (type) => type !== 'authorization_code' || interaction !== undefined || challenge !== undefined,
    ),
    subject_types_supported: ['public', 'pairwise'],
    id_token_signing_alg_values_supported: [...new Set(keys.signing.published(runtime.clock()).map(({ signer }) => signer.alg))],
    token_endpoint_auth_methods_supported: authMethods,
    token_endpoint_auth_signing_alg_values_supported: assertionAlgs,
    introspection_signing_alg_values_supported: [keys.signing.active(runtime.clock()).signer.alg], // RFC 9701 §7
    introspection_endpoint_auth_methods_supported: confidential,
    introspection_endpoint_auth_signing_alg_values_supported: assertionAlgs,
    revocation_endpoint_auth_methods_supported: authMethods,
    revocation_endpoint_auth_signing_alg_values_supported: assertionAlgs,
    code_challenge_methods_supported: ['S256'],
    dpop_signing_alg_values_supported: config.algs,
    acr_values_supported: config.acrValues,
    claims_parameter_supported: true,
    request_parameter_supported: false,
    request_uri_parameter_supported: false,
    authorization_response_iss_parameter_supported: true,
    protected_resources: Object.keys(config.resources),
    ...(details !== undefined && { authorization_details_types_supported: details.types }), // RFC 9396 §10
    ...jar?.announce(context),
    ...jarm?.announce(context),
    ...(jwe !== undefined && {
      id_token_encryption_alg_values_supported: jwe.encryptAlgs,
      id_token_encryption_enc_values_supported: jwe.encs,
      introspection_encryption_alg_values_supported: jwe.encryptAlgs, // RFC 9701 §7
      introspection_encryption_enc_values_supported: jwe.encs,
    }),
    ...Object.assign({}, ...authMethodsOf(context).map(({ announce }) => announce?.(context) ?? {})),
    ...Object.assign({}, ...[...granted, ...offered].map(({ announce }) => announce?.(context) ?? {})),
  }
}

/** `GET` of the metadata document. */
export function metadataEndpoint(offered: Offered): Handler {
  const keysOf = ({ keys: { signing }, runtime }: IssuerContext) => {
    const now = runtime.clock()
    return [signing.active(now), ...signing.published(now)]
  }
  return publicDocument((context) => metadata(context, offered), keysOf, 300)
}
