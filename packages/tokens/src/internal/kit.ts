/** What follows from an issuer's keys and ports: prepared once for each, and nothing but a memo of pure functions. */
import type { SignAlg, VerifyKey } from '@postern/core/cryptoPort'
import type { KnownHeaders } from '@postern/core/jws'
import type { KeyRing } from '@postern/core/keyRing'
import { createSealer, type Sealer, type SealScope } from '@postern/core/sealed'
import type { Runtime } from '@postern/store'
import { type Nonces, sharedNonces } from '../dpop.js'
import type { IssuerContext } from '../issuer.js'
import { type Places, places } from '../places.js'
import type { OwnToken } from './accessToken.js'
import { headerCache, keyCache, type PrepareKey } from './keyCache.js'
import { type Recent, recent } from './recent.js'

export interface Kit {
  readonly places: Places
  /** For refresh and registration tokens. */
  readonly long: Sealer
  /** For handles of half an hour at most. */
  readonly short: Sealer
  readonly nonces: Nonces
  /** Challenges of client attestations. */
  readonly challenges: Nonces
  readonly prepare: PrepareKey
  readonly proofHeaders: KnownHeaders
  readonly tokenHeaders: KnownHeaders
  /** Access tokens of this issuer that were read before. */
  readonly tokens: Recent<OwnToken>
  scope(type: string): SealScope
  /** The key that verifies this issuer's own tokens, or `null`. */
  ownKey(kid: string, now: number): Promise<VerifyKey | null>
}

/** Keys of callers outlive a turn of our own. */
const prepared: WeakMap<Runtime, PrepareKey> = /* @__PURE__ */ new WeakMap()
const memo: WeakMap<Runtime, WeakMap<KeyRing, Map<string, Kit>>> = /* @__PURE__ */ new WeakMap()

/** By the context itself, where a host keeps one; with the keys it was found by, which a host may have turned in place. */
const byContext: WeakMap<IssuerContext, { readonly keys: KeyRing; readonly epoch: string | undefined; readonly kit: Kit }> =
  /* @__PURE__ */ new WeakMap()

/** The kit of an issuer. */
export function kitOf(context: IssuerContext): Kit {
  const { keys, restoreEpoch: epoch } = context
  const known = byContext.get(context)
  if (known?.keys === keys && known.epoch === epoch) return known.kit
  const kit = findKit(context)
  byContext.set(context, { keys, epoch, kit })
  return kit
}

function findKit(context: IssuerContext): Kit {
  const { runtime, keys, tenant, issuer, restoreEpoch = '0' } = context
  let byKeys = memo.get(runtime)
  if (byKeys === undefined) memo.set(runtime, (byKeys = new WeakMap()))
  let byIssuer = byKeys.get(keys)
  if (byIssuer === undefined) byKeys.set(keys, (byIssuer = new Map()))
  const name = `${tenant} ${issuer} ${restoreEpoch}`
  let kit = byIssuer.get(name)
  if (kit === undefined) byIssuer.set(name, (kit = make(context, restoreEpoch)))
  return kit
}

function prepareOf(runtime: Runtime): PrepareKey {
  let prepare = prepared.get(runtime)
  if (prepare === undefined) prepared.set(runtime, (prepare = keyCache(runtime.crypto, 10_000)))
  return prepare
}

function make({ runtime, keys, tenant, issuer }: IssuerContext, restoreEpoch: string): Kit {
  const { crypto, random, clock } = runtime
  const own = new Map<string, VerifyKey>()
  const scopes = new Map<string, SealScope>()
  return {
    places: places({ keys, crypto, tenant }),
    long: createSealer({ ring: keys.long, crypto, random, clock }),
    short: createSealer({ ring: keys.short, crypto, random, clock }),
    nonces: sharedNonces({ keys, crypto, clock, tenant, issuer, role: 'as' }),
    challenges: sharedNonces({ keys, crypto, clock, tenant, issuer, role: 'attestation' }),
    prepare: prepareOf(runtime),
    proofHeaders: headerCache(1000),
    tokenHeaders: headerCache(16),
    tokens: recent(5000),
    scope(type) {
      let scope = scopes.get(type)
      // The registration token alone opens after a restore: it is bound to the instance's key.
      const purpose = type === 'registration' ? '' : restoreEpoch
      if (scope === undefined) scopes.set(type, (scope = Object.freeze({ type, tenant, issuer, purpose })))
      return scope
    },
    async ownKey(kid, now) {
      const found = keys.signing.find(kid, now)
      if (found === null) return null
      const known = own.get(kid)
      if (known !== undefined) return known
      const key = await crypto.verifyKey(found.signer.alg as SignAlg, found.signer.publicJwk)
      own.set(kid, key)
      return key
    },
  }
}
