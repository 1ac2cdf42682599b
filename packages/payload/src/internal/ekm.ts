/** What a proof of the caller's key covers of a sealed call. */
import type { Now } from '@postern/core/cryptoPort'
import { tuple } from '@postern/core/tuple'
import type { HpkeContext } from '../hpke.js'
import { EMPTY } from './labels.js'

/**
 * 32 bytes that only a sealed call's two ends know; base64url of it is the claim `ekm` of a DPoP proof.
 * @param share - what the request offers to open a session with; empty without
 */
export function ekmOf(context: Pick<HpkeContext, 'export'>, share: Uint8Array = EMPTY): Now<Uint8Array> {
  return context.export(tuple('postern:payload-ekm/v1', share), 32)
}
