/** `urn:ietf:params:oauth:grant-type:device_code` (RFC 8628 §3.4): the device polls; what its user approved is redeemed once. */
import { PosternError } from '@postern/core/errors'
import type { GrantType } from '../grant.js'
import { DEVICE_GRANT, DEVICE_KEY, type DeviceCode, devicePart } from '../internal/deviceState.js'
import { openHandle } from '../internal/handles.js'
import { kitOf } from '../internal/kit.js'
import type { RedeemAs } from '../internal/redeem.js'
import { poll } from '../internal/waiting.js'
import { invalidGrant, malformed } from '../internal/wire.js'

const AS_DEVICE: RedeemAs = { at: 'device', event: 'token.issued' }

/** The grant type. */
export const device: GrantType = {
  grantType: DEVICE_GRANT,
  offered: ({ device: port }) => port !== undefined,
  async evaluate(form, call) {
    const { client, proof, now, context } = call
    const text = form.get('device_code')
    if (text === undefined) throw malformed('device_code is missing.')
    const opened = await openHandle<DeviceCode>(kitOf(context), 'device', text)
    if (opened === null) throw invalidGrant('device.unreadable') //                       altered, foreign, another type (T20)
    const { id, jti, exp, clientId, jkt, intervalSec } = opened
    if (clientId !== client.id) throw invalidGrant('device.client')
    if (jkt !== null && jkt !== proof?.jkt) throw new PosternError('dpop.proof', { reason: 'dpop.key' })
    if (exp <= now) throw new PosternError('grant.expired') //                             RFC 8628 §3.5
    const part = devicePart(id, context.tenant)!
    const gate = { part, state: DEVICE_KEY, gate: 'po', slow: 'sd', intervalSec, exp }
    return poll(gate, { jti, form, as: AS_DEVICE }, call)
  },
}
