/** The ticket between the halves of a PIN change: the old PIN proved itself at R₂, and nothing may happen to it until the new one does. */
import { encodeBase64url } from '@postern/core/base64url'
import type { Ceremony, Reply } from '../authenticator.js'
import type { PinSuite } from '../pin/messages.js'
import { challengeMs, deviceOf, sealHandle } from './challenge.js'
import { encodeRequestHandle, type RequestHandle } from './pinHandle.js'
import type { PinPorts } from './pinPorts.js'

/** Asks for the registration of the next generation. */
export function ticketReply(
  c: Ceremony,
  ports: PinPorts,
  o: { readonly enrolment: string; readonly generation: number; readonly after: string; readonly suite: PinSuite },
): Promise<Reply> {
  return requestReply(c, ports, 'pin.ticket', { ...o, generation: o.generation + 1, purpose: 'change' })
}

/** Asks for a registration request: at enrolment (R₂ empty) or in a change. */
export async function requestReply(
  c: Ceremony,
  ports: PinPorts,
  type: 'pin.enrol' | 'pin.ticket',
  o: Pick<RequestHandle, 'enrolment' | 'generation' | 'after' | 'suite'> & { readonly purpose: 'enrol' | 'change' },
): Promise<Reply> {
  const { random, clock, seal } = ports
  const handle: RequestHandle = {
    ...o,
    device: deviceOf(c)!,
    bind: c.bind,
    nonce: random(32),
    expiresAt: clock() + challengeMs,
  }
  const { enrolment, generation, suite, expiresAt, nonce } = handle
  return {
    handle: await sealHandle(seal, c, type, o.purpose, encodeRequestHandle(handle)),
    expiresAt,
    enrolment,
    body: { ask: 'request', enrolment, generation, suite, nonce: encodeBase64url(nonce) },
  }
}
