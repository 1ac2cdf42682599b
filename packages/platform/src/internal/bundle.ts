/** The signed bundle: what a phone must know to draw its screens and judge a PIN, from the server and nobody else. */
import type { Registry } from '@postern/authenticators/registry'
import type { JsonObject } from '@postern/core/json'
import { signJws } from '@postern/core/jws'
import type { KeyRing } from '@postern/core/keyRing'
import type { PinPolicy } from '@postern/policy/pin/policy'
import type { ClientConfig } from '@postern/tokens/clients'
import { MOBILE_AUTH } from './transactions/room.js'

const LIFE_SEC = 86_400

/** `GET /bundle`: a JWS, `typ` `postern-bundle+jwt`, under the keys of the issuer's JWKS. */
export function createBundle(o: {
  issuer: string
  keys: KeyRing
  clock: () => number
  pinPolicy: PinPolicy
  registry: Registry
  acr: readonly string[]
  clients: readonly Pick<ClientConfig, 'id' | 'name' | 'scope'>[]
}) {
  // Who may ask for a confirmation, by the name that the app shows for it.
  const clients = o.clients.filter(({ scope }) => scope?.includes(MOBILE_AUTH)).map(({ id, name = id }) => ({ id, name }))
  return async (): Promise<Response> => {
    const iat = Math.floor(o.clock() / 1000)
    const { kid, signer } = o.keys.signing.active(o.clock())
    const payload: JsonObject = {
      iss: o.issuer,
      iat,
      exp: iat + LIFE_SEC,
      acr: [...o.acr],
      authenticators: o.registry.types.map((type) => ({ type, enabled: true })),
      clients,
      pin_policy: o.pinPolicy as unknown as JsonObject,
    }
    const text = await signJws(signer, { typ: 'postern-bundle+jwt', kid }, payload)
    return new Response(text, { headers: { 'content-type': 'application/postern-bundle+jwt', 'cache-control': 'no-store' } })
  }
}
