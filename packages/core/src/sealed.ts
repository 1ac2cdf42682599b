/**
 * Sealed values: what the platform hands out and wants back unread and unchanged (codes, refresh tokens, challenges), or keeps at rest.
 *
 * `ver 1 ‖ kid 4 ‖ iv 24 ‖ ciphertext ‖ tag 16`. AES-256-GCM with a key and nonce of its own per value: key = HMAC-SHA-256(K, iv[0..12)),
 * nonce = iv[12..24). Random 96-bit nonces under one key would run out at 2^32 values; 192 random bits do not.
 */
import { concat, fromHex, hex } from './bytes.js'
import type { CryptoPort, HmacKey } from './cryptoPort.js'
import { PosternError } from './errors.js'
import { IV_BYTES, openEnvelope, sealEnvelope, TAG_BYTES } from './internal/envelope.js'
import { isLater } from './internal/now.js'
import type { Ring, SealKey } from './keyRing.js'
import type { Clock, Random } from './runtime.js'
import { tuple } from './tuple.js'

/** What a value is sealed for. It opens for exactly the same four and nothing else. */
export interface SealScope {
  /** The kind of value (`code`, `refresh`, `pin-challenge` …): one kind never opens as another. */
  readonly type: string
  readonly tenant: string
  readonly issuer: string
  /** What the holder may do with it; empty where the type says it all. */
  readonly purpose: string
}

/** Seals and opens under the keys of one ring, by the clock. */
export interface Sealer {
  /** Seals under the active key with a fresh iv. @throws PosternError `keys.none_active` */
  seal(scope: SealScope, plaintext: Uint8Array): Promise<Uint8Array>
  /**
   * The same bytes for the same scope, plaintext and key: an honest retry gets what the lost reply held. Equal plaintexts show as equal.
   * @param kid - key to use while it is published, default the active one
   * @throws PosternError `keys.none_active` when that key is not in the ring
   */
  sealDeterministic(scope: SealScope, plaintext: Uint8Array, kid?: string): Promise<Uint8Array>
  /** The plaintext, or `null` for every way of being wrong: version, key, scope, length, a changed bit. */
  open(scope: SealScope, sealed: Uint8Array): Promise<Uint8Array | null>
  /** @throws PosternError `keys.none_active` */
  activeKid(): string
}

/** What {@link createSealer} needs. */
export interface SealerPorts {
  readonly ring: Ring<SealKey>
  readonly crypto: CryptoPort
  readonly random: Random
  readonly clock: Clock
}

/** What a seal adds to its plaintext, in bytes: version, key id, iv, tag. */
export const SEAL_OVERHEAD: number = 1 + 4 + IV_BYTES + TAG_BYTES

const VERSION = 1
const KID_AT = 1
const IV_AT = 5
const BODY_AT: number = IV_AT + IV_BYTES

interface Prepared {
  /** Version and key id, as every value under this key begins. */
  readonly head: Uint8Array
  /** K: gives each value its own key. */
  readonly master: HmacKey
  /** K′: gives the synthetic iv of the deterministic mode. */
  readonly synthetic: HmacKey
}

/** A {@link Sealer} over a ring of keys. Prepared keys live as long as the ring's key objects. */
export function createSealer({ ring, crypto, random, clock }: SealerPorts): Sealer {
  const prepared = new WeakMap<SealKey, Prepared>()
  const aads = new WeakMap<SealScope, Uint8Array>()

  async function prepare(key: SealKey): Promise<Prepared> {
    const master = await crypto.hmacKey('SHA-256', key.secret)
    // No iv half is as long as this label, so K′ is no message key.
    const synthetic = await crypto.hmacKey('SHA-256', await crypto.hmac(master, tuple('postern:sealed/v1:synthetic')))
    const fresh = { head: concat(Uint8Array.of(VERSION), fromHex(key.kid)!), master, synthetic }
    prepared.set(key, fresh)
    return fresh
  }

  function aadOf(scope: SealScope): Uint8Array {
    const known = aads.get(scope)
    if (known !== undefined) return known
    const { type, tenant, issuer, purpose } = scope
    const aad = tuple('postern:sealed/v1', type, tenant, issuer, purpose)
    // A scope that somebody may still change is encoded anew each time.
    if (Object.isFrozen(scope)) aads.set(scope, aad)
    return aad
  }

  async function write({ head, master }: Prepared, iv: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Promise<Uint8Array> {
    const sealed = sealEnvelope(crypto, master, iv, aad, plaintext)
    return concat(head, iv, isLater(sealed) ? await sealed : sealed)
  }

  return {
    activeKid: () => ring.active(clock()).kid,

    async seal(scope, plaintext) {
      const key = ring.active(clock())
      return write(prepared.get(key) ?? (await prepare(key)), random(IV_BYTES), aadOf(scope), plaintext)
    },

    async sealDeterministic(scope, plaintext, kid) {
      const now = clock()
      const key = kid === undefined ? ring.active(now) : ring.find(kid, now)
      if (key === null)
        throw new PosternError('keys.none_active', { retryable: false, reason: 'the named sealing key is not published' })
      const keys = prepared.get(key) ?? (await prepare(key))
      const aad = aadOf(scope)
      // The AAD ends where its own lengths say, so AAD ‖ plaintext is unambiguous.
      const mac = crypto.hmac(keys.synthetic, concat(aad, plaintext))
      const iv = (isLater(mac) ? await mac : mac).slice(0, IV_BYTES)
      return write(keys, iv, aad, plaintext)
    },

    async open(scope, sealed) {
      const bytes = sealed.slice()
      if (bytes.length < SEAL_OVERHEAD || bytes[0] !== VERSION) return null
      const key = ring.find(hex(bytes.subarray(KID_AT, IV_AT)), clock())
      if (key === null) return null
      const { master } = prepared.get(key) ?? (await prepare(key))
      return openEnvelope(crypto, master, bytes.subarray(IV_AT, BODY_AT), aadOf(scope), bytes.subarray(BODY_AT))
    },
  }
}
