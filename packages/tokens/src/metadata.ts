/** Discovery (RFC 8414, OpenID Connect Discovery §3): announces only what was passed in. */
import type { JsonObject } from '@postern/core/json'
import { urlOf } from './internal/endpoint.js'
import { empty } from './internal/http.js'
import type { Handler, IssuerContext } from './issuer.js'
import { publicJson } from './jwks.js'

/** What a server was built with. */
export interface Offered {
  readonly grantTypes: readonly string[]
  readonly authMethods: readonly string[]
}

/** The metadata document of an issuer. */
export function metadata(context: IssuerContext, { grantTypes, authMethods }: Offered): JsonObject {
  const { issuer, config, keys, runtime, interaction, challenge, clients } = context
  const browser = interaction !== undefined
  const offered = grantTypes.filter((type) => type !== 'authorization_code' || browser || challenge !== undefined)
  return {
    issuer,
    ...(browser && {
      authorization_endpoint: urlOf('authorize', context),
      pushed_authorization_request_endpoint: urlOf('par', context),
      require_pushed_authorization_requests: config.requirePar,
    }),
    ...(challenge !== undefined && { authorization_challenge_endpoint: urlOf('challenge', context) }),
    ...(clients.admit !== undefined && { registration_endpoint: urlOf('register', context) }),
    token_endpoint: urlOf('token', context),
    userinfo_endpoint: urlOf('userinfo', context),
    introspection_endpoint: urlOf('introspect', context),
    revocation_endpoint: urlOf('revoke', context),
    jwks_uri: urlOf('jwks', context),
    scopes_supported: config.scopes,
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: offered,
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [...new Set(keys.signing.published(runtime.clock()).map(({ signer }) => signer.alg))],
    token_endpoint_auth_methods_supported: ['none', ...authMethods],
    token_endpoint_auth_signing_alg_values_supported: config.algs,
    introspection_endpoint_auth_methods_supported: authMethods,
    introspection_endpoint_auth_signing_alg_values_supported: config.algs,
    revocation_endpoint_auth_methods_supported: ['none', ...authMethods],
    revocation_endpoint_auth_signing_alg_values_supported: config.algs,
    code_challenge_methods_supported: ['S256'],
    dpop_signing_alg_values_supported: config.algs,
    acr_values_supported: config.acrValues,
    claims_parameter_supported: true,
    request_parameter_supported: false,
    request_uri_parameter_supported: false,
    authorization_response_iss_parameter_supported: true,
    protected_resources: Object.keys(config.resources),
  }
}

/** `GET` of the metadata document. */
export function metadataEndpoint(offered: Offered): Handler {
  return async (request, context) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return empty(405, { allow: 'GET, HEAD' })
    return publicJson(metadata(context, offered), 'public, max-age=300')
  }
}
