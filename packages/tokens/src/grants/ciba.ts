/** `urn:openid:params:grant-type:ciba` (CIBA Core §10.1, §11): the client polls, on its own or after a ping; what the user approved is redeemed once. */
import { PosternError } from '@postern/core/errors'
import type { GrantType } from '../grant.js'
import { AS_CIBA, type AuthReqId, CIBA_GRANT, cibaKey, placeOf } from '../internal/cibaState.js'
import { openHandle } from '../internal/handles.js'
import { kitOf } from '../internal/kit.js'
import { poll } from '../internal/waiting.js'
import { invalidGrant, malformed } from '../internal/wire.js'

/** The grant type. */
export const ciba: GrantType = {
  grantType: CIBA_GRANT,
  offered: ({ ciba: port }) => port !== undefined,
  async evaluate(form, call) {
    const { client, proof, now, context } = call
    const text = form.get('auth_req_id')
    if (text === undefined) throw malformed('auth_req_id is missing.')
    const opened = await openHandle<AuthReqId>(kitOf(context), 'ciba', text)
    if (opened === null) throw invalidGrant('ciba.unreadable') //                          altered, foreign, another type (T20)
    const { id, exp, clientId, mode, jkt, intervalSec } = opened
    if (clientId !== client.id) throw invalidGrant('ciba.client') //                       T41
    if (mode === 'push') throw new PosternError('grant.not_allowed') //                    §11: its tokens come by themselves
    if (jkt !== null && jkt !== proof?.jkt) throw new PosternError('dpop.proof', { reason: 'dpop.key' })
    if (exp <= now) throw new PosternError('grant.expired')
    const state = cibaKey(id)
    const gate = { part: placeOf(opened, context.tenant), state, gate: `${state}.po`, slow: `${state}.sd`, intervalSec, exp }
    return poll(gate, { jti: id, form, as: AS_CIBA }, call)
  },
}
