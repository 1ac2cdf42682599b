/** The keys that values are sealed under, and where they come from. */
import type { Now } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'

/** A data key: `kid` is 8 lower-case hexadecimal digits, `secret` 32 random bytes. The key objects of a core key ring are such. */
export interface DataKey {
  readonly kid: string
  readonly secret: Uint8Array
}

/** The data keys of one tenant; every `Ring<SealKey>` is one. */
export interface DataKeys {
  /** The key that seals at `now`. */
  active(now: number): DataKey
  /** A key that still opens at `now`, or `null`. */
  find(kid: string, now: number): DataKey | null
}

/** One set of keys for all tenants, or each tenant's own; `null` for a tenant whose keys were destroyed. */
export type KeySource = DataKeys | ((tenant: string) => DataKeys | null | Promise<DataKeys | null>)

/** @throws PosternError `store.unavailable` when the host cannot say: nothing was asked of the store yet */
export function keysOf(source: KeySource, tenant: string): Now<DataKeys | null> {
  if (typeof source !== 'function') return source
  try {
    const keys = source(tenant)
    return keys instanceof Promise ? keys.catch(unavailable) : keys
  } catch (cause) {
    return unavailable(cause)
  }
}

/** The key to seal under. @throws PosternError `store.unavailable` when there is none: nothing was asked of the store yet */
export function activeKey(keys: DataKeys | null, now: number): DataKey {
  if (keys === null)
    throw new PosternError('store.unavailable', { retryable: false, reason: 'the data keys of the tenant are gone' })
  try {
    return keys.active(now)
  } catch (cause) {
    throw new PosternError('store.unavailable', { reason: 'the tenant has no active data key', cause })
  }
}

function unavailable(cause: unknown): never {
  throw new PosternError('store.unavailable', { reason: 'the data keys of the tenant cannot be had', cause })
}
