/** What an app instance registers (RFC 7591 §2): the standard members checked, all members handed to the port, none fetched. */
import { PosternError } from '@postern/core/errors'
import type { JsonObject, JsonValue } from '@postern/core/json'
import { publicJwk } from '@postern/core/jwk'
import { isPublicUrl } from './publicUrl.js'
import { checkRedirectUri } from './redirect.js'

/** What the port need not check again. */
export interface CheckedMetadata {
  readonly metadata: JsonObject
  readonly redirectUris: readonly string[]
  readonly jwk: JsonWebKey | null
}

const URIS = ['client_uri', 'logo_uri', 'tos_uri', 'policy_uri']

/** @throws PosternError `metadata.refused` | `redirect.refused` */
export function checkMetadata(metadata: JsonObject): CheckedMetadata {
  const redirectUris = strings(metadata, 'redirect_uris', 10)
  for (const uri of redirectUris) checkRedirectUri(uri, 'instance')
  // Kept as text for a consent page, never fetched (T44).
  for (const name of URIS)
    if (metadata[name] !== undefined && !isPublicUrl(text(metadata, name)))
      throw refused(`${name} must be an https URL of a public host.`)
  strings(metadata, 'grant_types', 10)
  strings(metadata, 'response_types', 4)
  if (metadata.jwks_uri !== undefined) throw refused('jwks_uri is not supported; send jwks.')
  if (metadata.software_statement !== undefined) throw refused('software_statement is not supported.')
  const method = metadata.token_endpoint_auth_method
  if (method !== undefined && method !== 'none')
    throw refused('token_endpoint_auth_method must be none: an instance proves its device key by DPoP.')
  return { metadata, redirectUris, jwk: onlyKey(metadata.jwks) }
}

function onlyKey(jwks: JsonValue | undefined): JsonWebKey | null {
  if (jwks === undefined) return null
  const keys = (jwks as JsonObject | null)?.keys
  if (!Array.isArray(keys) || keys.length !== 1) throw refused('jwks must hold exactly one key, the device key.')
  const key = keys[0] as JsonValue
  if (typeof key !== 'object' || key === null || 'd' in key || 'k' in key) throw refused('jwks must hold a public key.')
  try {
    return publicJwk(key as unknown as JsonWebKey)
  } catch (cause) {
    throw new PosternError('metadata.refused', { publicMessage: 'The key in jwks is not usable.', cause })
  }
}

function strings(metadata: JsonObject, name: string, max: number): readonly string[] {
  const value = metadata[name]
  if (value === undefined) return []
  if (!Array.isArray(value) || value.length > max || value.some((item) => typeof item !== 'string'))
    throw refused(`${name} must be at most ${max} strings.`)
  return value as readonly string[]
}

function text(metadata: JsonObject, name: string): string {
  const value = metadata[name]
  return typeof value === 'string' ? value : ''
}

function refused(publicMessage: string): PosternError<'metadata.refused'> {
  return new PosternError('metadata.refused', { publicMessage })
}
