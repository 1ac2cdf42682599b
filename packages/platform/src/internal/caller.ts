/** Who calls the platform's own endpoints: an app instance by its proof alone, or a user on one by an access token of ours. */
import { PosternError } from '@postern/core/errors'
import type { Runtime } from '@postern/store'
import { newRev } from '@postern/store'
import type { Client } from '@postern/tokens/clients'
import { type Nonces, type Proof, verifyProof } from '@postern/tokens/dpop'
import type { Places } from '@postern/tokens/places'
import type { Device } from './deviceRecord.js'
import type { Instances } from './instances.js'

export interface InstanceCall {
  readonly client: Client
  readonly device: Device
  readonly proof: Proof
}

/** Authenticates an app instance by its DPoP proof, once. @throws PosternError `client.unknown` | `dpop.proof` | `dpop.nonce` | `device.removed` */
export function createCaller(o: { runtime: Runtime; issuer: string; nonces: Nonces; places: Places; instances: Instances }) {
  const { runtime, nonces, places, instances } = o
  return async (request: Request, clientId: string): Promise<InstanceCall> => {
    const client = await instances.find(clientId)
    const jwt = request.headers.get('dpop')
    if (client === null) throw new PosternError('client.unknown')
    if (jwt === null) throw new PosternError('dpop.proof', { reason: 'no proof' })
    const url = new URL(new URL(request.url).pathname, o.issuer).href
    const proof = await verifyProof(
      { jwt, method: request.method, url, nonce: 'required', ...(client.jkt === undefined ? {} : { boundTo: client.jkt }) },
      { clock: runtime.clock, crypto: runtime.crypto, nonces },
    )
    const device = instances.deviceOf(client)
    if (device.value.status !== 'active') throw new PosternError('device.removed')
    const now = runtime.clock()
    const marker = await places.proofOp(proof, now + nonces.lifeMs)
    const spent = await runtime.store.commit(places.device(client.id), [marker], { now, rev: newRev(runtime.random) })
    if (!spent.ok) throw new PosternError('dpop.proof', { reason: 'dpop.replayed' })
    return { client, device, proof }
  }
}

export type Caller = ReturnType<typeof createCaller>
