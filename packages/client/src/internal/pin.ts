/** What every PIN ceremony on this device needs. */
import type { PinClientOptions, PinSlot } from '@postern/authenticators/pin/client'
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import type { PinInput } from '../prompts.js'
import type { Kit } from './kit.js'
import { cancelled, type Operation } from './operation.js'
import type { InstanceState, PinSlotState } from './state.js'

/** The options of a PIN ceremony, but for the exchange. */
export function pinPorts(
  { options, issuer, net }: Kit,
  instance: InstanceState,
  op: Operation,
): Omit<PinClientOptions, 'exchange'> {
  const { app, runtime } = options
  const { crypto, random, ksf, suites } = runtime
  return {
    issuer,
    tenant: app.tenant,
    app: app.id,
    device: instance.clientId,
    sign: net.sign(instance.keyId, op),
    crypto,
    random,
    ...(suites === undefined ? {} : { suites }),
    ...(ksf === undefined ? {} : { ksf: async (input, suite) => op.wait(ksf(input, suite)) }),
  }
}

/** What a prompt gave, as bytes of our own. @throws PosternError `client.cancelled` for a user who went back */
export async function pinBytes(input: PinInput | Promise<PinInput>): Promise<Uint8Array> {
  const given = await input
  if (given === null) throw cancelled()
  if (typeof given === 'string') return utf8(given)
  const own = given.slice()
  given.fill(0)
  return own
}

export function writeSlot({ secret, serverPublicKey, enrolment, generation, suite }: PinSlot): PinSlotState {
  return { enrolment, generation, suite, secret: encodeBase64url(secret), serverPublicKey: encodeBase64url(serverPublicKey) }
}

export function readSlot({ secret, serverPublicKey, ...rest }: PinSlotState): PinSlot {
  const [bytes, key] = [decodeBase64url(secret), decodeBase64url(serverPublicKey)]
  if (bytes === null || key === null) throw new PosternError('storage.lost', { reason: 'slot' })
  return { ...rest, secret: bytes, serverPublicKey: key }
}
