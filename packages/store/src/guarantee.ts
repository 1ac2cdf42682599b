/** Kinds of record that must not be forgotten, and the door for an operator who accepts that they are. */
import { PosternError } from '@postern/core/errors'
import type { Store } from './contract.js'

/** Accept a store that may forget acknowledged writes on failover. A forgotten PIN counter is a free guess. */
export const acceptLoss: unique symbol = Symbol('postern.acceptLoss')

/**
 * Refuses, at start-up, a store that may lose what this kind of record must keep.
 * `need.failover`: `'lossless'` demands a replicated store; `'none'` is content with a single one and refuses `may-lose` alone.
 * @throws PosternError `store.refused_guarantee`
 */
export function requireGuarantee(
  store: Store,
  kind: string,
  need: { readonly failover: 'lossless' | 'none' },
  o: { readonly [acceptLoss]?: true } = {},
): void {
  const { failover } = store.guarantees
  if (failover === 'lossless' || (failover === 'none' && need.failover === 'none') || o[acceptLoss]) return
  throw new PosternError('store.refused_guarantee', {
    publicMessage: `${kind} needs a store that keeps acknowledged writes at failover; this one says "${failover}". Declare its topology, or pass acceptLoss.`,
  })
}
