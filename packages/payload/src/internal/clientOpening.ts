/** The client's half of an opening, with what it said of itself. Loaded when a session is to be opened. */
import type { CryptoPort } from '@postern/core/cryptoPort'
import type { AeadId, HpkePorts, KemId } from '../hpke.js'
import { callerOf } from './callerOf.js'
import { beginOpening } from './openSession.js'
import type { Begun, CallSession } from './outgoing.js'
import { beginSessionCall } from './sessionWire.js'

export interface ClientOpening {
  readonly field: string
  readonly share: Uint8Array
  /** @param granted - the field of the reply @param proof - the DPoP proof that went with the call */
  finish(call: Begun, granted: string | null, proof: string | null): Promise<CallSession | null>
}

export async function beginClientOpening(
  ports: HpkePorts & { readonly crypto: CryptoPort },
  kem: KemId,
  aeads: readonly AeadId[],
): Promise<ClientOpening> {
  const opening = await beginOpening(ports, { kem, aeads }, beginSessionCall)
  return {
    ...opening,
    finish: async (call, granted, proof) => opening.finish(call, granted, await callerOf(ports.crypto, proof)),
  }
}
