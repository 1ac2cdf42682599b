/** The public keys of clients: registered with them, or at their `jwks_uri`. */
import { setBounded } from '@postern/core/boundedMap'
import type { SignAlg, VerifyKey } from '@postern/core/cryptoPort'
import { isPosternError } from '@postern/core/errors'
import { thumbprint } from '@postern/core/jwk'
import type { Runtime } from '@postern/store'
import type { Client } from '../clients.js'
import type { IssuerContext } from '../issuer.js'
import { type AgedKeySet, agedKeySet, isKeySetUrl } from './keySet.js'
import { kitOf } from './kit.js'

const MAX_SETS = 1000
const MAX_KEYS = 32

/** Sets by URL, the one unused longest goes first. */
const memo: WeakMap<Runtime, Map<string, AgedKeySet>> = /* @__PURE__ */ new WeakMap()
const names: WeakMap<JsonWebKey, string> = /* @__PURE__ */ new WeakMap()

/**
 * The key that verifies what a client signed. An unknown `kid` is `null` and causes no fetch that this request waits for; it marks a set at
 * a URL for one refresh a minute. Without `kid` the client must have one key for `alg` (OpenID Connect Core §10.1).
 */
export async function clientKey(
  client: Client,
  kid: string | null,
  alg: SignAlg,
  context: IssuerContext,
): Promise<VerifyKey | null> {
  const own = client.auth.method === 'private_key_jwt' ? client.auth.keys : undefined
  const found: VerifyKey[] = []
  for (const jwk of own ?? (await clientJwks(client, context))) {
    const named = fits(jwk, alg) && (kid === null || kid === (await nameOf(jwk, context)))
    const key = named ? await prepared(jwk, alg, context) : null
    if (key !== null) found.push(key)
  }
  if (found.length === 0 && own === undefined && client.jwksUri !== undefined)
    setAt(client.jwksUri, context)?.missed(later(context))
  return kid === null && found.length > 1 ? null : (found[0] ?? null)
}

/** All keys of a client as it wrote them, whatever their use. */
export async function clientJwks({ jwks, jwksUri }: Client, context: IssuerContext): Promise<readonly JsonWebKey[]> {
  if (jwksUri === undefined) return (jwks ?? []).slice(0, MAX_KEYS)
  return (await setAt(jwksUri, context)?.keys(later(context))) ?? []
}

function setAt(url: string, { runtime, deadline }: IssuerContext): AgedKeySet | null {
  let sets = memo.get(runtime)
  if (sets === undefined) memo.set(runtime, (sets = new Map()))
  const known = sets.get(url)
  if (known === undefined && !isKeySetUrl(url)) return null
  const set = known ?? agedKeySet(url, { fetch: runtime.fetch, clock: runtime.clock, deadline })
  sets.delete(url)
  setBounded(sets, url, set, MAX_SETS)
  return set
}

function later({ host }: IssuerContext): (work: Promise<unknown>) => void {
  return (work) => host?.waitUntil?.(work)
}

/** What a key says of its own use; whether its type and curve go with `alg` is the crypto port's to judge. */
function fits(jwk: JsonWebKey, alg: SignAlg): boolean {
  const edwards = (name: unknown): boolean => name === 'EdDSA' || name === 'Ed25519'
  const own = jwk.alg === undefined || jwk.alg === alg || (edwards(jwk.alg) && edwards(alg))
  return own && (jwk.use === undefined || jwk.use === 'sig')
}

/** Its `kid`, or its thumbprint where it has none; `''` for what is no key of ours. */
async function nameOf(jwk: JsonWebKey, context: IssuerContext): Promise<string> {
  const { kid } = jwk as { kid?: unknown }
  return typeof kid === 'string' ? kid : thumbprintOf(jwk, context)
}

async function prepared(jwk: JsonWebKey, alg: SignAlg, context: IssuerContext): Promise<VerifyKey | null> {
  const name = await thumbprintOf(jwk, context)
  if (name === '') return null
  try {
    return await kitOf(context).prepare(alg, jwk, name)
  } catch (error) {
    if (isPosternError(error, 'crypto.invalid_key')) return null
    throw error
  }
}

async function thumbprintOf(jwk: JsonWebKey, { runtime }: IssuerContext): Promise<string> {
  let name = names.get(jwk)
  if (name === undefined) {
    try {
      name = await thumbprint(runtime.crypto, jwk)
    } catch (error) {
      if (!isPosternError(error, 'crypto.invalid_key')) throw error
      name = ''
    }
    names.set(jwk, name)
  }
  return name
}
