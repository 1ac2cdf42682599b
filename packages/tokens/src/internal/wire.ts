/** Errors on the wire: a code of the registry becomes the RFC's word; the true reason stays inside. */
import type { ErrorCode } from '@postern/core/errors'
import { isPosternError, PosternError } from '@postern/core/errors'

/** What a refused caller is told. */
export interface WireError {
  readonly status: number
  readonly error: string
  readonly description: string
  readonly code: string
}

const WORDS: Readonly<Partial<Record<ErrorCode, string>>> = {
  'request.unsupported': 'unsupported_response_type',
  'client.unknown': 'invalid_client',
  'client.credentials': 'invalid_client',
  'client.assertion': 'invalid_client',
  'client.replayed': 'invalid_client',
  'grant.invalid': 'invalid_grant',
  'grant.not_allowed': 'unauthorized_client',
  'grant.unknown': 'unsupported_grant_type',
  'scope.refused': 'invalid_scope',
  'target.refused': 'invalid_target',
  'redirect.refused': 'invalid_redirect_uri',
  'metadata.refused': 'invalid_client_metadata',
  'par.invalid': 'invalid_request_uri',
  'jar.unsupported': 'request_not_supported',
  'jar.by_reference': 'request_uri_not_supported',
  'jar.refused': 'invalid_request_object',
  'details.refused': 'invalid_authorization_details', // RFC 9396 §5
  'grant.pending': 'authorization_pending', // RFC 8628 §3.5, CIBA Core §11
  'grant.slow_down': 'slow_down',
  'grant.expired': 'expired_token',
  'grant.denied': 'access_denied',
  'ciba.unknown_user': 'unknown_user_id', // CIBA Core §13
  'ciba.expired_hint': 'expired_login_hint_token',
  'ciba.binding_message': 'invalid_binding_message',
  'ciba.missing_user_code': 'missing_user_code',
  'ciba.invalid_user_code': 'invalid_user_code',
  'statement.refused': 'invalid_software_statement', // RFC 7591 §3.2.2
  'statement.unapproved': 'unapproved_software_statement',
  'client.attestation': 'invalid_client_attestation',
  'client.attestation_stale': 'use_fresh_attestation',
  'client.attestation_challenge': 'use_attestation_challenge',
  'dpop.proof': 'invalid_dpop_proof',
  'dpop.nonce': 'use_dpop_nonce',
  'token.missing': 'invalid_token',
  'token.invalid': 'invalid_token',
  'token.scope': 'insufficient_scope',
  'token.stepup': 'insufficient_user_authentication',
  'tokens.denied': 'access_denied',
  'store.outcome_unknown': 'temporarily_unavailable',
  'store.unavailable': 'temporarily_unavailable',
  'store.overloaded': 'temporarily_unavailable',
  'dpop.full': 'temporarily_unavailable',
  'token.unavailable': 'temporarily_unavailable',
}

/** How an error is answered. Anything that is no {@link PosternError} is a fault of ours: 500, and nothing of it gets out. */
export function wireError(error: unknown): WireError {
  if (!isPosternError(error))
    return { status: 500, error: 'server_error', description: 'The server failed.', code: 'server.failed' }
  const { code, status, publicMessage } = error
  const word =
    WORDS[code] ?? (status >= 500 ? 'server_error' : status === 401 || status === 403 ? 'access_denied' : 'invalid_request')
  return { status, error: word, description: publicMessage, code: hostCode(error) ?? code }
}

/** A refusal of the host's `recheck`: its own code is shown as `code`. */
export function hostRefusal(error: 'invalid_grant' | 'access_denied', code: string): PosternError {
  return new PosternError(error === 'invalid_grant' ? 'grant.invalid' : 'tokens.denied', {
    reason: code,
    cause: { hostCode: code },
  })
}

/** One error for every way a code, refresh token or handle can be wrong; `reason` goes into the event alone. */
export function invalidGrant(reason: string): PosternError<'grant.invalid'> {
  return new PosternError('grant.invalid', { reason })
}

/** A request that breaks the protocol, said in words for its developer. */
export function malformed(publicMessage: string): PosternError<'request.malformed'> {
  return new PosternError('request.malformed', { publicMessage })
}

function hostCode({ cause }: PosternError): string | null {
  const code = typeof cause === 'object' && cause !== null && 'hostCode' in cause ? cause.hostCode : null
  return typeof code === 'string' ? code : null
}
