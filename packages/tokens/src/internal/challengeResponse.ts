/** What a resource server answers where a token does not do (RFC 6750 §3, RFC 9449 §7.1, RFC 9470 §3, RFC 9728 §5.1). */
import { isPosternError } from '@postern/core/errors'
import { DEFAULT_ALGS } from '../jose.js'
import type { Need, VerifierOptions } from '../resource.js'

/** The 401, 403 or 503 that tells the client what is missing, with `WWW-Authenticate` and a fresh `DPoP-Nonce`; `null` when the error is not the verifier's. */
export async function challengeResponse(error: unknown, o: VerifierOptions, need: Need = {}): Promise<Response | null> {
  if (!isPosternError(error, ...OURS)) return null
  const headers = { 'cache-control': 'no-store', 'dpop-nonce': await o.nonces.issue() }
  if (error.status === 503) return new Response(null, { status: 503, headers: { ...headers, 'retry-after': '1' } })
  const bearer = challenge('Bearer', error.code, o, need)
  const dpop = challenge('DPoP', error.code, o, need)
  const status = error.code === 'token.scope' ? 403 : 401
  // Whose token it is cannot be known from a refusal of it: both schemes are told what is missing, a proof is DPoP's alone.
  const both = error.code.startsWith('dpop.') ? dpop : `${dpop}, ${bearer}`
  return new Response(null, { status, headers: { ...headers, 'www-authenticate': both } })
}

const OURS = [
  'token.missing',
  'token.invalid',
  'token.scope',
  'token.stepup',
  'dpop.proof',
  'dpop.nonce',
  'dpop.full',
  'token.unavailable',
] as const
const WORDS: Readonly<Record<(typeof OURS)[number], string | null>> = {
  'token.missing': null,
  'token.invalid': 'invalid_token',
  'token.scope': 'insufficient_scope',
  'token.stepup': 'insufficient_user_authentication',
  'dpop.proof': 'invalid_dpop_proof',
  'dpop.nonce': 'use_dpop_nonce',
  'dpop.full': null,
  'token.unavailable': null,
}

function challenge(
  scheme: 'Bearer' | 'DPoP',
  code: (typeof OURS)[number],
  { resourceMetadata, algs = DEFAULT_ALGS }: VerifierOptions,
  need: Need,
): string {
  const { scope, acr, maxAge } = need
  const stepup = code === 'token.stepup'
  const parameters: readonly (readonly [string, string | null | undefined])[] = [
    ['error', WORDS[code]],
    ['algs', scheme === 'DPoP' ? algs.join(' ') : null], //                                          RFC 9449 §7.1
    ['scope', code === 'token.scope' ? scope?.join(' ') : null], //                                  RFC 6750 §3
    ['acr_values', stepup ? acr?.join(' ') : null], //                                               RFC 9470 §3
    ['max_age', stepup && maxAge !== undefined ? String(maxAge) : null],
    ['resource_metadata', resourceMetadata], //                                                      RFC 9728 §5.1
  ]
  return `${scheme} ${parameters.flatMap(([name, value]) => (value ? [`${name}="${value}"`] : [])).join(', ')}`.trim()
}
